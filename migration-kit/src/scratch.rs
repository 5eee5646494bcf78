//! Scratch schemas: built in the database engine, read, and discarded. On PostgreSQL they live in a
//! transaction that is rolled back, on SQLite in memory.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU32, Ordering},
};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseTransaction, DbBackend, Statement, TransactionTrait,
};
use sea_orm_migration::SchemaManager;

use super::{
    Direction, Engine, Error, Migration, Migrator,
    catalogue::{self, Schema},
    engine::ident,
    error::Cause,
    ledger, render,
    sql::tokenize,
};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A schema that is empty at first.
pub(crate) struct Scratch {
    txn: DatabaseTransaction,
    engine: Engine,
    temporary: bool,
}

impl Scratch {
    /// Opens one on `engine`. On PostgreSQL it is in the database of `txn`, so that one server normalises
    /// both schemas.
    pub(crate) async fn open(engine: Engine, txn: &DatabaseTransaction) -> Result<Self, Error> {
        match engine {
            Engine::Postgres => Self::postgres(txn).await,
            Engine::Sqlite => Self::sqlite().await,
        }
    }

    async fn postgres(txn: &DatabaseTransaction) -> Result<Self, Error> {
        let txn = txn.begin().await?;
        let sql = "SELECT has_database_privilege(current_database(), 'CREATE') AS granted, \
                   current_setting('transaction_read_only') = 'on' AS read_only";
        let row = txn.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
        if row.as_ref().map(|row| row.try_get("", "read_only")).transpose()?.unwrap_or(false) {
            return Err(Error::ReadOnly);
        }
        let granted = row.map(|row| row.try_get("", "granted")).transpose()?.unwrap_or(false);
        let sql = if granted {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = ident(&format!("scratch_{}_{number}", std::process::id()));
            format!("CREATE SCHEMA {name}; SET LOCAL search_path TO {name}")
        } else {
            // Every role may create temporary tables, and their schema works for this too.
            "SET LOCAL search_path TO pg_temp".to_owned()
        };
        txn.execute_unprepared(&sql).await?;
        Ok(Self { txn, engine: Engine::Postgres, temporary: !granted })
    }

    /// Opens one on SQLite, which needs no server.
    pub(crate) async fn sqlite() -> Result<Self, Error> {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(1).sqlx_logging(false);
        let db = Database::connect(options).await?;
        db.execute_unprepared("PRAGMA foreign_keys = OFF").await?;
        Ok(Self { txn: db.begin().await?, engine: Engine::Sqlite, temporary: false })
    }

    /// The engine.
    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    /// Runs one migration in this schema.
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

    /// Runs statements in this schema. CONCURRENTLY is removed: it does not work in a transaction, and the
    /// resulting index is the same.
    pub(crate) async fn run(&self, name: &str, statements: &[String]) -> Result<(), Error> {
        for (number, sql) in (1..).zip(statements) {
            // PostgreSQL never searches pg_temp for functions, so triggers cannot be built there. They are not
            // compared.
            if self.temporary && is_routine_or_trigger(sql) {
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

    /// The schema as it is now.
    pub(crate) async fn load(&self) -> Result<Schema, Error> {
        let schema = catalogue::load(&self.txn).await?;
        Ok(Schema { without_objects: self.temporary, ..schema })
    }

    /// Discards the schema.
    pub(crate) async fn discard(self) -> Result<(), Error> {
        Ok(self.txn.rollback().await?)
    }
}

fn is_routine_or_trigger(statement: &str) -> bool {
    let tokens = tokenize(statement);
    if tokens.first().is_some_and(|first| first.is("alter")) {
        return tokens.iter().any(|token| token.is("trigger"));
    }
    let mut words = tokens.iter().filter(|token| !token.is("or") && !token.is("replace"));
    words.next().is_some_and(|first| first.is("create") || first.is("drop"))
        && words
            .next()
            .is_some_and(|kind| ["function", "procedure", "trigger"].iter().any(|word| kind.is(word)))
}

/// What some migrations build.
pub(crate) struct Built {
    /// The schema after the last of them.
    pub(crate) schema: Schema,
    /// Every table that existed after one of them.
    pub(crate) tables: BTreeSet<String>,
}

impl Migrator {
    /// Runs those migrations whose name satisfies `includes`.
    pub(crate) async fn build(
        &self,
        scratch: Scratch,
        includes: impl Fn(&str) -> bool,
    ) -> Result<Built, Error> {
        let built = self.build_in(&scratch, includes).await;
        scratch.discard().await?;
        built
    }

    async fn build_in(&self, scratch: &Scratch, includes: impl Fn(&str) -> bool) -> Result<Built, Error> {
        let mut tables = BTreeSet::new();
        for migration in self.migrations.iter().filter(|migration| includes(migration.name())) {
            scratch.migrate(migration.as_ref(), Direction::Up).await?;
            tables.extend(ledger::table_names(&scratch.txn).await?);
        }
        Ok(Built { schema: scratch.load().await?, tables })
    }

    /// The schema after each migration, oldest first.
    pub(crate) async fn schema_after_each(&self, scratch: Scratch) -> Result<Vec<Schema>, Error> {
        let mut schemas = Vec::new();
        for migration in &self.migrations {
            scratch.migrate(migration.as_ref(), Direction::Up).await?;
            schemas.push(scratch.load().await?);
        }
        scratch.discard().await?;
        Ok(schemas)
    }

    /// The schema that the program's models want.
    pub(crate) async fn wanted_schema(&self, scratch: Scratch) -> Result<Schema, Error> {
        scratch.run("the models", &(self.wanted)(scratch.engine())).await?;
        let schema = scratch.load().await?;
        scratch.discard().await?;
        // Models cannot express triggers.
        Ok(Schema { without_objects: true, ..schema })
    }
}
