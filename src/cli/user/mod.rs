//! `byline user …`: manages accounts from the command line.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write},
    sync::Arc,
};

use clap::Subcommand;

use super::{Failure, schema};
use crate::{
    accounts::{
        Accounts,
        users::{schemas::UserResponse, service},
    },
    clock::Clock,
    config::Settings,
    db::Writer,
    http::{
        client_address::ClientAddress,
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
    },
}

pub(super) async fn run(settings: &Settings, command: Command, out: &mut impl Write) -> Result<(), Failure> {
    let Command::Create { email, username } = command;
    let account = create(settings, &email, &username).await?;
    writeln!(out, "{}", serde_json::to_string(&account)?)?;
    Ok(())
}

async fn create(settings: &Settings, email: &str, username: &str) -> Result<UserResponse, Failure> {
    let password = read_password()?;
    let db = schema::open(settings, false).await?.db;
    let writer = Writer::new(db.writer.clone(), Arc::new(()), settings.http.request_timeout);
    let accounts = Accounts::new(settings, db.reader.clone(), writer, Clock::system());
    let members = [("email", email), ("username", username), ("password", password.as_str())]
        .map(|(name, value)| (name.into(), value.into()));
    let limits =
        Limits { max_page_size: settings.http.max_page_size, max_body_bytes: settings.http.max_body_bytes };
    let mut errors = FieldErrors::default();
    let input = Extractor::extract("user", Members::Pairs(&members), &limits, &mut errors);
    let input = input.ok_or_else(|| errors.to_string())?;
    let (Accounts { writer, passwords, clock, .. }, client) = (&accounts, ClientAddress::LOCAL);
    let account = service::register(writer, passwords, client, input, clock.now()).await;
    db.close().await;
    Ok(account?)
}

fn read_password() -> io::Result<String> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password("Password: ");
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
