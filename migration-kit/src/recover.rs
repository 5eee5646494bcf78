//! Ways out: of a half-way migration, and back to an empty database.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};

use super::{
    Engine, Error, Kit, Options, Outcome, Phase, State,
    engine::{ident, literal},
    execute::sum,
    ledger::{self, Entry},
    scratch::Scratch,
    script::Direction,
    session::Session,
};

impl Kit {
    /// Clears the mark of a migration that stopped half-way: `done` says that its work was finished by hand, and it is
    /// recorded as applied; otherwise that what it did was undone, and it is pending again.
    pub async fn repair(
        &self,
        db: &DatabaseConnection,
        name: &str,
        done: bool,
        options: &Options<'_>,
    ) -> Result<(), Error> {
        let engine = Engine::of(db)?;
        let position = self.position(name)?;
        let session = Session::open(db, self.ledger, options.limits, false).await?;
        let txn = session.begin().await?;
        let dirty = match self.state(&txn).await? {
            State::Ours(standing) => standing.dirty,
            State::Empty | State::Foreign { .. } => Vec::new(),
        };
        if !dirty.iter().any(|marked| marked == name) {
            return Err(Error::NotDirty(name.to_owned()));
        }
        let statements = match self.migrations.get(position) {
            Some(migration) if done => {
                let checksum = sum(migration.as_ref(), engine).await?;
                let entry = Entry {
                    name,
                    phase: Phase::Applied,
                    checksum: checksum.as_deref(),
                    additive: migration.marks().additive,
                    version: self.version,
                    duration_ms: 0,
                };
                ledger::record(engine, self.ledger, &entry)
            }
            _ => ledger::forget(self.ledger, name),
        };
        for sql in statements {
            txn.execute_unprepared(&sql).await?;
        }
        txn.commit().await?;
        session.close().await
    }

    /// Reverts everything and forgets that it was ever here.
    pub async fn reset(&self, db: &DatabaseConnection, options: &Options<'_>) -> Result<Outcome, Error> {
        let outcome = self.down(db, &Options { to: None, steps: None, ..*options }).await?;
        self.erase(db, options, &[]).await?;
        Ok(outcome)
    }

    /// Drops every table and function that a migration ever made, with all rows, and applies all migrations anew. Tables of others
    /// stay.
    pub async fn fresh(&self, db: &DatabaseConnection, options: &Options<'_>) -> Result<Outcome, Error> {
        let txn = db.begin().await?;
        let scratch = Scratch::on(Engine::of(&txn)?, &txn).await?;
        let mut tables = BTreeSet::new();
        for migration in &self.migrations {
            scratch.migrate(migration.as_ref(), Direction::Up).await?;
            tables.extend(scratch.read().await?.tables.into_keys().map(|table| ident(&table)));
        }
        let routines = scratch.routines().await?;
        scratch.drop().await?;
        txn.rollback().await?;
        let drops: Vec<_> = tables
            .iter()
            .map(|table| format!("TABLE IF EXISTS {table}"))
            .chain(routines.iter().map(|routine| format!("ROUTINE IF EXISTS {routine}")))
            .collect();
        self.erase(db, options, &drops).await?;
        self.up(db, options).await
    }

    /// Drops what is named, with what depends on it, and the records.
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
        let session = Session::open(db, self.ledger, options.limits, true).await?;
        let result = async {
            let txn = session.begin().await?;
            let mut statements: Vec<_> = drops.iter().map(|what| format!("DROP {what}{cascade}")).collect();
            statements.push(format!("DROP TABLE IF EXISTS {}", ident(self.ledger)));
            // Another SeaORM program may keep its records in the same table.
            if ledger::tables(&txn).await?.iter().any(|table| table == "seaql_migrations") {
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
