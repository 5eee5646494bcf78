//! Adoption: recording migrations as applied in a database whose tables another program made.
//!
//! The tables are compared with what the migrations build. Only a match is recorded.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};

use super::{
    DatabaseState, Engine, Error, Migrator, Options, Outcome, Phase, Record, SchemaStatus,
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
    /// Which of all migrations change what the comparison sees.
    visible: Vec<bool>,
    /// Indexes that no migration makes, and sequences that are behind, one line each.
    notes: Vec<String>,
}

impl Migrator {
    /// Records the migrations up to `at` as applied if the tables match them. Without `at`, records as many
    /// as match. In a database that has records already, completes those that are lost or in one of the two
    /// ledger tables only. Writes to the ledger tables only.
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
        let status = match self.state(&txn).await? {
            DatabaseState::Managed(status) => status,
            DatabaseState::Empty => return Err(Error::NothingToAdopt { program: self.program }),
            DatabaseState::Unmanaged { .. } => SchemaStatus::default(),
        };
        let recorded = self.last_recorded(&status)?;
        if at.is_some_and(|at| recorded.is_some_and(|recorded| at < recorded)) {
            return Err(Error::AlreadyManaged { program: self.program });
        }
        let first = at.or(recorded);
        let mut outcome = Outcome::default();
        if !self.adopt_in(&txn, engine, first, at, &mut outcome).await? {
            return Err(Error::NothingToAdopt { program: self.program });
        }
        if outcome == Outcome::default() {
            return Err(Error::AlreadyManaged { program: self.program });
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
        let records = ledger::records(txn, self.ledger, &ledger::table_names(txn).await?).await?;
        let recorded = |name: &&str| records.iter().any(|record| record.name == *name);
        // A record says that the migration ran here, whatever became of the rows since.
        let names: Vec<_> = self.names().take(matched.migrations).filter(|name| !recorded(name)).collect();
        let differences = self.adoption.wrong_values(txn, &names).await?;
        if !differences.is_empty() {
            let name = names.last().copied().unwrap_or_default().to_owned();
            return Err(Error::Mismatch { name, differences });
        }
        self.create_ledgers(txn, &Options::default()).await?;
        let explicit = first.is_some() && first == last;
        let first_time = self.complete_records(txn, engine, &matched, explicit, outcome).await?;
        if first_time {
            outcome.notices.extend(matched.notes);
            outcome.notices.extend(self.adoption.notices(txn).await?);
        }
        Ok(true)
    }

    /// The position of the newest migration that SeaORM's table has: the tables must match at least that one.
    /// An error if the records can't be completed.
    fn last_recorded(&self, status: &SchemaStatus) -> Result<Option<usize>, Error> {
        if let Some(name) = status.incomplete.first() {
            return Err(Error::Incomplete(name.clone()));
        }
        self.ensure_known(status)?;
        Ok(self.names().enumerate().filter(|(_, name)| status.has(name)).map(|(position, _)| position).last())
    }

    /// Writes the rows that the migrations in the database lack in either table, and deletes those that the
    /// ledger alone has of later ones. Returns whether there was no row before. `explicit` says that the
    /// administrator named the newest migration.
    async fn complete_records(
        &self,
        txn: &DatabaseTransaction,
        engine: Engine,
        matched: &Match,
        explicit: bool,
        outcome: &mut Outcome,
    ) -> Result<bool, Error> {
        let records = ledger::records(txn, self.ledger, &ledger::table_names(txn).await?).await?;
        let record = |name: &str| records.iter().find(|record| record.name == name);
        let first_time = self.names().all(|name| record(name).is_none());
        // From here on, the tables show that the migrations are not applied.
        let mut later = matched.visible.iter().enumerate().skip(matched.migrations);
        let end = later.find(|(_, visible)| **visible).map_or(usize::MAX, |(position, _)| position);
        for ((position, migration), visible) in self.migrations.iter().enumerate().zip(&matched.visible) {
            let name = migration.name();
            let listed = record(name).is_some_and(|record| record.listed);
            let in_ledger = record(name).is_some_and(Record::in_ledger);
            let mut statements = Vec::new();
            // Without a record, and if the tables do not show that it ran, `up` applies it.
            let shown = position < matched.migrations && (*visible || first_time || explicit);
            if position >= end && in_ledger && !listed {
                statements.extend(ledger::delete_from_ledger(self.ledger, name));
                outcome.notices.push(format!("{name} is pending: the tables are those before it"));
            } else if position < end && (listed || in_ledger || shown) {
                if !in_ledger {
                    let checksum = up_checksum(migration.as_ref(), engine).await?;
                    let record = ledger::NewRecord {
                        name,
                        phase: Phase::Adopted,
                        checksum: checksum.as_deref(),
                        additive: migration.attributes().additive,
                        version: self.version,
                        duration_ms: 0,
                    };
                    statements.extend(ledger::insert_into_ledger(engine, self.ledger, &record));
                }
                if !listed {
                    statements.push(ledger::insert_into_seaql(engine, name));
                }
                if !statements.is_empty() {
                    outcome.adopted.push(name.to_owned());
                }
            }
            for sql in statements {
                txn.execute_unprepared(&sql).await?;
            }
        }
        Ok(first_time)
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
                let visible = (0..steps.len())
                    .map(|at| at.checked_sub(1).and_then(|before| steps.get(before)) != steps.get(at))
                    .collect();
                let mut notes: Vec<_> =
                    notes.iter().map(|note| format!("{note}; it is left as it is")).collect();
                if engine == Engine::Postgres {
                    let behind = sequences_behind(txn, &live).await?;
                    notes.extend(behind.into_iter().map(|sequence| format!("warning: {sequence}")));
                }
                if step.without_objects {
                    notes.push(
                        "triggers were not compared, because this role may not create schemas: if they exist, run \
                         `adopt --at NAME` with the newest applied migration"
                            .to_owned(),
                    );
                }
                return Ok(Some(Match { migrations: position.saturating_add(1), visible, notes }));
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
