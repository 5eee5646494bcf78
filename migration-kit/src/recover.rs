//! Repairs incomplete migrations, and removes the program's tables from a database.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};

use super::{
    DatabaseState, Direction, Engine, Error, Migrator, Options, Outcome, Phase,
    engine::{ident, literal},
    ledger,
    render::up_checksum,
    scratch::Scratch,
    session::Session,
};

impl Migrator {
    /// Ends the incomplete state of a migration. With `done`, its statements were completed by hand and it is
    /// recorded as applied. Otherwise its statements were undone by hand and it is pending again.
    pub async fn repair(
        &self,
        db: &DatabaseConnection,
        name: &str,
        done: bool,
        options: &Options<'_>,
    ) -> Result<(), Error> {
        let engine = Engine::of(db)?;
        let position = self.position(name)?;
        let session = Session::open(db, self.lock_key, options.timeouts, false).await?;
        let txn = session.begin().await?;
        let incomplete = match self.state(&txn).await? {
            DatabaseState::Managed(status) => status.incomplete,
            DatabaseState::Empty | DatabaseState::Unmanaged { .. } => Vec::new(),
        };
        if !incomplete.iter().any(|each| each == name) {
            return Err(Error::NotIncomplete(name.to_owned()));
        }
        let statements = match self.migrations.get(position) {
            Some(migration) if done => {
                let checksum = up_checksum(migration.as_ref(), engine).await?;
                let record = ledger::NewRecord {
                    name,
                    phase: Phase::Applied,
                    checksum: checksum.as_deref(),
                    additive: migration.attributes().additive,
                    version: self.version,
                    duration_ms: 0,
                };
                ledger::insert(engine, self.ledger, &record)
            }
            _ => ledger::delete(self.ledger, name),
        };
        for sql in statements {
            txn.execute_unprepared(&sql).await?;
        }
        txn.commit().await?;
        session.close().await
    }

    /// Reverts all migrations and deletes the records.
    pub async fn reset(&self, db: &DatabaseConnection, options: &Options<'_>) -> Result<Outcome, Error> {
        let outcome = self.down(db, &Options { to: None, steps: None, ..*options }).await?;
        self.erase(db, options, &[]).await?;
        Ok(outcome)
    }

    /// Drops every table and routine that any migration makes, with all rows, and applies all migrations
    /// again. Other tables are not touched.
    pub async fn fresh(&self, db: &DatabaseConnection, options: &Options<'_>) -> Result<Outcome, Error> {
        let txn = db.begin().await?;
        let scratch = Scratch::open(Engine::of(&txn)?, &txn).await?;
        let mut tables = BTreeSet::new();
        for migration in &self.migrations {
            scratch.migrate(migration.as_ref(), Direction::Up).await?;
            tables.extend(scratch.load().await?.tables.into_keys().map(|table| ident(&table)));
        }
        let routines = scratch.routines().await?;
        scratch.discard().await?;
        txn.rollback().await?;
        let drops: Vec<_> = tables
            .iter()
            .map(|table| format!("TABLE IF EXISTS {table}"))
            .chain(routines.iter().map(|routine| format!("ROUTINE IF EXISTS {routine}")))
            .collect();
        self.erase(db, options, &drops).await?;
        self.up(db, options).await
    }

    /// Drops the named objects with everything that depends on them, and deletes the records.
    async fn erase(
        &self,
        db: &DatabaseConnection,
        options: &Options<'_>,
        drops: &[String],
    ) -> Result<(), Error> {
        let cascade = match Engine::of(db)? {
            Engine::Postgres => " CASCADE",
            Engine::Sqlite => "",
        };
        let session = Session::open(db, self.lock_key, options.timeouts, true).await?;
        let result = async {
            let txn = session.begin().await?;
            let mut statements: Vec<_> =
                drops.iter().map(|object| format!("DROP {object}{cascade}")).collect();
            statements.push(format!("DROP TABLE IF EXISTS {}", ident(self.ledger)));
            // Another SeaORM program may use the same table.
            if ledger::table_names(&txn).await?.iter().any(|table| table == "seaql_migrations") {
                let names: Vec<_> = self.names().map(literal).collect();
                statements
                    .push(format!("DELETE FROM seaql_migrations WHERE version IN ({})", names.join(", ")));
            }
            for sql in statements {
                txn.execute_unprepared(&sql).await?;
            }
            Ok(txn.commit().await?)
        }
        .await;
        session.close().await?;
        result
    }
}
