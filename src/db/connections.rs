//! Connections for single statements that stay out of their pool while they are busy.
//!
//! sqlx's pool takes a connection back in a task of its own, and asks the database for an answer before it lends it
//! again: one round trip for the pool with each round trip for a statement. Here a connection that answered is lent again as it
//! is; one that lay still goes through the pool and its questions, and one that was given up is closed.

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

/// Runs single statements; has no transactions. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Handle(Engine);

#[derive(Clone, Debug)]
enum Engine {
    Postgres(Arc<Kept<sqlx::Postgres>>),
    Sqlite(Arc<Kept<sqlx::Sqlite>>),
}

/// A pool, and those of its connections that are kept out of it.
struct Kept<D: Database> {
    pool: Pool<D>,
    patience: Duration,
    /// As many as the pool has connections: whoever holds a turn finds a connection here or in the pool.
    turns: Semaphore,
    idle: Mutex<Vec<Idle<D>>>,
}

struct Idle<D: Database> {
    connection: PoolConnection<D>,
    since: Instant,
}

/// A connection on loan, which is closed unless it is kept.
struct Loan<'a, D: Database> {
    connection: Option<PoolConnection<D>>,
    kept: &'a Kept<D>,
    _turn: SemaphorePermit<'a>,
}

impl<D: Database> Kept<D> {
    /// `pool` belongs to nobody else.
    fn new(pool: Pool<D>) -> Arc<Self> {
        let options = pool.options();
        let connections = usize::try_from(options.get_max_connections()).unwrap_or(1);
        Arc::new(Self {
            patience: options.get_acquire_timeout(),
            turns: Semaphore::new(connections),
            idle: Mutex::new(Vec::with_capacity(connections)),
            pool,
        })
    }

    async fn lend(&self) -> Result<Loan<'_, D>, DbErr> {
        let turn = self.turn().await?;
        let connection = match self.idle().pop() {
            Some(idle) if idle.since.elapsed() <= TRUSTED_FOR => Some(idle.connection),
            // Dropped, it is back in the pool, which asks it whether it is alive.
            _ => None,
        };
        let connection = match connection {
            Some(connection) => connection,
            None => self.pool.acquire().await.map_err(unavailable)?,
        };
        Ok(Loan { connection: Some(connection), kept: self, _turn: turn })
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, DbErr> {
        // Most find one at once and need no timer.
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        match timeout(self.patience, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)),
            Err(_) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle<D>>> {
        // Nothing panics while it is held, and a list of connections is whole after every step.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Database> Drop for Kept<D> {
    /// A connection that goes back to its pool starts a task for it, and a worker that ends has no runtime any more.
    fn drop(&mut self) {
        for idle in self.idle.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            drop(idle.connection.detach());
        }
    }
}

impl<D: Database> Loan<'_, D> {
    fn keep(mut self) {
        if let Some(connection) = self.connection.take() {
            // The turn ends behind this: whoever gets it looks for a connection.
            self.kept.idle().push(Idle { connection, since: Instant::now() });
        }
    }
}

impl<D: Database> Drop for Loan<'_, D> {
    /// A connection whose statement failed, or was given up, is closed: the pool would ask it whether it is alive, and wait for
    /// the answer of a dead wire as long as the kernel does.
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

/// A loan without a connection, which there is not before it is kept.
fn gone() -> DbErr {
    DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)
}

/// Whether a connection is as good as before: the database answered, and not that it is going away (PostgreSQL's 57P01 to 57P05).
fn is_sound(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|answer| answer.code().is_none_or(|code| !code.starts_with("57P")))
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}

impl From<Pool<sqlx::Postgres>> for Handle {
    fn from(pool: Pool<sqlx::Postgres>) -> Self {
        Self(Engine::Postgres(Kept::new(pool)))
    }
}

impl From<Pool<sqlx::Sqlite>> for Handle {
    fn from(pool: Pool<sqlx::Sqlite>) -> Self {
        Self(Engine::Sqlite(Kept::new(pool)))
    }
}

/// Runs the same lines on a connection of either engine, and keeps it where they succeed.
macro_rules! on_loan {
    ($handle:expr, |$connection:ident| $run:expr, |$done:ident| $convert:expr) => {
        match &$handle.0 {
            Engine::Postgres(kept) => on_loan!(@ kept, $connection, $run, $done, $convert),
            Engine::Sqlite(kept) => on_loan!(@ kept, $connection, $run, $done, $convert),
        }
    };
    (@ $kept:ident, $connection:ident, $run:expr, $done:ident, $convert:expr) => {{
        let mut loan = $kept.lend().await?;
        let Some(connection) = &mut loan.connection else { return Err(gone()) };
        let $connection = &mut **connection;
        match $run.await {
            Ok($done) => {
                loan.keep();
                Ok($convert)
            }
            Err(error) => {
                if is_sound(&error) {
                    loan.keep();
                }
                Err(failed(error))
            }
        }
    }};
}

/// A statement with its values, as sqlx takes it.
fn split(statement: Statement) -> (AssertSqlSafe<String>, SqlxValues) {
    let values = statement.values.unwrap_or_else(|| Values(Vec::new()));
    (AssertSqlSafe(statement.sql), SqlxValues(values))
}

#[async_trait::async_trait]
impl ConnectionTrait for Handle {
    fn get_database_backend(&self) -> DbBackend {
        match self.0 {
            Engine::Postgres(_) => DbBackend::Postgres,
            Engine::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let (sql, values) = split(statement);
        on_loan!(self, |connection| sqlx::query_with(sql, values).execute(connection), |done| done.into())
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let sql = AssertSqlSafe(sql.to_owned());
        on_loan!(self, |connection| connection.execute(sqlx::raw_sql(sql)), |done| done.into())
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let (sql, values) = split(statement);
        // To its end, not to its first row: after a RETURNING that was left half-way SQLite commits, but never checkpoints its log.
        on_loan!(self, |connection| sqlx::query_with(sql, values).fetch_all(connection), |rows| rows
            .into_iter()
            .next()
            .map(QueryResult::from))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let (sql, values) = split(statement);
        on_loan!(self, |connection| sqlx::query_with(sql, values).fetch_all(connection), |rows| rows
            .into_iter()
            .map(QueryResult::from)
            .collect())
    }
}

impl<D: Database> fmt::Debug for Kept<D> {
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

    fn reader() -> (Handle, Arc<Kept<sqlx::Sqlite>>) {
        let pool = PoolOptions::new().max_connections(1).acquire_timeout(Duration::from_millis(20));
        let kept = Kept::new(pool.connect_lazy("sqlite::memory:").unwrap());
        (Handle(Engine::Sqlite(Arc::clone(&kept))), kept)
    }

    fn statement(sql: &str) -> Statement {
        Statement::from_string(DbBackend::Sqlite, sql)
    }

    #[actix_web::test]
    async fn a_connection_is_kept_after_every_answer() {
        let (reader, kept) = reader();
        reader.query_one_raw(statement("SELECT 1")).await.unwrap();
        assert_eq!(kept.idle().len(), 1);
        reader.query_all_raw(statement("SELECT nothing")).await.unwrap_err();
        assert_eq!(kept.idle().len(), 1);
        assert_eq!(reader.query_all_raw(statement("SELECT 1 UNION SELECT 2")).await.unwrap().len(), 2);
    }

    #[actix_web::test]
    async fn a_connection_that_is_kept_is_lent_again() {
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
        let handle =
            Handle::from(PoolOptions::<sqlx::Sqlite>::new().max_connections(1).connect_lazy_with(options));
        handle.execute_unprepared("CREATE TABLE written (bytes BLOB)").await.unwrap();
        for _ in 0..100 {
            // More than 25 pages each; a checkpoint is due after 1,000, and the log begins anew after it.
            let insert = statement("INSERT INTO written VALUES (zeroblob(102400)) RETURNING length(bytes)");
            handle.query_one_raw(insert).await.unwrap().unwrap();
        }
        let log = std::fs::metadata(directory.path().join("written.db-wal")).unwrap().len();
        assert!(log < 5 << 20, "{log} bytes");
    }

    #[actix_web::test]
    async fn waiting_for_a_turn_ends_with_the_acquire_timeout() {
        let (reader, kept) = reader();
        let loan = kept.lend().await.unwrap();
        let late = reader.query_one_raw(statement("SELECT 1")).await.unwrap_err();
        assert_eq!(late, DbErr::ConnectionAcquire(ConnAcquireErr::Timeout));
        loan.keep();
        assert!(reader.query_one_raw(statement("SELECT 1")).await.unwrap().is_some());
    }

    #[actix_web::test]
    async fn a_connection_that_is_given_up_makes_room_for_another() {
        let (reader, kept) = reader();
        drop(kept.lend().await.unwrap());
        assert_eq!(kept.idle().len(), 0);
        assert!(reader.query_one_raw(statement("SELECT 1")).await.unwrap().is_some());
    }
}
