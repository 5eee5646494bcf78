//! Repairs the records of incomplete and changed migrations.

use sea_orm::{ConnectionTrait, DatabaseConnection};

use super::{
    DatabaseState, Engine, Error, Migrator, Options, Phase, SchemaStatus, ledger, render::up_checksum,
    session::Session,
};

/// What an administrator has found or done by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// The statements of an incomplete migration were completed: it is recorded as applied.
    Done,
    /// The statements of an incomplete migration were undone: it is pending again.
    Undone,
    /// A migration that changed since it was applied builds the same: its present checksum is recorded in
    /// place of the old one, with the time, the release and the old checksum.
    AcceptChecksum,
}

impl Migrator {
    /// Records what was done by hand about an incomplete or a changed migration.
    pub async fn repair(
        &self,
        db: &DatabaseConnection,
        name: &str,
        repair: Repair,
        options: &Options<'_>,
    ) -> Result<(), Error> {
        let engine = Engine::of(db)?;
        let position = self.position(name)?;
        let session = Session::open(db, self.lock_key, options.timeouts, false).await?;
        let txn = session.begin().await?;
        let status = match self.state(&txn).await? {
            DatabaseState::Managed(status) => status,
            DatabaseState::Empty | DatabaseState::Unmanaged { .. } => SchemaStatus::default(),
        };
        let is_in = |names: &[String]| names.iter().any(|each| each == name);
        if repair == Repair::AcceptChecksum && !is_in(&status.changed) {
            return Err(Error::NotChanged(name.to_owned()));
        }
        if repair != Repair::AcceptChecksum && !is_in(&status.incomplete) {
            return Err(Error::NotIncomplete(name.to_owned()));
        }
        self.create_ledgers(&txn, options).await?;
        let statements = match self.migrations.get(position) {
            Some(migration) if repair != Repair::Undone => {
                let checksum = up_checksum(migration.as_ref(), engine).await?;
                if repair == Repair::AcceptChecksum {
                    ledger::accept_checksum(&txn, self.ledger, name, checksum.as_deref(), self.version)
                        .await?;
                    txn.commit().await?;
                    return session.close().await;
                }
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
            _ => Vec::new(),
        };
        // Either table may have a row of an earlier run.
        for sql in ledger::delete(self.ledger, name).into_iter().chain(statements) {
            txn.execute_unprepared(&sql).await?;
        }
        txn.commit().await?;
        session.close().await
    }
}
