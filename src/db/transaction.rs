//! Writes: transactions and single statements that notify caches of their changes.
//!
//! A write runs in a separate task, so that neither a client that disconnects nor a handler past its deadline
//! cancels the write or the invalidation that follows it.
//!
//! Group commit can be added in [`Writer::transaction`]: on SQLite, writes that wait for the one connection
//! could share a transaction, each in its own savepoint, and be acknowledged after the common commit.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;
use opentelemetry::context::FutureExt as _;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use tokio::{
    sync,
    time::{Instant, sleep, timeout, timeout_at},
};
use tracing::{Instrument as _, Span};

use super::{
    changes::{Change, ChangeListener, Changes},
    connections::{Connection, Connections, failed},
};

/// Maximum number of attempts of a transaction that fails because of a concurrent one.
const ATTEMPTS: u32 = 3;

/// Maximum wait before the second attempt. The maximum doubles with each further attempt.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Maximum duration of a rollback. After it, the connection is closed, which rolls back too.
const ROLLBACK_TIMEOUT: Duration = Duration::from_millis(500);

/// Runs writes. Clones share the same connections; cloning only increments reference counts.
#[derive(Clone)]
pub struct Writer {
    connections: Connections,
    listener: Arc<dyn ChangeListener>,
    deadline: Duration,
}

/// A transaction in progress: it runs statements, one at a time, and sees its own writes.
pub struct Transaction {
    connection: sync::Mutex<Connection>,
    backend: DbBackend,
    record: Mutex<Record>,
}

/// The record of a transaction's statements.
#[derive(Debug, Default)]
struct Record {
    changes: Changes,
    failed: bool,
    /// A statement failed because of a concurrent transaction; another attempt may succeed.
    retryable: bool,
}

impl Writer {
    /// Writes on `connections` and notifies `listener` of changes. A write that takes longer than `deadline`
    /// fails.
    pub fn new(connections: Connections, listener: Arc<dyn ChangeListener>, deadline: Duration) -> Self {
        Self { connections, listener, deadline }
    }

    /// Returns the same writer with other connections.
    #[must_use]
    pub fn on(&self, connections: Connections) -> Self {
        Self { connections, ..self.clone() }
    }

    /// The connections of the writer, for reads that must see the latest write.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Runs `work` in a transaction, which starts at once. Commits if it returns `Ok`; otherwise rolls back, also after a panic or
    /// past the deadline.
    ///
    /// On PostgreSQL, `work` is called up to two more times after a serialisation failure or a deadlock, so
    /// it must have no effect outside the database. Nothing is repeated after COMMIT was sent.
    ///
    /// The listener is notified of the tables that the statements wrote to. [`Transaction::changed`] declares
    /// changes more precisely. Changes by triggers or foreign keys in other tables must be declared.
    ///
    /// # Errors
    /// The errors of `work`; [`DbErr::Conn`] past the deadline, and if the outcome of COMMIT is unknown.
    pub fn transaction<T, E, F>(&self, work: F) -> impl Future<Output = Result<T, E>> + use<T, E, F>
    where
        F: AsyncFn(&Transaction) -> Result<T, E> + 'static,
        E: From<DbErr> + 'static,
        T: 'static,
    {
        let writer = self.clone();
        in_task(async move { writer.attempt(work).await })
    }

    /// Runs one statement in autocommit, which is one round trip. It starts at once. Then notifies the listener
    /// of `changes`, even after an error. `work` must not write in more than one statement.
    ///
    /// # Errors
    /// The errors of `work`; [`DbErr::Conn`] past the deadline.
    pub fn statement<T, E, F, C>(
        &self,
        changes: C,
        work: F,
    ) -> impl Future<Output = Result<T, E>> + use<T, E, F, C>
    where
        C: Into<Vec<Change>>,
        F: AsyncFnOnce(&Connections) -> Result<T, E> + 'static,
        E: From<DbErr> + 'static,
        T: 'static,
    {
        let (writer, changes) = (self.clone(), changes.into());
        in_task(async move {
            let work = AssertUnwindSafe(async { work(&writer.connections).await }).catch_unwind();
            writer.connections.check_file()?;
            let outcome = timeout(writer.deadline, work).await;
            // Also after an error: the connection may have been lost after the statement was executed.
            writer.listener.changed(&changes);
            match outcome {
                // Once more: a write to a file that was deleted in the meantime must not be acknowledged.
                Ok(Ok(Ok(value))) => writer.connections.check_file().map(|()| value).map_err(E::from),
                Ok(Ok(Err(error))) => Err(error),
                Ok(Err(_)) => Err(panicked().into()),
                Err(_) => Err(late().into()),
            }
        })
    }

    async fn attempt<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFn(&Transaction) -> Result<T, E>,
        E: From<DbErr>,
    {
        let deadline = Instant::now() + self.deadline;
        self.connections.check_file()?;
        let mut attempt = 1;
        loop {
            let begun = timeout_at(deadline, Transaction::begin(&self.connections)).await;
            let transaction = begun.map_err(|_| late())??;
            let error = match transaction.run(&work, deadline).await {
                Ok(value) => {
                    return self.commit(transaction, deadline).await.map(|()| value).map_err(E::from);
                }
                Err(error) => error,
            };
            let retryable = transaction.record().retryable;
            transaction.roll_back().await;
            let pause = pause(attempt);
            if !retryable || attempt == ATTEMPTS || Instant::now() + pause >= deadline {
                return Err(error);
            }
            sleep(pause).await;
            attempt += 1;
        }
    }

    /// Commits, and notifies the listener also after an error, because the outcome may be unknown.
    async fn commit(&self, transaction: Transaction, deadline: Instant) -> Result<(), DbErr> {
        let (mut connection, record) = transaction.into_parts();
        let committed = timeout_at(deadline, connection.execute_unprepared("COMMIT")).await;
        let changes = record.changes.finish();
        if !changes.is_empty() {
            self.listener.changed(&changes);
        }
        match committed {
            Ok(Ok(_)) => {
                connection.check_in();
                // A commit to a file that was deleted in the meantime must not be acknowledged.
                self.connections.check_file()
            }
            Ok(Err(error)) => Err(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error)))),
            Err(_) => Err(late()),
        }
    }
}

impl Transaction {
    async fn begin(connections: &Connections) -> Result<Self, DbErr> {
        let backend = connections.get_database_backend();
        let mut connection = connections.check_out().await?;
        let begin = connection.begin().to_owned();
        match connection.execute_unprepared(&begin).await {
            Ok(_) => Ok(Self { connection: sync::Mutex::new(connection), backend, record: Mutex::default() }),
            Err(error) if backend == DbBackend::Sqlite && error.as_database_error().is_some() => {
                // Another process is writing. The connection stays open, because its data version shows the
                // writes of that process.
                connection.check_in();
                Err(failed(error))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Declares a change. Declared changes replace those derived from the statements that write to the same
    /// table.
    pub fn changed(&self, change: Change) {
        self.record().changes.declare(change);
    }

    /// Calls `work`. Returns an error if it panics, exceeds the deadline, or ignored an error that prevents
    /// the commit.
    async fn run<T, E: From<DbErr>>(
        &self,
        work: &impl AsyncFn(&Self) -> Result<T, E>,
        deadline: Instant,
    ) -> Result<T, E> {
        let run = async {
            let value = work(self).await?;
            if self.backend == DbBackend::Postgres && self.record().failed {
                // After an error, PostgreSQL rolls back on COMMIT, which the driver does not report. This
                // statement fails in that case.
                self.execute_unprepared("SELECT 1").await?;
            }
            Ok(value)
        };
        match timeout_at(deadline, AssertUnwindSafe(run).catch_unwind()).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(panicked().into()),
            Err(_) => Err(late().into()),
        }
    }

    /// Rolls back. If that fails, closes the connection, which rolls back too.
    async fn roll_back(self) {
        let (mut connection, _) = self.into_parts();
        let rolled_back = timeout(ROLLBACK_TIMEOUT, connection.execute_unprepared("ROLLBACK")).await;
        if matches!(rolled_back, Ok(Ok(_))) {
            connection.check_in();
        }
    }

    fn into_parts(self) -> (Connection, Record) {
        let record = self.record.into_inner().unwrap_or_else(PoisonError::into_inner);
        (self.connection.into_inner(), record)
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        // No code panics while it holds the lock.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle<T>(&self, outcome: Result<T, sqlx::Error>) -> Result<T, DbErr> {
        outcome.map_err(|error| {
            let mut record = self.record();
            record.failed = true;
            record.retryable |= is_retryable(&error);
            failed(error)
        })
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.record().changes.record_statement(&statement.sql);
        let outcome = self.connection.lock().await.execute(statement).await;
        self.settle(outcome)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.record().changes.record_statement(sql);
        let outcome = self.connection.lock().await.execute_unprepared(sql).await;
        self.settle(outcome)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.record().changes.record_statement(&statement.sql);
        let outcome = self.connection.lock().await.query_one(statement).await;
        self.settle(outcome)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.record().changes.record_statement(&statement.sql);
        let outcome = self.connection.lock().await.query_all(statement).await;
        self.settle(outcome)
    }
}

/// Starts a write in a separate task, within the request's spans for the log and for traces. What waits for it, the
/// future of a request included, does not contain the write: a request that still receives its body would otherwise take
/// the memory for it.
fn in_task<T: 'static, E: From<DbErr> + 'static, W>(
    write: W,
) -> impl Future<Output = Result<T, E>> + use<T, E, W>
where
    W: Future<Output = Result<T, E>> + 'static,
{
    let task = actix_rt::spawn(write.instrument(Span::current()).with_current_context());
    // The task panics only in the listener, and is cancelled only when the worker ends.
    async {
        let ended = |error| Err(DbErr::Custom(format!("a write ended early: {error}")).into());
        task.await.unwrap_or_else(ended)
    }
}

/// PostgreSQL's serialisation failure and deadlock.
fn is_retryable(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| ["40001", "40P01"].contains(&&*code))
}

/// A random part of the maximum wait after this attempt, so that two conflicting transactions do not conflict
/// again.
fn pause(attempt: u32) -> Duration {
    let longest = RETRY_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(8));
    let thousandths = RandomState::new().hash_one(attempt) % 1000;
    longest.saturating_mul(u32::try_from(thousandths).unwrap_or_default()) / 1000
}

fn late() -> DbErr {
    DbErr::Conn(RuntimeErr::Internal("the write took longer than its deadline".to_owned()))
}

fn panicked() -> DbErr {
    DbErr::Custom("a write panicked".to_owned())
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("connections", &self.connections)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("backend", &self.backend).finish_non_exhaustive()
    }
}
