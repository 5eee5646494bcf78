//! Schemas built for real and thrown away: on PostgreSQL inside a transaction that is rolled back, on SQLite in memory.

use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseTransaction, DbBackend, Statement, TransactionTrait,
};
use sea_orm_migration::SchemaManager;

use super::{
    Engine, Error, Kit, Migration,
    catalogue::{self, Schema},
    engine::ident,
    error::Cause,
    script::{Direction, render},
    sql::tokens,
};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// An empty place to build in.
pub(crate) struct Scratch {
    txn: DatabaseTransaction,
    engine: Engine,
    temporary: bool,
}

impl Scratch {
    /// On PostgreSQL in the database of `txn`, so that the same server reads both schemas.
    pub(crate) async fn on(engine: Engine, txn: &DatabaseTransaction) -> Result<Self, Error> {
        match engine {
            Engine::Postgres => Self::schema(txn).await,
            Engine::Sqlite => Self::memory().await,
        }
    }

    async fn schema(txn: &DatabaseTransaction) -> Result<Self, Error> {
        let txn = txn.begin().await?;
        let sql = "SELECT has_database_privilege(current_database(), 'CREATE') AS granted";
        let row = txn.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
        let granted = row.map(|row| row.try_get("", "granted")).transpose()?.unwrap_or(false);
        let sql = if granted {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = ident(&format!("scratch_{}_{number}", std::process::id()));
            format!("CREATE SCHEMA {name}; SET LOCAL search_path TO {name}")
        } else {
            // Everyone may make temporary tables, and the schema that holds them serves as well.
            "SET LOCAL search_path TO pg_temp".to_owned()
        };
        txn.execute_unprepared(&sql).await?;
        Ok(Self { txn, engine: Engine::Postgres, temporary: !granted })
    }

    /// On SQLite, which is always at hand.
    pub(crate) async fn memory() -> Result<Self, Error> {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(1).sqlx_logging(false);
        let db = Database::connect(options).await?;
        db.execute_unprepared("PRAGMA foreign_keys = OFF").await?;
        Ok(Self { txn: db.begin().await?, engine: Engine::Sqlite, temporary: false })
    }

    /// On which engine.
    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    /// Runs one migration here.
    pub(crate) async fn migrate(&self, migration: &dyn Migration, direction: Direction) -> Result<(), Error> {
        match render(migration, self.engine, direction).await {
            Ok(statements) => self.run(migration.name(), &statements).await,
            Err(Error::NotStatic(_)) => {
                let manager = SchemaManager::new(&self.txn);
                match direction {
                    Direction::Up => migration.up(&manager).await?,
                    Direction::Down => migration.down(&manager).await?,
                }
                Ok(())
            }
            Err(other) => Err(other),
        }
    }

    /// Runs statements here. CONCURRENTLY is left out: it can't be had inside a transaction, and builds the same.
    pub(crate) async fn run(&self, name: &str, statements: &[String]) -> Result<(), Error> {
        for (number, sql) in (1..).zip(statements) {
            // PostgreSQL finds no function in its schema for temporary tables, and neither is compared.
            if self.temporary && routine_or_trigger(sql) {
                continue;
            }
            let sql = sql.replace(" CONCURRENTLY", "");
            self.txn.execute_unprepared(&sql).await.map_err(|error| Error::Statement {
                migration: name.to_owned(),
                number,
                source: Cause(error),
            })?;
        }
        Ok(())
    }

    /// What stands here now.
    pub(crate) async fn read(&self) -> Result<Schema, Error> {
        catalogue::read(&self.txn).await
    }

    /// The functions and procedures made here, with the types of their arguments, as DROP ROUTINE takes them.
    pub(crate) async fn routines(&self) -> Result<Vec<String>, Error> {
        if self.engine == Engine::Sqlite {
            return Ok(Vec::new());
        }
        let sql = "SELECT p.oid::regprocedure::text AS routine FROM pg_catalog.pg_proc p \
                   WHERE p.pronamespace = current_schema()::regnamespace ORDER BY 1";
        let rows = self.txn.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
        rows.iter().map(|row| Ok(row.try_get("", "routine")?)).collect()
    }

    /// Throws everything away.
    pub(crate) async fn drop(self) -> Result<(), Error> {
        Ok(self.txn.rollback().await?)
    }
}

fn routine_or_trigger(statement: &str) -> bool {
    let tokens = tokens(statement);
    let mut words = tokens.iter().filter(|token| !token.is("or") && !token.is("replace"));
    words.next().is_some_and(|first| first.is("create") || first.is("drop"))
        && words
            .next()
            .is_some_and(|kind| ["function", "procedure", "trigger"].iter().any(|word| kind.is(word)))
}

impl Kit {
    /// The schemas that the migrations build one after the other.
    pub(crate) async fn stages(&self, scratch: Scratch) -> Result<Vec<Schema>, Error> {
        let mut stages = Vec::new();
        for migration in &self.migrations {
            scratch.migrate(migration.as_ref(), Direction::Up).await?;
            stages.push(scratch.read().await?);
        }
        scratch.drop().await?;
        Ok(stages)
    }

    /// The schema that the program's models want.
    pub(crate) async fn wanted_schema(&self, scratch: Scratch) -> Result<Schema, Error> {
        scratch.run("the models", &(self.wanted)(scratch.engine())).await?;
        let schema = scratch.read().await?;
        scratch.drop().await?;
        Ok(schema)
    }
}
