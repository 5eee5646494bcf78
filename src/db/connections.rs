//! Checks connections out and in without the pool of sqlx.
//!
//! The pool of sqlx pings the database in a separate task whenever a connection is returned: one additional
//! round trip for each statement. Here, a connection that has just answered is checked in without a ping. A
//! connection that was idle for longer goes through the pool and its ping. A connection whose statement was
//! abandoned is closed.

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values,
};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, Database, Executor as _, Pool, pool::PoolConnection};
use tokio::{runtime, sync::Semaphore, time::timeout};

use super::{FRESH_FOR, file::DatabaseFile};

/// Runs single statements, each on any of its connections. Several statements that belong together need a
/// transaction. Clones share the same connections.
#[derive(Clone, Debug)]
pub struct Connections {
    engine: Engine,
    /// The file of a SQLite database, for the connection that writes to it.
    file: Option<Arc<DatabaseFile>>,
}

#[derive(Clone, Debug)]
enum Engine {
    Postgres(Arc<ConnectionSet<sqlx::Postgres>>),
    Sqlite(Arc<ConnectionSet<sqlx::Sqlite>>),
}

/// A pool, and the idle connections that were checked in here instead of returned to the pool.
struct ConnectionSet<D: Database> {
    pool: Pool<D>,
    acquire_timeout: Duration,
    /// One per connection of the pool. A permit guarantees a connection in `idle` or in the pool.
    permits: Semaphore,
    idle: Mutex<Vec<Idle<D>>>,
    /// How many times a connection was taken from the pool.
    opened: AtomicU64,
}

struct Idle<D: Database> {
    connection: PoolConnection<D>,
    since: Instant,
}

/// A connection in use by one owner. It is closed when dropped, unless it is checked in.
#[derive(Debug)]
pub(super) enum Connection {
    Postgres(CheckedOut<sqlx::Postgres>),
    Sqlite(CheckedOut<sqlx::Sqlite>),
}

/// A connection and the permit of its set.
pub(super) struct CheckedOut<D: Database> {
    connection: Option<PoolConnection<D>>,
    set: Arc<ConnectionSet<D>>,
}

impl<D: Database> ConnectionSet<D> {
    /// The set must be the only user of `pool`.
    fn new(pool: Pool<D>) -> Arc<Self> {
        let options = pool.options();
        let connections = usize::try_from(options.get_max_connections()).unwrap_or(1);
        Arc::new(Self {
            acquire_timeout: options.get_acquire_timeout(),
            permits: Semaphore::new(connections),
            idle: Mutex::new(Vec::with_capacity(connections)),
            opened: AtomicU64::new(0),
            pool,
        })
    }

    async fn check_out(self: &Arc<Self>) -> Result<CheckedOut<D>, DbErr> {
        self.take_permit().await?;
        // From here on, dropping `checked_out` returns the permit.
        let mut checked_out = CheckedOut { connection: None, set: Arc::clone(self) };
        // A connection that was idle for longer is dropped here, which returns it to the pool. The pool pings
        // it before the next use.
        let idle = self.idle().pop().filter(|idle| idle.since.elapsed() <= FRESH_FOR);
        let connection = if let Some(idle) = idle {
            idle.connection
        } else {
            self.opened.fetch_add(1, SeqCst);
            self.pool.acquire().await.map_err(unavailable)?
        };
        checked_out.connection = Some(connection);
        Ok(checked_out)
    }

    async fn take_permit(&self) -> Result<(), DbErr> {
        // The usual case needs no timer.
        if let Ok(permit) = self.permits.try_acquire() {
            permit.forget();
            return Ok(());
        }
        match timeout(self.acquire_timeout, self.permits.acquire()).await {
            Ok(Ok(permit)) => {
                permit.forget();
                Ok(())
            }
            Ok(Err(_)) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)),
            Err(_) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle<D>>> {
        // No code panics while it holds the lock, and the list is valid after every step.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn close(&self) {
        let idle = {
            let mut idle = self.idle();
            // Closed under the lock, so that no connection is checked in afterwards.
            self.permits.close();
            mem::take(&mut *idle)
        };
        for idle in idle {
            // After an error, the connection is closed too.
            let _ = idle.connection.close().await;
        }
        self.pool.close().await;
    }
}

impl<D: Database> Drop for ConnectionSet<D> {
    /// Closes idle connections without a task: returning them to the pool would spawn one, which fails if the
    /// worker's runtime has ended.
    fn drop(&mut self) {
        for idle in self.idle.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            drop(idle.connection.detach());
        }
    }
}

impl<D: Database> CheckedOut<D> {
    fn check_in(mut self) {
        let mut idle = self.set.idle();
        if !self.set.permits.is_closed()
            && let Some(connection) = self.connection.take()
        {
            // Before the permit is released, because its next owner expects a connection.
            idle.push(Idle { connection, since: Instant::now() });
        }
    }

    fn connection(&mut self) -> Result<&mut D::Connection, sqlx::Error> {
        // The connection is present until it is checked in, which consumes `self`.
        self.connection.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }
}

impl<D: Database> Drop for CheckedOut<D> {
    /// Closes a connection whose statement failed or was abandoned. The pool would ping it, and wait for a
    /// dead network connection as long as the kernel does.
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            // Closing spawns a task, which fails if the worker's runtime has ended.
            if runtime::Handle::try_current().is_ok() {
                connection.close_on_drop();
            } else {
                drop(connection.detach());
            }
        }
        self.set.permits.add_permits(1);
    }
}

/// Runs the same code on a connection of either engine.
macro_rules! on_connection {
    ($this:expr, |$connection:ident| $run:expr) => {
        match $this {
            Self::Postgres(checked_out) => {
                let $connection = checked_out.connection()?;
                $run
            }
            Self::Sqlite(checked_out) => {
                let $connection = checked_out.connection()?;
                $run
            }
        }
    };
}

impl Connection {
    pub(super) async fn execute(&mut self, statement: Statement) -> Result<ExecResult, sqlx::Error> {
        let (sql, values) = split(statement);
        on_connection!(self, |connection| sqlx::query_with(sql, values)
            .execute(connection)
            .await
            .map(Into::into))
    }

    pub(super) async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        on_connection!(self, |connection| connection.execute(sqlx::raw_sql(sql)).await.map(Into::into))
    }

    pub(super) async fn query_all(&mut self, statement: Statement) -> Result<Vec<QueryResult>, sqlx::Error> {
        let (sql, values) = split(statement);
        on_connection!(self, |connection| {
            let rows = sqlx::query_with(sql, values).fetch_all(connection).await?;
            Ok(rows.into_iter().map(Into::into).collect())
        })
    }

    /// Reads all rows instead of only the first: SQLite commits a RETURNING statement that is abandoned
    /// half-way, but then never checkpoints its log.
    pub(super) async fn query_one(
        &mut self,
        statement: Statement,
    ) -> Result<Option<QueryResult>, sqlx::Error> {
        let (sql, values) = split(statement);
        on_connection!(self, |connection| {
            let rows = sqlx::query_with(sql, values).fetch_all(connection).await?;
            Ok(rows.into_iter().next().map(Into::into))
        })
    }

    /// Makes the connection available again. Its transaction must have ended.
    pub(super) fn check_in(self) {
        match self {
            Self::Postgres(checked_out) => checked_out.check_in(),
            Self::Sqlite(checked_out) => checked_out.check_in(),
        }
    }

    /// Checks the connection in if it is usable after `outcome`; otherwise closes it.
    fn check_in_after<T>(self, outcome: Result<T, sqlx::Error>) -> Result<T, DbErr> {
        if outcome.as_ref().err().is_none_or(is_sound) {
            self.check_in();
        }
        outcome.map_err(failed)
    }
}

impl Connections {
    /// A connection for more than one statement.
    pub(super) async fn check_out(&self) -> Result<Connection, DbErr> {
        Ok(match &self.engine {
            Engine::Postgres(set) => Connection::Postgres(set.check_out().await?),
            Engine::Sqlite(set) => Connection::Sqlite(set.check_out().await?),
        })
    }

    /// Changes whenever a connection may have been replaced. If there is only one connection, a statement
    /// between two equal results ran on the same connection as the statements before.
    pub fn opened(&self) -> u64 {
        match &self.engine {
            Engine::Postgres(set) => set.opened.load(SeqCst),
            Engine::Sqlite(set) => set.opened.load(SeqCst),
        }
    }

    /// The same connections, which write to `file`.
    pub(super) fn writing_to(self, file: Arc<DatabaseFile>) -> Self {
        Self { file: Some(file), ..self }
    }

    /// Checks that what is written can be found again: the file of a SQLite database was neither deleted nor
    /// replaced.
    ///
    /// # Errors
    /// [`DbErr::Conn`], which is a 503.
    pub(super) fn check_file(&self) -> Result<(), DbErr> {
        self.file.as_ref().map_or(Ok(()), |file| file.check())
    }

    /// Closes all connections, waiting for those in use.
    pub(super) async fn close(&self) {
        match &self.engine {
            Engine::Postgres(set) => set.close().await,
            Engine::Sqlite(set) => set.close().await,
        }
    }
}

fn unavailable(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        other => DbErr::Conn(RuntimeErr::SqlxError(Arc::new(other))),
    }
}

/// Whether a connection can be used again: the database answered, and did not say that it is shutting down
/// (PostgreSQL's 57P01 to 57P05).
fn is_sound(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|answer| answer.code().is_none_or(|code| !code.starts_with("57P")))
}

/// Converts the error of a statement.
pub(super) fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}

impl From<Pool<sqlx::Postgres>> for Connections {
    fn from(pool: Pool<sqlx::Postgres>) -> Self {
        Self { engine: Engine::Postgres(ConnectionSet::new(pool)), file: None }
    }
}

impl From<Pool<sqlx::Sqlite>> for Connections {
    fn from(pool: Pool<sqlx::Sqlite>) -> Self {
        Self { engine: Engine::Sqlite(ConnectionSet::new(pool)), file: None }
    }
}

/// Converts a statement and its values for sqlx.
fn split(statement: Statement) -> (AssertSqlSafe<String>, SqlxValues) {
    let values = statement.values.unwrap_or_else(|| Values(Vec::new()));
    (AssertSqlSafe(statement.sql), SqlxValues(values))
}

#[async_trait::async_trait]
impl ConnectionTrait for Connections {
    fn get_database_backend(&self) -> DbBackend {
        match self.engine {
            Engine::Postgres(_) => DbBackend::Postgres,
            Engine::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut connection = self.check_out().await?;
        let outcome = connection.execute(statement).await;
        connection.check_in_after(outcome)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut connection = self.check_out().await?;
        let outcome = connection.execute_unprepared(sql).await;
        connection.check_in_after(outcome)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut connection = self.check_out().await?;
        let outcome = connection.query_one(statement).await;
        connection.check_in_after(outcome)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut connection = self.check_out().await?;
        let outcome = connection.query_all(statement).await;
        connection.check_in_after(outcome)
    }
}

impl<D: Database> fmt::Debug for ConnectionSet<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pool.fmt(f)
    }
}

impl<D: Database> fmt::Debug for CheckedOut<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.set.fmt(f)
    }
}

#[cfg(test)]
mod tests;
