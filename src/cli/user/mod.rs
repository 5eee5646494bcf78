//! `byline user …`: manages accounts from the command line, also while servers use the database.

mod input;
mod output;

use std::{io::Write, sync::Arc};

use clap::{Args, Subcommand};

use self::{
    input::{confirm, parse, read_password},
    output::{print_account, print_accounts, print_sessions},
};
use super::{Failure, schema};
use crate::{
    accounts::{
        Accounts,
        administration::{
            audit::Actor,
            operator,
            schemas::{AccountResponse, Prefix, SuspendedArticles},
            service,
        },
        users::schemas::{AccountName, NewPassword, UserCreate},
    },
    clock::Clock,
    config::Settings,
    db::Writer,
    http::{
        error::Error,
        validation::{Extractor, FieldErrors, Limits, Members},
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create an account. Prompts for the password, or reads it from standard input
    Create {
        /// E-mail address, unique regardless of case
        #[arg(long)]
        email: String,
        /// User name to sign in with
        #[arg(long)]
        username: String,
        /// Make it an administrator
        #[arg(long)]
        admin: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List all accounts, the newest first
    List {
        /// Only accounts whose user name or e-mail address starts with this text
        #[arg(long)]
        search: Option<String>,
        /// Print JSON, one account per line
        #[arg(long)]
        json: bool,
    },
    /// Show an account
    Show(Printed),
    /// Set the password of an account, and end all its sessions and tokens. Prompts for the password, or reads it
    /// from standard input
    SetPassword(Selection),
    /// Make an account an administrator
    Promote(Printed),
    /// Take the rights of an administrator from an account
    Demote(Printed),
    /// Suspend an account: its sessions and tokens end at once
    Suspend {
        #[command(flatten)]
        account: Printed,
        /// Turn its published articles into drafts until it is reinstated
        #[arg(long)]
        hide_articles: bool,
    },
    /// End the suspension of an account, and publish the articles that it hid
    Reinstate(Printed),
    /// Delete an account with its articles
    Delete {
        #[command(flatten)]
        account: Selection,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// List the sessions of an account
    Sessions {
        #[command(flatten)]
        account: Printed,
        /// End all sessions instead
        #[arg(long, conflicts_with = "json")]
        end: bool,
    },
}

/// An account, by its name or by its id. They differ in form, because a name can consist of digits.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct Selection {
    /// User name
    username: Option<String>,
    /// Id of the account, instead of its name
    #[arg(long)]
    id: Option<i32>,
}

/// An account to print.
#[derive(Args, Debug)]
pub(super) struct Printed {
    #[command(flatten)]
    account: Selection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(settings: &Settings, command: Command, out: &mut impl Write) -> Result<(), Failure> {
    // Before the database is opened: a person may take a while.
    let password = match command {
        Command::Create { .. } | Command::SetPassword(_) => read_password()?,
        _ => String::new(),
    };
    let db = schema::open(settings, false).await?.db;
    let writer = Writer::new(db.writer.clone(), Arc::new(()), settings.http.request_timeout);
    let accounts = Accounts::new(settings, db.reader.clone(), writer, Clock::system());
    let limits =
        Limits { max_page_size: settings.http.max_page_size, max_body_bytes: settings.http.max_body_bytes };
    let outcome = Operator { accounts, limits }.run(command, &password, out).await;
    db.close().await;
    outcome
}

struct Operator {
    accounts: Accounts,
    limits: Limits,
}

impl Operator {
    async fn run(&self, command: Command, password: &str, out: &mut impl Write) -> Result<(), Failure> {
        let (Accounts { reader, writer, clock, .. }, actor) = (&self.accounts, &Actor::CommandLine);
        match command {
            Command::Create { email, username, admin, json } => {
                let account = self.create(&email, &username, password, admin).await?;
                print_account(out, &account, json)
            }
            Command::List { search, json } => {
                let prefix = search.map(|text| parse::<Prefix>("search", &text, &self.limits)).transpose()?;
                print_accounts(out, reader, prefix.map(Prefix::into_inner), json).await
            }
            Command::Show(Printed { account, json }) => print_account(out, &self.load(account).await?, json),
            Command::SetPassword(account) => {
                let account = self.load(account).await?;
                let password = parse::<NewPassword>("password", password, &self.limits)?;
                let set = operator::set_password(&self.accounts, &account, &password, clock.now());
                set.await.map_err(explain)
            }
            Command::Promote(Printed { account, json }) => {
                let id = self.load(account).await?.id;
                let account = service::promote(writer, actor, id, clock.now()).await.map_err(explain)?;
                print_account(out, &account, json)
            }
            Command::Demote(Printed { account, json }) => {
                let id = self.load(account).await?.id;
                let account = service::demote(writer, actor, id, clock.now()).await.map_err(explain)?;
                print_account(out, &account, json)
            }
            Command::Suspend { account: Printed { account, json }, hide_articles } => {
                let id = self.load(account).await?.id;
                let articles = if hide_articles { SuspendedArticles::Hide } else { SuspendedArticles::Keep };
                let account = service::suspend(writer, actor, id, articles, clock.now()).await;
                print_account(out, &account.map_err(explain)?, json)
            }
            Command::Reinstate(Printed { account, json }) => {
                let id = self.load(account).await?.id;
                let account = service::reinstate(writer, actor, id, clock.now()).await.map_err(explain)?;
                print_account(out, &account, json)
            }
            Command::Delete { account, yes } => {
                let account = self.load(account).await?;
                confirm(out, &account, yes)?;
                service::delete(writer, actor, account.id, clock.now()).await.map_err(explain)
            }
            Command::Sessions { account, end: true } => {
                let id = self.load(account.account).await?.id;
                operator::end_all_sessions(writer, id, clock.now()).await.map_err(explain)
            }
            Command::Sessions { account: Printed { account, json }, end: false } => {
                let id = self.load(account).await?.id;
                let sessions = operator::list_sessions(reader, id).await.map_err(explain)?;
                print_sessions(out, &sessions, json)
            }
        }
    }

    async fn create(
        &self,
        email: &str,
        username: &str,
        password: &str,
        is_admin: bool,
    ) -> Result<AccountResponse, Failure> {
        let members = [("email", email), ("username", username), ("password", password)]
            .map(|(name, value)| (name.into(), value.into()));
        let mut errors = FieldErrors::default();
        let input: Option<UserCreate> =
            Extractor::extract("user", Members::Pairs(&members), &self.limits, &mut errors);
        let input = input.ok_or_else(|| errors.to_string())?;
        let created = operator::create(&self.accounts, input, is_admin, self.accounts.clock.now());
        created.await.map_err(explain)
    }

    /// The selected account.
    async fn load(&self, selection: Selection) -> Result<AccountResponse, Failure> {
        let reader = &self.accounts.reader;
        let found = match selection {
            Selection { id: Some(id), .. } => service::read_user(reader, id).await,
            Selection { username, .. } => {
                let name = username.unwrap_or_default();
                let name = parse::<AccountName>("username", &name, &self.limits)?;
                operator::read_by_name(reader, name).await
            }
        };
        found.map_err(explain)
    }
}

/// The error with its cause, which a client of the API would not see.
fn explain(error: Error) -> Failure {
    let Some(failure) = error.failure() else { return error.into() };
    failure.to_string().into()
}
