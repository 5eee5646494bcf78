//! Databases to try things on, and migrations to try.

use std::{
    io::Write,
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
};

use migration_kit::{Attributes, Engine, Migration, Migrator};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, Statement};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

static COUNT: AtomicU32 = AtomicU32::new(0);
static WARNING: Once = Once::new();

/// An empty database that goes when this does.
pub(crate) struct Place {
    pub(crate) engine: Engine,
    pub(crate) url: String,
    pub(crate) db: DatabaseConnection,
    name: String,
    _folder: tempfile::TempDir,
}

impl Place {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("test.db").display());
        Self { engine: Engine::Sqlite, db: connect(&url).await, url, name: String::new(), _folder: folder }
    }

    /// None, said aloud, where no server is given.
    pub(crate) async fn postgres() -> Option<Self> {
        let Some(server) = server() else {
            WARNING.call_once(|| {
                // Straight to the stream: what print macros write is kept back for tests that pass.
                let text = "\nPostgreSQL: not run (TEST_DATABASE_URL is not set)\n\n";
                std::io::stderr().write_all(text.as_bytes()).unwrap();
            });
            return None;
        };
        let name = format!("test_kit_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let admin = connect(&server).await;
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        admin.close().await.unwrap();
        let (base, query) =
            server.split_once('?').map_or((server.as_str(), ""), |(base, query)| (base, query));
        let base = base.rsplit_once('/').unwrap().0;
        let url = format!("{base}/{name}{}{query}", if query.is_empty() { "" } else { "?" });
        let folder = tempfile::tempdir().unwrap();
        Some(Self { engine: Engine::Postgres, db: connect(&url).await, url, name, _folder: folder })
    }

    /// One of each engine that there is.
    pub(crate) async fn all() -> Vec<Self> {
        let mut places = vec![Self::sqlite().await];
        places.extend(Self::postgres().await);
        places
    }

    pub(crate) async fn run(&self, sql: &str) {
        self.db.execute_unprepared(sql).await.unwrap();
    }

    /// The first column of every row, as text.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.db.query_all_raw(Statement::from_string(self.engine.backend(), sql)).await.unwrap();
        rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap()).collect()
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let row = self.db.query_one_raw(Statement::from_string(self.engine.backend(), sql)).await.unwrap();
        row.unwrap().try_get_by_index::<i64>(0).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.name.is_empty() {
            return;
        }
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        // The test's own runtime can't be waited on from here.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                connect(&server().unwrap()).await.execute_unprepared(&sql).await.unwrap()
            });
        });
        assert!(
            dropped.join().is_ok() || std::thread::panicking(),
            "the test's database could not be dropped"
        );
    }
}

pub(crate) fn server() -> Option<String> {
    std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())
}

pub(crate) async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(2).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

/// How many migrations Byline has.
pub(crate) fn all() -> usize {
    migration::migrator().names().count()
}

/// A migration that asks the database before it acts, and can't be reverted.
pub(crate) struct Asking;

impl MigrationName for Asking {
    fn name(&self) -> &'static str {
        "m2"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Asking {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_table("a").await? {
            manager.get_connection().execute_unprepared("CREATE TABLE asked (id integer)").await?;
        }
        Ok(())
    }
}

impl Migration for Asking {}

/// A migration written as SQL.
#[derive(Clone)]
pub(crate) struct Sql {
    pub(crate) name: &'static str,
    pub(crate) up: Vec<&'static str>,
    pub(crate) down: Vec<&'static str>,
    pub(crate) attributes: Attributes,
    pub(crate) transaction: Option<bool>,
}

pub(crate) fn sql(name: &'static str, up: &[&'static str], down: &[&'static str]) -> Sql {
    Sql { name, up: up.to_vec(), down: down.to_vec(), attributes: Attributes::NONE, transaction: None }
}

impl MigrationName for Sql {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Sql {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in &self.up {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in &self.down {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        self.transaction
    }
}

impl Migration for Sql {
    fn attributes(&self) -> Attributes {
        self.attributes
    }
}

pub(crate) fn kit(migrations: &[&Sql]) -> Migrator {
    Migrator {
        program: "tester",
        version: "1.2.3",
        ledger: "tester_migrations",
        lock_key: "tester_migrations",
        migrations: migrations
            .iter()
            .map(|each| -> Box<dyn Migration> { Box::new((*each).clone()) })
            .collect(),
        wanted: |_| Vec::new(),
        adoption: Box::new(()),
    }
}
