//! `byline seed`: adds generated users and articles, for trials and benchmarks.

use std::fmt;

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
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Set, TransactionTrait as _,
};

use crate::{accounts::passwords::Passwords, clock::Clock, http::error::Result};

/// Rows per statement. A row has 7 values, and SQLite accepts 32,766 values per statement.
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

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "created {} users and {} articles", self.users, self.articles)
    }
}

/// Adds users and articles in one transaction.
pub async fn run(db: &DatabaseConnection, bcrypt_cost: u32, amount: &Amount) -> Result<()> {
    let hash = Passwords::new(bcrypt_cost).hash(&PASSWORD.into()).await?;
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
                    title: Set(title),
                    content: Set(content.clone()),
                    published: Set(!draft),
                    author_id: Set(*author_id),
                    created_at: Set(written.into()),
                    updated_at: Set(written.into()),
                    state_id: Set(article::new_state_id()),
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
