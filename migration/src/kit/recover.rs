//! Ways out: of a half-way migration, and back to an empty database.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseConnection};

use super::{
    Engine, Error, Kit, Options, Outcome, Phase, State,
    engine::{ident, literal},
    execute::sum,
    ledger::{self, Entry},
    scratch::Scratch,
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
        self.drop_tables(db, options, &[]).await?;
        Ok(outcome)
    }

    /// Drops every table that a migration ever made, with all rows, and applies all migrations anew. Tables of others
    /// stay.
    pub async fn fresh(&self, db: &DatabaseConnection, options: &Options<'_>) -> Result<Outcome, Error> {
        let stages = {
            let txn = sea_orm::TransactionTrait::begin(db).await?;
            let stages = self.stages(Scratch::on(Engine::of(&txn)?, &txn).await?).await?;
            txn.rollback().await?;
            stages
        };
        let tables: BTreeSet<_> = stages.into_iter().flat_map(|stage| stage.tables.into_keys()).collect();
        self.drop_tables(db, options, &tables.into_iter().collect::<Vec<_>>()).await?;
        self.up(db, options).await
    }

    async fn drop_tables(
        &self,
        db: &DatabaseConnection,
        options: &Options<'_>,
        tables: &[String],
    ) -> Result<(), Error> {
        let cascade = match Engine::of(db)? {
            Engine::Postgres => " CASCADE",
            Engine::Sqlite => "",
        };
        let session = Session::open(db, self.ledger, options.limits, true).await?;
        let result = async {
            let txn = session.begin().await?;
            let there = ledger::tables(&txn).await?;
            let mut statements: Vec<_> = tables
                .iter()
                .map(String::as_str)
                .chain([self.ledger])
                .filter(|name| there.iter().any(|table| table == name))
                .map(|name| format!("DROP TABLE {}{cascade}", ident(name)))
                .collect();
            // Another SeaORM program may keep its records in the same table.
            if there.iter().any(|table| table == "seaql_migrations") {
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
