//! A pool of connections that are checked out and in without a health check for each statement.
//!
//! The pool of sqlx pings the database in a separate task whenever a connection is returned: one additional
//! round trip for each statement. It also hides the reason why the server refuses connections until its timeout
//! has passed. Here, a connection that has just answered is checked in without a ping, and one that was idle
//! for longer is pinged before its next use. A connection whose statement was abandoned is closed.

mod monitor;
mod opener;
mod set;

use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::TryStreamExt as _;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, Executor as _};
use tokio::task::yield_now;

pub use self::set::PoolUsage;
pub(super) use self::set::{Limits, Pooling};
use self::{
    monitor::Running,
    opener::Options,
    set::{CheckedOut, ConnectionSet, unavailable},
};

use super::file::DatabaseFile;

/// How long rows are passed on before other requests of the worker proceed. Rows that have arrived already would
/// otherwise occupy the worker until the last one.
const MAX_TURN: Duration = Duration::from_millis(1);

/// Receives rows until it breaks.
pub type RowConsumer<'a> = &'a mut (dyn FnMut(QueryResult) -> ControlFlow<()> + Send);

/// Reads rows one at a time, for results that are too large to be collected.
#[async_trait::async_trait]
pub trait ReadRows: ConnectionTrait {
    /// Passes each row to `each` as it arrives. If that breaks, the other rows are not read.
    async fn read_rows(&self, statement: Statement, each: RowConsumer<'_>) -> Result<(), DbErr>;
}

/// Runs single statements, each on any of its connections. Several statements that belong together need a
/// transaction. Clones share the same connections.
#[derive(Clone, Debug)]
pub struct Connections {
    engine: Engine,
    /// The file of a SQLite database, for the connection that writes to it.
    file: Option<Arc<DatabaseFile>>,
    /// Every statement only reads.
    reads: bool,
}

#[derive(Clone, Debug)]
enum Engine {
    Postgres(Arc<ConnectionSet<sqlx::Postgres>>),
    Sqlite(Arc<ConnectionSet<sqlx::Sqlite>>),
}

/// A connection in use by one owner. It is closed when dropped, unless it is checked in.
#[derive(Debug)]
pub(super) enum Connection {
    Postgres(CheckedOut<sqlx::Postgres>),
    Sqlite(CheckedOut<sqlx::Sqlite>),
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
        let running = self.begin_statement(&statement.sql);
        let ((sql, values), prepare) = (split(statement), self.prepares());
        let executed = async {
            on_connection!(self, |connection| sqlx::query_with(sql, values)
                .persistent(prepare)
                .execute(connection)
                .await
                .map(Into::into))
        };
        running.end(executed.await)
    }

    pub(super) async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, sqlx::Error> {
        let running = self.begin_statement(sql);
        let sql = AssertSqlSafe(sql.to_owned());
        let executed = async {
            on_connection!(self, |connection| connection.execute(sqlx::raw_sql(sql)).await.map(Into::into))
        };
        running.end(executed.await)
    }

    pub(super) async fn query_all(&mut self, statement: Statement) -> Result<Vec<QueryResult>, sqlx::Error> {
        let running = self.begin_statement(&statement.sql);
        let ((sql, values), prepare) = (split(statement), self.prepares());
        let rows = async {
            on_connection!(self, |connection| {
                let rows = sqlx::query_with(sql, values).persistent(prepare).fetch_all(connection).await?;
                Ok(rows.into_iter().map(Into::into).collect())
            })
        };
        running.end(rows.await)
    }

    /// Passes each row to `each` until that breaks.
    async fn for_each_row(
        &mut self,
        statement: Statement,
        each: RowConsumer<'_>,
    ) -> Result<ControlFlow<()>, sqlx::Error> {
        let running = self.begin_statement(&statement.sql);
        let ((sql, values), prepare) = (split(statement), self.prepares());
        let passed = async {
            on_connection!(self, |connection| {
                let mut rows = sqlx::query_with(sql, values).persistent(prepare).fetch(connection);
                let mut turn = Instant::now();
                while let Some(row) = rows.try_next().await? {
                    if each(row.into()).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                    if turn.elapsed() >= MAX_TURN {
                        yield_now().await;
                        turn = Instant::now();
                    }
                }
                Ok(ControlFlow::Continue(()))
            })
        };
        running.end(passed.await)
    }

    /// Reads all rows instead of only the first: SQLite commits a RETURNING statement that is abandoned
    /// half-way, but then never checkpoints its log.
    pub(super) async fn query_one(
        &mut self,
        statement: Statement,
    ) -> Result<Option<QueryResult>, sqlx::Error> {
        Ok(self.query_all(statement).await?.into_iter().next())
    }

    /// A statement begins.
    fn begin_statement(&self, sql: &str) -> Running {
        match self {
            Self::Postgres(checked_out) => checked_out.begin(sql),
            Self::Sqlite(checked_out) => checked_out.begin(sql),
        }
    }

    /// Makes the connection available again. Its transaction must have ended.
    pub(super) fn check_in(self) {
        match self {
            Self::Postgres(checked_out) => checked_out.check_in(),
            Self::Sqlite(checked_out) => checked_out.check_in(),
        }
    }

    /// Begins a transaction: the statements for it.
    pub(super) fn begin(&self) -> &str {
        match self {
            Self::Postgres(checked_out) => checked_out.pooling().begin.as_deref().unwrap_or("BEGIN"),
            // The transaction starts as a writer: one that starts as a reader cannot write any more after
            // another process has written.
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
        }
    }

    /// Whether statements are prepared for later use. A transaction surrounds each statement otherwise.
    fn prepares(&self) -> bool {
        match self {
            Self::Postgres(checked_out) => checked_out.pooling().begin.is_none(),
            Self::Sqlite(_) => true,
        }
    }

    /// Ends the single statement that had this outcome. Checks the connection in if it is usable, otherwise
    /// closes it.
    async fn end<T>(mut self, outcome: Result<T, sqlx::Error>) -> Result<T, DbErr> {
        let mut outcome = outcome;
        if !self.prepares() && outcome.as_ref().err().is_none_or(is_sound) {
            let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
            if let Err(error) = self.execute_unprepared(end).await {
                outcome = Err(error);
            }
        }
        if outcome.as_ref().err().is_none_or(is_sound) {
            self.check_in();
        }
        outcome.map_err(failed)
    }
}

impl Connections {
    pub(super) fn postgres(options: Options<sqlx::Postgres>, limits: Limits, pooling: Pooling) -> Self {
        Self {
            engine: Engine::Postgres(ConnectionSet::new(options, limits, pooling, "postgresql")),
            file: None,
            reads: false,
        }
    }

    pub(super) fn sqlite(options: Options<sqlx::Sqlite>, limits: Limits) -> Self {
        Self {
            engine: Engine::Sqlite(ConnectionSet::new(options, limits, Pooling::default(), "sqlite")),
            file: None,
            reads: false,
        }
    }

    /// A connection for more than one statement.
    pub(super) async fn check_out(&self) -> Result<Connection, DbErr> {
        match &self.engine {
            Engine::Postgres(set) => {
                let checked_out = set.check_out().await?;
                let is_new = checked_out.is_new();
                let mut connection = Connection::Postgres(checked_out);
                if let Some(statement) = set.pooling().on_open.as_deref().filter(|_| is_new) {
                    connection.execute_unprepared(statement).await.map_err(unavailable)?;
                }
                Ok(connection)
            }
            Engine::Sqlite(set) => {
                let checked_out = set.check_out().await?;
                if let Some(file) = self.file.as_ref().filter(|_| checked_out.is_new()) {
                    file.opened().map_err(|error| unavailable(error.into()))?;
                }
                Ok(Connection::Sqlite(checked_out))
            }
        }
    }

    /// A connection for one statement, which [`Connection::end`] must follow.
    async fn check_out_for_one(&self) -> Result<Connection, DbErr> {
        let mut connection = self.check_out().await?;
        if !connection.prepares() {
            let begin = connection.begin().to_owned();
            connection.execute_unprepared(&begin).await.map_err(unavailable)?;
        }
        Ok(connection)
    }

    /// The same connections, for statements that only read. One whose connection turns out to be dead, because the
    /// database was restarted since its last use, is repeated once on a new connection.
    pub(super) fn for_reads(self) -> Self {
        Self { reads: true, ..self }
    }

    /// Whether a statement is repeated if `connection` is dead. One that was just opened is not.
    fn repeats_on(&self, connection: &Connection) -> bool {
        self.reads && matches!(connection, Connection::Postgres(checked_out) if !checked_out.is_new())
    }

    /// Replaces a dead connection. Those that are idle are probably dead too.
    async fn replace(&self, dead: Connection) -> Result<Connection, DbErr> {
        drop(dead);
        if let Engine::Postgres(set) = &self.engine {
            set.close_idle();
        }
        self.check_out_for_one().await
    }

    /// Changes whenever a connection may have been replaced. If there is only one connection, a statement
    /// between two equal results ran on the same connection as the statements before.
    pub fn opened(&self) -> u64 {
        match &self.engine {
            Engine::Postgres(set) => set.opened(),
            Engine::Sqlite(set) => set.opened(),
        }
    }

    /// Adds how these connections are used to `usage`.
    pub(super) fn add_usage(&self, usage: &mut PoolUsage) {
        match &self.engine {
            Engine::Postgres(set) => set.add_usage(usage),
            Engine::Sqlite(set) => set.add_usage(usage),
        }
    }

    /// Whether `other` has the same connections.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.engine, &other.engine) {
            (Engine::Postgres(set), Engine::Postgres(other)) => Arc::ptr_eq(set, other),
            (Engine::Sqlite(set), Engine::Sqlite(other)) => Arc::ptr_eq(set, other),
            _ => false,
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
    pub async fn close(&self) {
        match &self.engine {
            Engine::Postgres(set) => set.close().await,
            Engine::Sqlite(set) => set.close().await,
        }
    }
}

/// Whether a connection can be used again: the database answered, and did not say that it is shutting down
/// (PostgreSQL's 57P01 to 57P05).
fn is_sound(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|answer| answer.code().is_none_or(|code| !code.starts_with("57P")))
}

/// Whether the connection was lost, or the database said that it ends.
fn has_died(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(_) => !is_sound(error),
        _ => false,
    }
}

/// Converts the error of a statement.
pub(super) fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
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
        let mut connection = self.check_out_for_one().await?;
        let outcome = connection.execute(statement).await;
        connection.end(outcome).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut connection = self.check_out_for_one().await?;
        let outcome = connection.execute_unprepared(sql).await;
        connection.end(outcome).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        // All rows, as in [`Connection::query_one`].
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut connection = self.check_out_for_one().await?;
        let again = self.repeats_on(&connection).then(|| statement.clone());
        let mut outcome = connection.query_all(statement).await;
        if let Some(statement) = again.filter(|_| outcome.as_ref().is_err_and(has_died)) {
            connection = self.replace(connection).await?;
            outcome = connection.query_all(statement).await;
        }
        connection.end(outcome).await
    }
}

#[async_trait::async_trait]
impl ReadRows for Connections {
    async fn read_rows(&self, statement: Statement, each: RowConsumer<'_>) -> Result<(), DbErr> {
        let mut connection = self.check_out_for_one().await?;
        let again = self.repeats_on(&connection).then(|| statement.clone());
        let mut passed = false;
        let mut noting = |row| {
            passed = true;
            each(row)
        };
        let mut outcome = connection.for_each_row(statement, &mut noting).await;
        if let Some(statement) = again.filter(|_| !passed && outcome.as_ref().is_err_and(has_died)) {
            connection = self.replace(connection).await?;
            outcome = connection.for_each_row(statement, each).await;
        }
        match outcome {
            // The connection still has rows to send, so it is closed.
            Ok(ControlFlow::Break(())) => Ok(()),
            outcome => connection.end(outcome).await.map(drop),
        }
    }
}
