//! Connections for single statements, checked out and in without sqlx's pool.
//!
//! sqlx's pool takes a connection back in a task of its own and pings the database first: one round trip for the pool with
//! each round trip for a statement. Here a connection that has just answered is checked in as it is. One that was idle for
//! longer goes through the pool and its ping; one whose statement was abandoned is closed.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values,
};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, Database, Executor as _, Pool, pool::PoolConnection};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::TRUSTED_FOR;

/// Runs single statements; has no transactions. Clones share the same connections.
#[derive(Clone, Debug)]
pub struct Connections(Engine);

#[derive(Clone, Debug)]
enum Engine {
    Postgres(Arc<ConnectionSet<sqlx::Postgres>>),
    Sqlite(Arc<ConnectionSet<sqlx::Sqlite>>),
}

/// A pool, and those of its connections that were checked in here instead of there.
struct ConnectionSet<D: Database> {
    pool: Pool<D>,
    acquire_timeout: Duration,
    /// One per connection of the pool: with a permit there is a connection in `idle` or in the pool.
    permits: Semaphore,
    idle: Mutex<Vec<Idle<D>>>,
}

struct Idle<D: Database> {
    connection: PoolConnection<D>,
    since: Instant,
}

/// A connection in use. It is closed when dropped, unless it is checked in.
struct CheckedOut<'a, D: Database> {
    connection: Option<PoolConnection<D>>,
    set: &'a ConnectionSet<D>,
    _permit: SemaphorePermit<'a>,
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
            pool,
        })
    }

    async fn check_out(&self) -> Result<CheckedOut<'_, D>, DbErr> {
        let permit = self.permit().await?;
        let connection = match self.idle().pop() {
            Some(idle) if idle.since.elapsed() <= TRUSTED_FOR => Some(idle.connection),
            // Dropping it returns it to the pool, which pings it before the next use.
            _ => None,
        };
        let connection = match connection {
            Some(connection) => connection,
            None => self.pool.acquire().await.map_err(unavailable)?,
        };
        Ok(CheckedOut { connection: Some(connection), set: self, _permit: permit })
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, DbErr> {
        // The usual case needs no timer.
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        match timeout(self.acquire_timeout, self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)),
            Err(_) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle<D>>> {
        // No code panics while it holds the lock, and the list is valid after every step.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Database> Drop for ConnectionSet<D> {
    /// Returning a connection to its pool spawns a task, and a worker that ends has no runtime any more.
    fn drop(&mut self) {
        for idle in self.idle.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            drop(idle.connection.detach());
        }
    }
}

impl<D: Database> CheckedOut<'_, D> {
    fn check_in(mut self) {
        if let Some(connection) = self.connection.take() {
            // Before the permit is released: its next owner looks for a connection.
            self.set.idle().push(Idle { connection, since: Instant::now() });
        }
    }
}

impl<D: Database> Drop for CheckedOut<'_, D> {
    /// A connection whose statement failed or was abandoned is closed: the pool would ping it, and wait on a dead network
    /// connection for as long as the kernel does.
    fn drop(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.close_on_drop();
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

/// For a connection that was already checked in, which cannot happen.
fn gone() -> DbErr {
    DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)
}

/// Whether a connection can be used again: the database answered, and did not say that it is shutting down (PostgreSQL's
/// 57P01 to 57P05).
fn is_sound(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|answer| answer.code().is_none_or(|code| !code.starts_with("57P")))
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}

impl From<Pool<sqlx::Postgres>> for Connections {
    fn from(pool: Pool<sqlx::Postgres>) -> Self {
        Self(Engine::Postgres(ConnectionSet::new(pool)))
    }
}

impl From<Pool<sqlx::Sqlite>> for Connections {
    fn from(pool: Pool<sqlx::Sqlite>) -> Self {
        Self(Engine::Sqlite(ConnectionSet::new(pool)))
    }
}

/// Runs the same code on a connection of either engine, and checks it in if the code succeeds.
macro_rules! on_connection {
    ($connections:expr, |$connection:ident| $run:expr, |$done:ident| $convert:expr) => {
        match &$connections.0 {
            Engine::Postgres(set) => on_connection!(@ set, $connection, $run, $done, $convert),
            Engine::Sqlite(set) => on_connection!(@ set, $connection, $run, $done, $convert),
        }
    };
    (@ $set:ident, $connection:ident, $run:expr, $done:ident, $convert:expr) => {{
        let mut checked_out = $set.check_out().await?;
        let Some(connection) = &mut checked_out.connection else { return Err(gone()) };
        let $connection = &mut **connection;
        match $run.await {
            Ok($done) => {
                checked_out.check_in();
                Ok($convert)
            }
            Err(error) => {
                if is_sound(&error) {
                    checked_out.check_in();
                }
                Err(failed(error))
            }
        }
    }};
}

/// A statement and its values as sqlx expects them.
fn split(statement: Statement) -> (AssertSqlSafe<String>, SqlxValues) {
    let values = statement.values.unwrap_or_else(|| Values(Vec::new()));
    (AssertSqlSafe(statement.sql), SqlxValues(values))
}

#[async_trait::async_trait]
impl ConnectionTrait for Connections {
    fn get_database_backend(&self) -> DbBackend {
        match self.0 {
            Engine::Postgres(_) => DbBackend::Postgres,
            Engine::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let (sql, values) = split(statement);
        on_connection!(self, |connection| sqlx::query_with(sql, values).execute(connection), |done| done
            .into())
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let sql = AssertSqlSafe(sql.to_owned());
        on_connection!(self, |connection| connection.execute(sqlx::raw_sql(sql)), |done| done.into())
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let (sql, values) = split(statement);
        // All rows, not only the first: SQLite commits a RETURNING that is abandoned half-way, but never checkpoints its log.
        on_connection!(self, |connection| sqlx::query_with(sql, values).fetch_all(connection), |rows| rows
            .into_iter()
            .next()
            .map(QueryResult::from))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let (sql, values) = split(statement);
        on_connection!(self, |connection| sqlx::query_with(sql, values).fetch_all(connection), |rows| rows
            .into_iter()
            .map(QueryResult::from)
            .collect())
    }
}

impl<D: Database> fmt::Debug for ConnectionSet<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pool.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{
        pool::PoolOptions,
        sqlite::{SqliteConnectOptions, SqliteJournalMode},
    };

    use super::*;

    fn reader() -> (Connections, Arc<ConnectionSet<sqlx::Sqlite>>) {
        let pool = PoolOptions::new().max_connections(1).acquire_timeout(Duration::from_millis(20));
        let set = ConnectionSet::new(pool.connect_lazy("sqlite::memory:").unwrap());
        (Connections(Engine::Sqlite(Arc::clone(&set))), set)
    }

    fn statement(sql: &str) -> Statement {
        Statement::from_string(DbBackend::Sqlite, sql)
    }

    #[actix_web::test]
    async fn a_connection_is_checked_in_after_every_answer() {
        let (reader, set) = reader();
        reader.query_one_raw(statement("SELECT 1")).await.unwrap();
        assert_eq!(set.idle().len(), 1);
        reader.query_all_raw(statement("SELECT nothing")).await.unwrap_err();
        assert_eq!(set.idle().len(), 1);
        assert_eq!(reader.query_all_raw(statement("SELECT 1 UNION SELECT 2")).await.unwrap().len(), 2);
    }

    #[actix_web::test]
    async fn an_idle_connection_is_used_again() {
        let (reader, _) = reader();
        // Another connection would see another database.
        reader.execute_unprepared("CREATE TABLE seen (id INTEGER)").await.unwrap();
        let done = reader.execute_raw(statement("INSERT INTO seen VALUES (1)")).await.unwrap();
        assert_eq!(done.rows_affected(), 1);
    }

    #[actix_web::test]
    async fn the_log_of_writes_that_return_a_row_is_checkpointed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("written.db");
        let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
        let options = options.journal_mode(SqliteJournalMode::Wal);
        let connections = Connections::from(
            PoolOptions::<sqlx::Sqlite>::new().max_connections(1).connect_lazy_with(options),
        );
        connections.execute_unprepared("CREATE TABLE written (bytes BLOB)").await.unwrap();
        for _ in 0..100 {
            // More than 25 pages each; a checkpoint is due after 1,000, and the log starts over after it.
            let insert = statement("INSERT INTO written VALUES (zeroblob(102400)) RETURNING length(bytes)");
            connections.query_one_raw(insert).await.unwrap().unwrap();
        }
        let log = std::fs::metadata(directory.path().join("written.db-wal")).unwrap().len();
        assert!(log < 5 << 20, "{log} bytes");
    }

    #[actix_web::test]
    async fn waiting_for_a_permit_ends_with_the_acquire_timeout() {
        let (reader, set) = reader();
        let checked_out = set.check_out().await.unwrap();
        let late = reader.query_one_raw(statement("SELECT 1")).await.unwrap_err();
        assert_eq!(late, DbErr::ConnectionAcquire(ConnAcquireErr::Timeout));
        checked_out.check_in();
        assert!(reader.query_one_raw(statement("SELECT 1")).await.unwrap().is_some());
    }

    #[actix_web::test]
    async fn an_abandoned_connection_makes_room_for_another() {
        let (reader, set) = reader();
        drop(set.check_out().await.unwrap());
        assert_eq!(set.idle().len(), 0);
        assert!(reader.query_one_raw(statement("SELECT 1")).await.unwrap().is_some());
    }
}
