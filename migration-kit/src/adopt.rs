//! Adoption: recording migrations as applied in a database whose tables another program made.
//!
//! The tables are compared with what the migrations build. Only a match is recorded.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};

use super::{
    DatabaseState, Engine, Error, Migrator, Options, Outcome, Phase,
    catalogue::{self, changes, sequences_behind},
    compare::separate_notes,
    ledger,
    render::up_checksum,
    scratch::Scratch,
    session::Session,
};

/// What a program reports about a database that it adopts.
#[async_trait::async_trait]
pub trait Adoption: Send + Sync {
    /// One line each, printed on the command line. `txn` sees the adopted tables before later migrations run.
    async fn notices(&self, txn: &DatabaseTransaction) -> Result<Vec<String>, DbErr>;

    /// How the rows differ from what the migrations with these names leave, one line each. Nothing is recorded
    /// unless it is empty.
    async fn wrong_values(&self, txn: &DatabaseTransaction, names: &[&str]) -> Result<Vec<String>, DbErr>;
}

/// No notices.
#[async_trait::async_trait]
impl Adoption for () {
    async fn notices(&self, _: &DatabaseTransaction) -> Result<Vec<String>, DbErr> {
        Ok(Vec::new())
    }

    async fn wrong_values(&self, _: &DatabaseTransaction, _: &[&str]) -> Result<Vec<String>, DbErr> {
        Ok(Vec::new())
    }
}

/// The migrations that the tables in the database match.
struct Match {
    /// How many migrations, counted from the oldest.
    migrations: usize,
    /// Indexes that no migration makes, and sequences that are behind, one line each.
    notes: Vec<String>,
}

impl Migrator {
    /// Records the migrations up to `at` as applied if the tables match them. Without `at`, records as many
    /// as match. Writes to the ledger tables only.
    pub async fn adopt(
        &self,
        db: &sea_orm::DatabaseConnection,
        at: Option<&str>,
        options: &Options<'_>,
    ) -> Result<Outcome, Error> {
        let engine = Engine::of(db)?;
        let at = at.map(|name| self.position(name)).transpose()?;
        let session = Session::open(db, self.lock_key, options.timeouts, false).await?;
        let txn = session.begin().await?;
        match self.state(&txn).await? {
            DatabaseState::Managed(status) if !status.records.is_empty() => {
                return Err(Error::AlreadyManaged { program: self.program });
            }
            DatabaseState::Empty => return Err(Error::NothingToAdopt { program: self.program }),
            DatabaseState::Managed(_) | DatabaseState::Unmanaged { .. } => {}
        }
        let mut outcome = Outcome::default();
        if !self.adopt_in(&txn, engine, at, at, &mut outcome).await? {
            return Err(Error::NothingToAdopt { program: self.program });
        }
        txn.commit().await?;
        session.close().await?;
        Ok(outcome)
    }

    /// Adopts the tables in the database and returns whether there were any. `first` and `last` are the
    /// positions of the migrations to compare with.
    pub(crate) async fn adopt_in(
        &self,
        txn: &DatabaseTransaction,
        engine: Engine,
        first: Option<usize>,
        last: Option<usize>,
        outcome: &mut Outcome,
    ) -> Result<bool, Error> {
        let Some(matched) = self.match_tables(txn, first, last).await? else { return Ok(false) };
        let names: Vec<_> = self.names().take(matched.migrations).collect();
        let differences = self.adoption.wrong_values(txn, &names).await?;
        if !differences.is_empty() {
            let name = names.last().copied().unwrap_or_default().to_owned();
            return Err(Error::Mismatch { name, differences });
        }
        for sql in ledger::create_tables(engine, self.ledger) {
            txn.execute_unprepared(&sql).await?;
        }
        for migration in self.migrations.iter().take(matched.migrations) {
            let checksum = up_checksum(migration.as_ref(), engine).await?;
            let record = ledger::NewRecord {
                name: migration.name(),
                phase: Phase::Adopted,
                checksum: checksum.as_deref(),
                additive: migration.attributes().additive,
                version: self.version,
                duration_ms: 0,
            };
            for sql in ledger::insert(engine, self.ledger, &record) {
                txn.execute_unprepared(&sql).await?;
            }
            outcome.adopted.push(migration.name().to_owned());
        }
        outcome.notices.extend(matched.notes);
        outcome.notices.extend(self.adoption.notices(txn).await?);
        Ok(true)
    }

    async fn match_tables(
        &self,
        txn: &DatabaseTransaction,
        first: Option<usize>,
        last: Option<usize>,
    ) -> Result<Option<Match>, Error> {
        let engine = Engine::of(txn)?;
        let steps = self.schema_after_each(Scratch::open(engine, txn).await?).await?;
        let names: BTreeSet<_> = steps.iter().flat_map(|step| step.tables.keys()).collect();
        let live = catalogue::load(txn).await?.filter(|name| names.iter().any(|known| *known == name));
        if live.tables.is_empty() {
            return Ok(None);
        }
        let mut closest: Option<(usize, Vec<String>)> = None;
        let range = first.unwrap_or(0)..=last.unwrap_or(usize::MAX);
        for (position, step) in
            steps.iter().enumerate().rev().filter(|(position, _)| range.contains(position))
        {
            let (notes, differences) = separate_notes(&live, changes(&live, step));
            if differences.is_empty() {
                // Several migrations may build the same catalogue, because it does not show rows. Those after
                // the first one are not assumed to have run: they are applied.
                let same = |earlier: &usize| steps.get(*earlier) == Some(step) && range.contains(earlier);
                let position = (0..position).rev().take_while(same).last().unwrap_or(position);
                let mut notes: Vec<_> =
                    notes.iter().map(|note| format!("{note}; it is left as it is")).collect();
                if engine == Engine::Postgres {
                    let behind = sequences_behind(txn, &live).await?;
                    notes.extend(behind.into_iter().map(|sequence| format!("warning: {sequence}")));
                }
                return Ok(Some(Match { migrations: position.saturating_add(1), notes }));
            }
            if closest.as_ref().is_none_or(|(_, fewest)| differences.len() <= fewest.len()) {
                closest = Some((position, differences.iter().map(ToString::to_string).collect()));
            }
        }
        let (position, differences) = closest.unwrap_or_default();
        let name = self.names().nth(position).unwrap_or_default().to_owned();
        Err(Error::Mismatch { name, differences })
    }
}
