//! `byline seed`: adds generated users and articles, for trials and benchmarks.

use std::{fmt, io::Write};

use chrono::TimeDelta;
use clap::Args;
use entity::{article, user};
use fake::{
    Fake as _,
    faker::{
        lorem::en::{Paragraph, Sentence},
        name::en::FirstName,
    },
    rand::{SeedableRng as _, rngs::StdRng},
};
use migration::cli::{Target, prompt_for_name};
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Set, TransactionTrait as _,
};

use super::{Failure, schema};
use crate::{
    accounts::passwords::{Passwords, Requester},
    clock::Clock,
    config::{Environment, Settings},
    http::{client_address::ClientAddress, error::Result},
    publishing::slugs::Slug,
};

/// Rows per statement. A row has at most 9 values, and SQLite accepts 32,766 values per statement.
const BATCH: usize = 2000;

/// The password of every generated account.
pub const PASSWORD: &str = "seeded-password";

/// The amount of data to generate.
#[derive(Args, Clone, Copy, Debug)]
pub struct Amount {
    /// Number of users to add, all with the password `seeded-password`
    #[arg(long, default_value_t = 10)]
    users: usize,
    /// Number of articles to add, one minute apart, by these users in turn
    #[arg(long, default_value_t = 1000)]
    articles: usize,
    /// Length of each article's content, in bytes
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    bytes: u32,
    /// Percentage of articles that are drafts
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    drafts: u8,
}

/// Arguments of the command.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    #[command(flatten)]
    amount: Amount,
    /// The name of the database, or of the SQLite file. Required in production and on other machines,
    /// because everyone knows the password of the accounts
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "created {} users and {} articles", self.users, self.articles)
    }
}

/// Runs the command, and reports what it created.
pub(super) async fn run_command(
    settings: &Settings,
    arguments: &Arguments,
    out: &mut impl Write,
) -> std::result::Result<(), Failure> {
    let Arguments { amount, confirm } = arguments;
    if amount.users == 0 && amount.articles > 0 {
        return Err("--users 0: articles need at least one user, who is their author".into());
    }
    let target = schema::target(&settings.database.url)?;
    require_confirmation(settings, &target, confirm.as_deref(), out)?;
    let db = schema::open(settings, false).await?.db;
    let pool = db.pool()?;
    let seeded = run(&pool, settings.auth.bcrypt_cost, amount).await;
    pool.close().await?;
    seeded?;
    Ok(writeln!(out, "{target}: {amount}")?)
}

/// Requires the name of the database, like `migrate fresh`, where the accounts would let anyone in.
fn require_confirmation(
    settings: &Settings,
    target: &Target,
    confirm: Option<&str>,
    out: &mut impl Write,
) -> std::result::Result<(), Failure> {
    if settings.app.environment == Environment::Development && target.is_local() {
        return Ok(());
    }
    let name = target.name();
    let typed = match confirm {
        Some(typed) => Some(typed.to_owned()),
        None => prompt_for_name(out, &format!("This creates accounts with a public password in {target}."))?,
    };
    if typed.as_deref() == Some(name.as_str()) {
        return Ok(());
    }
    Err(format!(
        "{target}: nothing was created: in production and on other machines, confirm accounts with a public \
         password with the name of the database (--confirm {name})"
    )
    .into())
}

/// Adds users and articles in one transaction.
pub async fn run(db: &DatabaseConnection, bcrypt_cost: u32, amount: &Amount) -> Result<()> {
    let requester = Requester::new(ClientAddress::LOCAL, "");
    let hash = Passwords::new(bcrypt_cost).hash(requester, &PASSWORD.into()).await?;
    let now = Clock::system().now();
    let mut random = StdRng::seed_from_u64(1);
    let txn = db.begin().await?;

    let newest = user::Entity::find().order_by_desc(user::Column::Id).one(&txn).await?;
    let newest = newest.map_or(0, |user| user.id);
    let numbers: Vec<usize> = (1..=amount.users).collect();
    for batch in numbers.chunks(BATCH) {
        let rows: Vec<_> = batch
            .iter()
            .map(|number| {
                let name: String = FirstName().fake_with_rng(&mut random);
                let username = format!("{}-{newest}-{number}", name.to_lowercase());
                let email = format!("{username}@example.com");
                user::ActiveModel {
                    email_key: Set(Some(user::email_key(&email))),
                    email: Set(email),
                    username: Set(username),
                    hashed_password: Set(hash.clone()),
                    created_at: Set(now.into()),
                    updated_at: Set(now.into()),
                    ..Default::default()
                }
            })
            .collect();
        user::Entity::insert_many(rows).exec_without_returning(&txn).await?;
    }
    let authors: Vec<i32> = user::Entity::find()
        .select_only()
        .column(user::Column::Id)
        .filter(user::Column::Id.gt(newest))
        .order_by_asc(user::Column::Id)
        .into_tuple()
        .all(&txn)
        .await?;

    let content = text(&mut random, amount.bytes);
    let mut authors = authors.iter().cycle();
    let mut minutes = (0..amount.articles).rev().filter_map(|ago| i64::try_from(ago).ok());
    loop {
        let rows: Vec<_> = minutes
            .by_ref()
            .zip(authors.by_ref())
            .take(BATCH)
            .map(|(ago, author_id)| {
                let written = now - TimeDelta::minutes(ago);
                let title: String = Sentence(2..6).fake_with_rng(&mut random);
                let draft = u64::from(amount.drafts) > (0..100_u64).fake_with_rng(&mut random);
                article::ActiveModel {
                    slug: Set(Some(Slug::derive(&format!("{newest} {ago} {title}")).into_inner())),
                    title: Set(title),
                    content: Set(content.clone()),
                    published: Set(!draft),
                    author_id: Set(*author_id),
                    created_at: Set(written.into()),
                    updated_at: Set(written.into()),
                    state_id: Set(article::new_state_id()),
                    published_at: Set((!draft).then(|| written.into())),
                    ..Default::default()
                }
            })
            .collect();
        if rows.is_empty() {
            break;
        }
        article::Entity::insert_many(rows).exec_without_returning(&txn).await?;
    }
    Ok(txn.commit().await?)
}

/// Generates an ASCII text of this many bytes.
fn text(random: &mut StdRng, bytes: u32) -> String {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut text = String::with_capacity(bytes);
    while text.len() < bytes {
        let paragraph: String = Paragraph(3..6).fake_with_rng(random);
        text.push_str(&paragraph);
        text.push_str("\n\n");
    }
    text.truncate(bytes);
    text
}
