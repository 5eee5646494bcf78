//! Applies and reverts migrations: one runner at a time, one transaction for the whole run.

use std::time::{Duration, Instant};

use sea_orm::{DatabaseConnection, DatabaseTransaction};

use super::{
    DatabaseState, Direction, Engine, Error, Migration, Migrator, Phase,
    execute::{commit_or_roll_back, foreign_key_violations, run_migration, run_statement},
    ledger,
    render::up_checksum,
    session::Session,
};

/// How long a run waits before it fails. Zero means no limit, except for `lock`.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For another runner to release the lock.
    pub lock: Duration,
    /// For a lock on a table, on PostgreSQL. Without a limit, a waiting migration blocks all later queries on
    /// the table.
    pub table_lock: Duration,
    /// For one statement to complete, on PostgreSQL.
    pub statement: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { lock: Duration::from_mins(1), table_lock: Duration::from_secs(5), statement: Duration::ZERO }
    }
}

/// What the runner does next, passed to [`Options::on_event`].
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// It runs a statement.
    Statement {
        /// The migration; empty for the ledger tables.
        migration: &'a str,
        /// The SQL.
        sql: &'a str,
    },
    /// It commits.
    Commit,
    /// It has run a migration, and continues.
    Done {
        /// The migration.
        migration: &'a str,
        /// How long the statements took.
        duration: Duration,
    },
}

/// Options of a run.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// The migration to stop at: `up` applies it, `down` does not revert it. `None` applies or reverts all.
    pub to: Option<&'a str>,
    /// The maximum number of migrations that `down` reverts.
    pub steps: Option<usize>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Run destructive migrations.
    pub allow_destructive: bool,
    /// Run everything, then roll back.
    pub rehearse: bool,
    /// Called before each step.
    pub on_event: Option<&'a (dyn Fn(Event<'_>) + Send + Sync)>,
}

impl Options<'_> {
    pub(crate) fn emit(&self, event: Event<'_>) {
        if let Some(on_event) = self.on_event {
            on_event(event);
        }
    }
}

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Migrations that were recorded because the tables matched them.
    pub adopted: Vec<String>,
    /// Migrations applied, oldest first, or reverted, newest first.
    pub applied: Vec<String>,
    /// Messages for the administrator, one line each.
    pub notices: Vec<String>,
}

impl Migrator {
    /// Applies pending migrations. If none are pending, takes no lock and writes nothing. If another program
    /// made the tables and they match, adopts them first.
    pub async fn up(&self, db: &DatabaseConnection, options: &Options<'_>) -> Result<Outcome, Error> {
        let plan = self.migrations_up(self.state(db).await?, options)?;
        if plan.is_empty() {
            return Ok(Outcome::default());
        }
        let session = self.open_session(db, options, &plan).await?;
        let mut outcome = Outcome::default();
        let result = loop {
            match self.apply_batch(&session, options, &mut outcome).await {
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
        let plan = self.migrations_down(self.state(db).await?, options)?;
        if plan.is_empty() {
            return Ok(Outcome::default());
        }
        let session = self.open_session(db, options, &plan).await?;
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
                    self.run_outside_transaction(session, options, *migration, Direction::Down).await?;
                    outcome.applied.push(migration.name().to_owned());
                }
                chunk => self.revert_batch(session, options, chunk, &mut outcome).await?,
            }
        }
        Ok(outcome)
    }

    async fn open_session(
        &self,
        db: &DatabaseConnection,
        options: &Options<'_>,
        plan: &[&dyn Migration],
    ) -> Result<Session, Error> {
        let rebuilds = plan.iter().any(|migration| migration.attributes().rebuilds_tables);
        let session = Session::open(db, self.lock_key, options.timeouts, rebuilds).await?;
        if plan.iter().any(|migration| !transactional(*migration)) {
            session.lock().await?;
        }
        Ok(session)
    }

    /// Applies all migrations up to the next one that needs no transaction in one transaction, then that one
    /// alone. Returns whether more are pending.
    async fn apply_batch(
        &self,
        session: &Session,
        options: &Options<'_>,
        outcome: &mut Outcome,
    ) -> Result<bool, Error> {
        let txn = session.begin().await?;
        let engine = Engine::of(&txn)?;
        let before = foreign_key_violations(&txn).await?;
        let state = self.state(&txn).await?;
        if matches!(state, DatabaseState::Unmanaged { .. }) {
            let last = options.to.map(|name| self.position(name)).transpose()?;
            self.adopt_in(&txn, engine, None, last, outcome).await?;
        }
        for sql in ledger::create_tables(engine, self.ledger) {
            run_statement(&txn, options, "", &sql).await?;
        }
        let plan = self.migrations_up(self.state(&txn).await?, options)?;
        let mut rest = plan.iter();
        for migration in rest.by_ref().take_while(|migration| transactional(**migration)) {
            let started = Instant::now();
            run_migration(&txn, options, *migration, Direction::Up).await?;
            let duration = started.elapsed();
            self.record(&txn, options, *migration, Phase::Applied, duration).await?;
            options.emit(Event::Done { migration: migration.name(), duration });
            outcome.applied.push(migration.name().to_owned());
        }
        commit_or_roll_back(txn, options, &before).await?;
        let Some(next) = plan.iter().find(|migration| !transactional(**migration)) else { return Ok(false) };
        if options.rehearse {
            outcome
                .notices
                .push(format!("{} runs outside a transaction, so it was not rehearsed", next.name()));
            return Ok(false);
        }
        self.run_outside_transaction(session, options, *next, Direction::Up).await?;
        outcome.applied.push(next.name().to_owned());
        Ok(true)
    }

    async fn revert_batch(
        &self,
        session: &Session,
        options: &Options<'_>,
        plan: &[&dyn Migration],
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let txn = session.begin().await?;
        let before = foreign_key_violations(&txn).await?;
        // Another runner may have reverted some of them since the plan was made.
        let status = match self.state(&txn).await? {
            DatabaseState::Managed(status) => status,
            DatabaseState::Empty | DatabaseState::Unmanaged { .. } => return Ok(()),
        };
        for migration in plan {
            if status.records.iter().all(|record| record.name != migration.name()) {
                continue;
            }
            let started = Instant::now();
            run_migration(&txn, options, *migration, Direction::Down).await?;
            for sql in ledger::delete(self.ledger, migration.name()) {
                run_statement(&txn, options, migration.name(), &sql).await?;
            }
            options.emit(Event::Done { migration: migration.name(), duration: started.elapsed() });
            outcome.applied.push(migration.name().to_owned());
        }
        commit_or_roll_back(txn, options, &before).await
    }

    /// Runs one migration outside a transaction. It is recorded as running first, and stays so if it does not
    /// complete.
    async fn run_outside_transaction(
        &self,
        session: &Session,
        options: &Options<'_>,
        migration: &dyn Migration,
        direction: Direction,
    ) -> Result<(), Error> {
        let txn = session.begin().await?;
        for sql in ledger::delete(self.ledger, migration.name()) {
            run_statement(&txn, options, migration.name(), &sql).await?;
        }
        self.record(&txn, options, migration, Phase::Running, Duration::ZERO).await?;
        txn.commit().await?;

        let started = Instant::now();
        run_migration(session.connection(), options, migration, direction).await.map_err(
            |error| match error {
                Error::Statement { migration, number, source } => {
                    Error::Interrupted { migration, number, source }
                }
                other => other,
            },
        )?;
        let duration = started.elapsed();

        let txn = session.begin().await?;
        match direction {
            Direction::Up => self.record(&txn, options, migration, Phase::Applied, duration).await?,
            Direction::Down => {
                for sql in ledger::delete(self.ledger, migration.name()) {
                    run_statement(&txn, options, migration.name(), &sql).await?;
                }
            }
        }
        options.emit(Event::Done { migration: migration.name(), duration });
        options.emit(Event::Commit);
        Ok(txn.commit().await?)
    }

    async fn record(
        &self,
        txn: &DatabaseTransaction,
        options: &Options<'_>,
        migration: &dyn Migration,
        phase: Phase,
        duration: Duration,
    ) -> Result<(), Error> {
        let engine = Engine::of(txn)?;
        let checksum = up_checksum(migration, engine).await?;
        let record = ledger::NewRecord {
            name: migration.name(),
            phase,
            checksum: checksum.as_deref(),
            additive: migration.attributes().additive,
            version: self.version,
            duration_ms: duration.as_millis(),
        };
        for sql in ledger::insert(engine, self.ledger, &record) {
            run_statement(txn, options, migration.name(), &sql).await?;
        }
        Ok(())
    }
}

fn transactional(migration: &dyn Migration) -> bool {
    migration.use_transaction() != Some(false)
}
