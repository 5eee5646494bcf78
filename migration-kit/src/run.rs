//! Up and down: one runner, and all or nothing for the run.

use std::time::{Duration, Instant};

use sea_orm::{DatabaseConnection, DatabaseTransaction};

use super::{
    Engine, Error, Kit, Migration, Phase, State,
    execute::{broken_keys, execute, finish, step, sum},
    ledger,
    script::Direction,
    session::Session,
};

/// How long a run waits before it gives up. Zero means for ever, except for `lock`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For another runner to finish.
    pub lock: Duration,
    /// For a lock on a table, on PostgreSQL: a migration fails rather than stall the site behind it.
    pub table_lock: Duration,
    /// For one statement, on PostgreSQL.
    pub statement: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { lock: Duration::from_mins(1), table_lock: Duration::from_secs(5), statement: Duration::ZERO }
    }
}

/// What the runner is about to do, told to [`Options::observe`].
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A statement is next.
    Statement {
        /// Of which migration; empty for the runner's own tables.
        migration: &'a str,
        /// The SQL.
        sql: &'a str,
    },
    /// The commit is next.
    Commit,
    /// A migration has run; not yet committed.
    Done {
        /// Which.
        migration: &'a str,
        /// How long its statements took.
        duration: Duration,
    },
}

/// How to run.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// Up to and including this one (up), or back to it, which stays (down). None: all the way.
    pub to: Option<&'a str>,
    /// Down only: at most so many.
    pub steps: Option<usize>,
    /// How long to wait.
    pub limits: Limits,
    /// Run migrations that are marked as destructive.
    pub allow_destructive: bool,
    /// Do everything, then roll back.
    pub rehearse: bool,
    /// Hears of every step before it is taken.
    pub observe: Option<&'a (dyn Fn(Event<'_>) + Send + Sync)>,
}

impl Options<'_> {
    pub(crate) fn tell(&self, event: Event<'_>) {
        if let Some(observe) = self.observe {
            observe(event);
        }
    }
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Migrations found to be there already, and recorded.
    pub adopted: Vec<String>,
    /// Migrations applied, oldest first, or reverted, newest first.
    pub applied: Vec<String>,
    /// What the person at the command line should know, one line each.
    pub notices: Vec<String>,
}

impl Kit {
    /// Applies what is pending. With nothing pending it takes no lock and writes nothing. Tables that another program
    /// made are adopted first, if they fit.
    pub async fn up(&self, db: &DatabaseConnection, options: &Options<'_>) -> Result<Outcome, Error> {
        let plan = self.way_up(self.state(db).await?, options)?;
        if plan.is_empty() {
            return Ok(Outcome::default());
        }
        let session = self.session(db, options, &plan).await?;
        let mut outcome = Outcome::default();
        let result = loop {
            match self.apply(&session, options, &mut outcome).await {
                Ok(true) => {}
                Ok(false) => break Ok(outcome),
                Err(error) => break Err(error),
            }
        };
        session.close().await?;
        result
    }

    /// Reverts applied migrations, newest first.
    pub async fn down(&self, db: &DatabaseConnection, options: &Options<'_>) -> Result<Outcome, Error> {
        let plan = self.way_down(self.state(db).await?, options)?;
        if plan.is_empty() {
            return Ok(Outcome::default());
        }
        let session = self.session(db, options, &plan).await?;
        let result = self.revert_all(&session, options, &plan).await;
        session.close().await?;
        result
    }

    async fn revert_all(
        &self,
        session: &Session,
        options: &Options<'_>,
        plan: &[&dyn Migration],
    ) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        for chunk in plan.chunk_by(|a, b| transactional(*a) && transactional(*b)) {
            match chunk {
                [migration] if !transactional(*migration) => {
                    self.alone(session, options, *migration, Direction::Down).await?;
                    outcome.applied.push(migration.name().to_owned());
                }
                chunk => self.revert(session, options, chunk, &mut outcome).await?,
            }
        }
        Ok(outcome)
    }

    async fn session(
        &self,
        db: &DatabaseConnection,
        options: &Options<'_>,
        plan: &[&dyn Migration],
    ) -> Result<Session, Error> {
        let rebuilds = plan.iter().any(|migration| migration.marks().rebuilds_tables);
        let session = Session::open(db, self.ledger, options.limits, rebuilds).await?;
        if plan.iter().any(|migration| !transactional(*migration)) {
            session.hold().await?;
        }
        Ok(session)
    }

    /// One transaction's worth: everything up to the next migration that wants none, which then runs alone. Answers
    /// whether more is to be done.
    async fn apply(
        &self,
        session: &Session,
        options: &Options<'_>,
        outcome: &mut Outcome,
    ) -> Result<bool, Error> {
        let txn = session.begin().await?;
        let engine = Engine::of(&txn)?;
        let before = broken_keys(&txn).await?;
        let state = self.state(&txn).await?;
        if matches!(state, State::Foreign { .. }) {
            let most = options.to.map(|name| self.position(name)).transpose()?;
            self.take_over(&txn, engine, None, most, outcome).await?;
        }
        for sql in ledger::install(engine, self.ledger) {
            step(&txn, options, "", &sql).await?;
        }
        let plan = self.way_up(self.state(&txn).await?, options)?;
        let mut rest = plan.iter();
        for migration in rest.by_ref().take_while(|migration| transactional(**migration)) {
            let started = Instant::now();
            execute(&txn, options, *migration, Direction::Up).await?;
            let duration = started.elapsed();
            self.note(&txn, options, *migration, Phase::Applied, duration).await?;
            options.tell(Event::Done { migration: migration.name(), duration });
            outcome.applied.push(migration.name().to_owned());
        }
        finish(txn, options, &before).await?;
        let Some(next) = plan.iter().find(|migration| !transactional(**migration)) else { return Ok(false) };
        if options.rehearse {
            outcome.notices.push(format!("{} runs outside a transaction: not rehearsed", next.name()));
            return Ok(false);
        }
        self.alone(session, options, *next, Direction::Up).await?;
        outcome.applied.push(next.name().to_owned());
        Ok(true)
    }

    async fn revert(
        &self,
        session: &Session,
        options: &Options<'_>,
        plan: &[&dyn Migration],
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let txn = session.begin().await?;
        let before = broken_keys(&txn).await?;
        // Another runner may have been here since the plan was made.
        let standing = match self.state(&txn).await? {
            State::Ours(standing) => standing,
            State::Empty | State::Foreign { .. } => return Ok(()),
        };
        for migration in plan {
            if standing.records.iter().all(|record| record.name != migration.name()) {
                continue;
            }
            let started = Instant::now();
            execute(&txn, options, *migration, Direction::Down).await?;
            for sql in ledger::forget(self.ledger, migration.name()) {
                step(&txn, options, migration.name(), &sql).await?;
            }
            options.tell(Event::Done { migration: migration.name(), duration: started.elapsed() });
            outcome.applied.push(migration.name().to_owned());
        }
        finish(txn, options, &before).await
    }

    /// Runs one migration outside of a transaction. The mark set before stays if it does not come to its end.
    async fn alone(
        &self,
        session: &Session,
        options: &Options<'_>,
        migration: &dyn Migration,
        direction: Direction,
    ) -> Result<(), Error> {
        let txn = session.begin().await?;
        for sql in ledger::forget(self.ledger, migration.name()) {
            step(&txn, options, migration.name(), &sql).await?;
        }
        self.note(&txn, options, migration, Phase::Running, Duration::ZERO).await?;
        txn.commit().await?;

        let started = Instant::now();
        execute(session.connection(), options, migration, direction).await.map_err(|error| match error {
            Error::Statement { migration, number, source } => Error::HalfWay { migration, number, source },
            other => other,
        })?;
        let duration = started.elapsed();

        let txn = session.begin().await?;
        match direction {
            Direction::Up => self.note(&txn, options, migration, Phase::Applied, duration).await?,
            Direction::Down => {
                for sql in ledger::forget(self.ledger, migration.name()) {
                    step(&txn, options, migration.name(), &sql).await?;
                }
            }
        }
        options.tell(Event::Done { migration: migration.name(), duration });
        options.tell(Event::Commit);
        Ok(txn.commit().await?)
    }

    async fn note(
        &self,
        txn: &DatabaseTransaction,
        options: &Options<'_>,
        migration: &dyn Migration,
        phase: Phase,
        duration: Duration,
    ) -> Result<(), Error> {
        let engine = Engine::of(txn)?;
        let checksum = sum(migration, engine).await?;
        let entry = ledger::Entry {
            name: migration.name(),
            phase,
            checksum: checksum.as_deref(),
            additive: migration.marks().additive,
            version: self.version,
            duration_ms: duration.as_millis(),
        };
        for sql in ledger::record(engine, self.ledger, &entry) {
            step(txn, options, migration.name(), &sql).await?;
        }
        Ok(())
    }
}

fn transactional(migration: &dyn Migration) -> bool {
    migration.use_transaction() != Some(false)
}
