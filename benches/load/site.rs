//! The database of one run: created, filled, and dropped at the end.

use std::time::Duration;

use actix_web::rt::time::sleep;
use byline::{
    accounts::tokens::Tokens,
    cli::seed,
    clock::Clock,
    config::{Engine, Settings},
    db::Db,
    http::conditional::RowState,
};
use chrono::TimeDelta;
use clap::Parser;
use entity::{article, search_queue, session, user};
use sea_orm::{
    ActiveModelTrait as _, ConnectionTrait as _, Database, EntityTrait as _, QuerySelect as _, Set,
    prelude::DateTimeUtc,
};
use tempfile::TempDir;

use crate::{Failure, limits::AUTHOR, rows::KNOWN};

/// The id of the session of [`Site::token`].
const SESSION: &str = "0123456789abcdef0123456789abcdef";

/// Words that one of a thousand articles contains.
const RARE: &str = "analytical engine";

/// The tag of one article in ten.
pub(crate) const TAG: &str = "rust";

/// The number of large articles, which fill a page of 10 MB.
pub(crate) const LARGE: usize = 10;

/// A filled database, and the variables of a server that uses it.
pub(crate) struct Site {
    pub(crate) url: String,
    pub(crate) articles: usize,
    /// An access token of the first account.
    pub(crate) token: String,
    /// The name of another account, which logs in.
    pub(crate) username: String,
    directory: TempDir,
    on_postgres: Option<OnPostgres>,
}

struct OnPostgres {
    server: String,
    name: String,
}

/// Parses a [`seed::Amount`], which has no other constructor.
#[derive(Parser)]
struct Seed {
    #[command(flatten)]
    amount: seed::Amount,
}

impl Site {
    /// Creates and fills a SQLite file, or a database on the PostgreSQL server at `postgres`. All articles
    /// are published and belong to one account.
    pub(crate) async fn new(
        engine: Engine,
        postgres: Option<&str>,
        articles: usize,
    ) -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let (url, on_postgres) = match postgres.filter(|_| engine == Engine::Postgres) {
            None => (format!("sqlite://{}/byline.db?mode=rwc", directory.path().display()), None),
            Some(server) => {
                let name = format!("byline_bench_{}_{articles}", std::process::id());
                let (root, _) = server.rsplit_once('/').ok_or("TEST_DATABASE_URL names no database")?;
                let admin = Database::connect(server).await?;
                admin.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name}")).await?;
                admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await?;
                (format!("{root}/{name}"), Some(OnPostgres { server: server.to_owned(), name }))
            }
        };
        let mut site =
            Self { url, articles, token: String::new(), username: String::new(), directory, on_postgres };
        site.fill().await?;
        Ok(site)
    }

    /// The environment variables of a server on this database.
    pub(crate) fn variables(&self) -> [(&'static str, String); 6] {
        [
            ("DATABASE_URL", self.url.clone()),
            ("DATA_DIR", self.directory.path().display().to_string()),
            ("SECRET_KEY", "a key of the benchmark, 32 bytes and more".to_owned()),
            ("HOST", "127.0.0.1".to_owned()),
            ("PORT", "0".to_owned()),
            ("ACCESS_TOKEN_EXPIRE_MINUTES", "1440".to_owned()),
        ]
    }

    fn settings(&self) -> impl Iterator<Item = (String, String)> {
        self.variables().into_iter().map(|(name, value)| (name.to_owned(), value))
    }

    async fn fill(&mut self) -> Result<(), Failure> {
        let settings = Settings::from_parts(self.settings(), None)?;
        let (db, now) = (&Db::lazy(&settings)?.pool()?, Clock::system().now());
        migration::up(db).await?;
        let articles = self.articles.to_string();
        let seed = Seed::try_parse_from(["seed", "--users", "1", "--articles", &articles, "--drafts", "0"])?;
        seed::run(db, settings.auth.bcrypt_cost, &seed.amount).await?;
        // All articles have the same state, so that one entity tag fits each of them.
        let RowState { version, id } = KNOWN;
        db.execute_unprepared(&format!(
            "UPDATE articles SET slug = 'post-' || id, version = {version}, state_id = {id}, \
             content = CASE WHEN id % 1000 = 7 THEN content || ' {RARE}' ELSE content END"
        ))
        .await?;
        db.execute_unprepared(&format!("INSERT INTO tags (key, name) VALUES ('{TAG}', '{TAG}')")).await?;
        db.execute_unprepared(
            "INSERT INTO article_tags (article_id, tag_id, position) \
             SELECT articles.id, tags.id, 0 FROM articles, tags WHERE articles.id % 10 = 3",
        )
        .await?;
        // Without statistics, the planner guesses until autovacuum has run.
        db.execute_unprepared("ANALYZE").await?;
        let author = user::Entity::find_by_id(AUTHOR).one(db).await?.ok_or("the first account is missing")?;
        let auth = &settings.auth;
        let tokens = Tokens::new(&auth.secret_key, None, auth.algorithm, auth.access_token_lifetime);
        self.token = tokens.issue(author.id, SESSION, now)?;
        // A request with a token checks its session.
        let (started, expires) = (now.into(), (now + TimeDelta::days(1)).into());
        let session = session::ActiveModel {
            id: Set(SESSION.to_owned()),
            user_id: Set(author.id),
            refresh_hash: Set(String::new()),
            previous_hash: Set(None),
            device: Set(None),
            address: Set("127.0.0.1".to_owned()),
            created_at: Set(started),
            last_used_at: Set(started),
            refresh_expires_at: Set(expires),
            expires_at: Set(expires),
        };
        session::Entity::insert(session).exec_without_returning(db).await?;
        // Each login beyond the maximum ends the oldest session of its account, so that of the token is of another one.
        let reader = user::ActiveModel {
            username: Set("reader".to_owned()),
            email: Set("reader@example.com".to_owned()),
            hashed_password: Set(author.hashed_password),
            created_at: Set(started),
            updated_at: Set(started),
            ..Default::default()
        };
        reader.insert(db).await.map(|reader| self.username = reader.username)?;
        Ok(())
    }

    /// Adds [`LARGE`] articles of 1 MB, the oldest ones of the list. They do not count as [`Self::articles`].
    pub(crate) async fn add_large_articles(&self) -> Result<(), Failure> {
        let settings = Settings::from_parts(self.settings(), None)?;
        let (db, now) = (&Db::lazy(&settings)?.pool()?, DateTimeUtc::UNIX_EPOCH);
        let rows = (0..LARGE).map(|number| article::ActiveModel {
            title: Set(format!("Large {number}")),
            content: Set("It weaves. ".repeat(1_000_000 / 11)),
            published: Set(true),
            author_id: Set(AUTHOR),
            created_at: Set(now.into()),
            updated_at: Set(now.into()),
            version: Set(1),
            state_id: Set(0),
            ..Default::default()
        });
        article::Entity::insert_many(rows).exec_without_returning(db).await?;
        Ok(())
    }

    /// Waits until a running server has indexed the articles for search, so that nothing else is measured meanwhile.
    pub(crate) async fn wait_until_indexed(&self) -> Result<(), Failure> {
        let settings = Settings::from_parts(self.settings(), None)?;
        let db = &Db::lazy(&settings)?.pool()?;
        while search_queue::Entity::find().limit(1).one(db).await?.is_some() {
            sleep(Duration::from_millis(200)).await;
        }
        if self.on_postgres.is_some() {
            // The rows of the queue are gone, but until autovacuum has run, each search still reads past them.
            db.execute_unprepared("VACUUM ANALYZE").await?;
        }
        Ok(())
    }

    /// Drops the database. A SQLite file is deleted with its directory.
    pub(crate) async fn remove(self) -> Result<(), Failure> {
        if let Some(OnPostgres { server, name }) = self.on_postgres {
            let admin = Database::connect(&server).await?;
            admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await?;
        }
        Ok(())
    }
}
