//! Applies and reverts migrations: one runner at a time, one transaction for the whole run.

use std::time::{Duration, Instant};

use sea_orm::{DatabaseConnection, DatabaseTransaction};

use super::{
    DatabaseState, Direction, Engine, Error, Migration, Migrator, Phase, SchemaStatus,
    erase::Erase,
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
        let session = self.open_session(db, options, &plan, false).await?;
        let result = self.apply_all(&session, options, None).await;
        session.close().await?;
        result
    }

    /// Reverts applied migrations, newest first.
    pub async fn down(&self, db: &DatabaseConnection, options: &Options<'_>) -> Result<Outcome, Error> {
        let plan = self.migrations_down(self.state(db).await?, options)?;
        if plan.is_empty() {
            return Ok(Outcome::default());
        }
        let session = self.open_session(db, options, &plan, false).await?;
        let result = self.revert_all(&session, options, &plan, None).await;
        session.close().await?;
        result
    }

    /// Applies all pending migrations. With `erase`, erases first, in the transaction of the first ones.
    pub(crate) async fn apply_all(
        &self,
        session: &Session,
        options: &Options<'_>,
        mut erase: Option<&Erase>,
    ) -> Result<Outcome, Error> {
        let erases = erase.is_some();
        let mut outcome = Outcome::default();
        while let Some(next) = self.apply_batch(session, options, erase.take(), &mut outcome).await? {
            self.run_outside_transaction(session, options, next, Direction::Up)
                .await
                .map_err(|error| if erases { Error::Erased { source: Box::new(error) } } else { error })?;
            outcome.applied.push(next.name().to_owned());
        }
        Ok(outcome)
    }

    /// Reverts the migrations of the plan. With `erase`, erases what is left, in the transaction of the last
    /// ones.
    pub(crate) async fn revert_all(
        &self,
        session: &Session,
        options: &Options<'_>,
        plan: &[&dyn Migration],
        mut erase: Option<&Erase>,
    ) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let mut chunks = plan.chunk_by(|a, b| transactional(*a) && transactional(*b)).peekable();
        while let Some(chunk) = chunks.next() {
            match chunk {
                [migration] if !transactional(*migration) => {
                    if options.rehearse {
                        outcome.notices.push(not_rehearsed(*migration));
                        return Ok(outcome);
                    }
                    self.run_outside_transaction(session, options, *migration, Direction::Down).await?;
                    outcome.applied.push(migration.name().to_owned());
                }
                chunk => {
                    let erase = if chunks.peek().is_none() { erase.take() } else { None };
                    self.revert_batch(session, options, chunk, erase, &mut outcome).await?;
                }
            }
        }
        if erase.is_some() {
            self.revert_batch(session, options, &[], erase, &mut outcome).await?;
        }
        Ok(outcome)
    }

    /// Opens the connection of a run. A run that erases drops tables that others reference.
    pub(crate) async fn open_session(
        &self,
        db: &DatabaseConnection,
        options: &Options<'_>,
        plan: &[&dyn Migration],
        erases: bool,
    ) -> Result<Session, Error> {
        let rebuilds = erases || plan.iter().any(|migration| migration.attributes().rebuilds_tables);
        let session = Session::open(db, self.lock_key, options.timeouts, rebuilds).await?;
        if plan.iter().any(|migration| !transactional(*migration)) {
            session.lock().await?;
        }
        Ok(session)
    }

    /// Applies all migrations up to the next one that runs outside a transaction in one transaction. Returns
    /// that one.
    async fn apply_batch(
        &self,
        session: &Session,
        options: &Options<'_>,
        erase: Option<&Erase>,
        outcome: &mut Outcome,
    ) -> Result<Option<&dyn Migration>, Error> {
        let txn = session.begin().await?;
        let engine = Engine::of(&txn)?;
        let before = foreign_key_violations(&txn).await?;
        if let Some(erase) = erase {
            self.erase(&txn, options, erase).await?;
        }
        let recorded = match self.state(&txn).await? {
            DatabaseState::Managed(status) => !status.records.is_empty(),
            DatabaseState::Empty => true,
            DatabaseState::Unmanaged { .. } => false,
        };
        if !recorded {
            let last = options.to.map(|name| self.position(name)).transpose()?;
            self.adopt_in(&txn, engine, None, last, outcome).await?;
        }
        self.create_ledgers(&txn, options).await?;
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
        let next = plan.into_iter().find(|migration| !transactional(*migration));
        if let Some(next) = next.filter(|_| options.rehearse) {
            outcome.notices.push(not_rehearsed(next));
            return Ok(None);
        }
        Ok(next)
    }

    async fn revert_batch(
        &self,
        session: &Session,
        options: &Options<'_>,
        plan: &[&dyn Migration],
        erase: Option<&Erase>,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let txn = session.begin().await?;
        let before = foreign_key_violations(&txn).await?;
        // Another runner may have reverted some of them since the plan was made.
        let status = match self.state(&txn).await? {
            DatabaseState::Managed(status) => status,
            DatabaseState::Empty | DatabaseState::Unmanaged { .. } => SchemaStatus::default(),
        };
        let plan: Vec<_> = plan.iter().filter(|migration| status.has(migration.name())).collect();
        if !plan.is_empty() {
            self.create_ledgers(&txn, options).await?;
        }
        for migration in plan {
            let started = Instant::now();
            run_migration(&txn, options, *migration, Direction::Down).await?;
            for sql in ledger::delete(self.ledger, migration.name()) {
                run_statement(&txn, options, migration.name(), &sql).await?;
            }
            options.emit(Event::Done { migration: migration.name(), duration: started.elapsed() });
            outcome.applied.push(migration.name().to_owned());
        }
        if let Some(erase) = erase {
            self.erase(&txn, options, erase).await?;
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
        self.create_ledgers(&txn, options).await?;
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

    /// Creates the two tables of records if they are missing: SeaORM's own tool knows only one.
    pub(crate) async fn create_ledgers(
        &self,
        txn: &DatabaseTransaction,
        options: &Options<'_>,
    ) -> Result<(), Error> {
        let tables = ledger::table_names(txn).await?;
        let has = |name| tables.iter().any(|table| table == name);
        if has(self.ledger) && has("seaql_migrations") {
            return Ok(());
        }
        for sql in ledger::create_tables(Engine::of(txn)?, self.ledger) {
            run_statement(txn, options, "", &sql).await?;
        }
        Ok(())
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

fn not_rehearsed(migration: &dyn Migration) -> String {
    format!("{} runs outside a transaction, so it was not rehearsed", migration.name())
}

fn transactional(migration: &dyn Migration) -> bool {
    migration.use_transaction() != Some(false)
}
