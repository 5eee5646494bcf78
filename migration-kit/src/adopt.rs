//! Taking over a database whose tables another program made: recorded as applied only if they are what the migrations
//! would have built.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};

use super::{
    Engine, Error, Kit, Options, Outcome, Phase, State,
    catalogue::{self, Change, changes},
    execute::sum,
    ledger,
    scratch::Scratch,
    session::Session,
};

/// What a program has to say about a database that it takes over.
#[async_trait::async_trait]
pub trait Adoption: Send + Sync {
    /// One line each, for the person at the command line. The tables are adopted, later migrations not yet applied.
    async fn notices(&self, txn: &DatabaseTransaction) -> Result<Vec<String>, DbErr>;
}

/// Nothing to say.
#[async_trait::async_trait]
impl Adoption for () {
    async fn notices(&self, _: &DatabaseTransaction) -> Result<Vec<String>, DbErr> {
        Ok(Vec::new())
    }
}

/// How far the tables at hand have come.
struct Fit {
    /// So many of the migrations, counted from the oldest, are already there.
    migrations: usize,
    /// Indexes that no migration made.
    further: Vec<String>,
}

impl Kit {
    /// Records the migrations up to `at` as applied, if the tables are what these build; without `at`, the most that
    /// fit. Changes no table but the records.
    pub async fn adopt(
        &self,
        db: &sea_orm::DatabaseConnection,
        at: Option<&str>,
        options: &Options<'_>,
    ) -> Result<Outcome, Error> {
        let engine = Engine::of(db)?;
        let at = at.map(|name| self.position(name)).transpose()?;
        let session = Session::open(db, self.ledger, options.limits, false).await?;
        let txn = session.begin().await?;
        match self.state(&txn).await? {
            State::Ours(standing) if !standing.records.is_empty() => {
                return Err(Error::AlreadyOurs { program: self.program });
            }
            State::Empty => return Err(Error::NothingToAdopt { program: self.program }),
            State::Ours(_) | State::Foreign { .. } => {}
        }
        let mut outcome = Outcome::default();
        if !self.take_over(&txn, engine, at, at, &mut outcome).await? {
            return Err(Error::NothingToAdopt { program: self.program });
        }
        txn.commit().await?;
        session.close().await?;
        Ok(outcome)
    }

    /// Adopts what is there, and answers whether there was anything. `least` and `most` are positions.
    pub(crate) async fn take_over(
        &self,
        txn: &DatabaseTransaction,
        engine: Engine,
        least: Option<usize>,
        most: Option<usize>,
        outcome: &mut Outcome,
    ) -> Result<bool, Error> {
        let Some(fit) = self.fit(txn, least, most).await? else { return Ok(false) };
        for sql in ledger::install(engine, self.ledger) {
            txn.execute_unprepared(&sql).await?;
        }
        for migration in self.migrations.iter().take(fit.migrations) {
            let checksum = sum(migration.as_ref(), engine).await?;
            let entry = ledger::Entry {
                name: migration.name(),
                phase: Phase::Adopted,
                checksum: checksum.as_deref(),
                additive: migration.marks().additive,
                version: self.version,
                duration_ms: 0,
            };
            for sql in ledger::record(engine, self.ledger, &entry) {
                txn.execute_unprepared(&sql).await?;
            }
            outcome.adopted.push(migration.name().to_owned());
        }
        outcome.notices.extend(fit.further);
        outcome.notices.extend(self.adoption.notices(txn).await?);
        Ok(true)
    }

    async fn fit(
        &self,
        txn: &DatabaseTransaction,
        least: Option<usize>,
        most: Option<usize>,
    ) -> Result<Option<Fit>, Error> {
        let stages = self.stages(Scratch::on(Engine::of(txn)?, txn).await?).await?;
        let names: BTreeSet<_> = stages.iter().flat_map(|stage| stage.tables.keys()).collect();
        let live = catalogue::read(txn).await?.only(|name| names.iter().any(|known| *known == name));
        if live.tables.is_empty() {
            return Ok(None);
        }
        let mut closest: Option<(usize, Vec<String>)> = None;
        let range = least.unwrap_or(0)..=most.unwrap_or(usize::MAX);
        for (position, stage) in
            stages.iter().enumerate().rev().filter(|(position, _)| range.contains(position))
        {
            let (further, misfits): (Vec<_>, Vec<_>) =
                changes(&live, stage).into_iter().partition(|change| matches!(change, Change::DropIndex(..)));
            if misfits.is_empty() {
                // What a catalogue doesn't tell (triggers, rows) is applied again rather than taken for granted.
                let same = |earlier: &usize| stages.get(*earlier) == Some(stage) && range.contains(earlier);
                let position = (0..position).rev().take_while(same).last().unwrap_or(position);
                let further = further.iter().map(|change| format!("{change}; left as it is")).collect();
                return Ok(Some(Fit { migrations: position.saturating_add(1), further }));
            }
            if closest.as_ref().is_none_or(|(_, least)| misfits.len() <= least.len()) {
                closest = Some((position, misfits.iter().map(ToString::to_string).collect()));
            }
        }
        let (position, misfits) = closest.unwrap_or_default();
        Err(Error::Misfit { name: self.names().nth(position).unwrap_or_default().to_owned(), misfits })
    }
}
