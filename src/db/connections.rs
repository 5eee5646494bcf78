//! A pool of connections that are checked out and in without a health check for each statement.
//!
//! The pool of sqlx pings the database in a separate task whenever a connection is returned: one additional
//! round trip for each statement. It also hides the reason why the server refuses connections until its timeout
//! has passed. Here, a connection that has just answered is checked in without a ping, and one that was idle
//! for longer is pinged before its next use. A connection whose statement was abandoned is closed.

mod connection;
mod monitor;
mod opener;
mod set;

use std::{ops::ControlFlow, sync::Arc};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values};
use sea_query_sqlx::SqlxValues;
use sqlx::AssertSqlSafe;

pub(super) use self::connection::Connection;
pub use self::set::PoolUsage;
pub(super) use self::set::{Limits, Pooling};
use self::{
    opener::Options,
    set::{ConnectionSet, unavailable},
};

use super::file::DatabaseFile;

/// Receives rows until it breaks.
pub type RowConsumer<'a> = &'a mut (dyn FnMut(QueryResult) -> ControlFlow<()> + Send);

/// Reads that need more than a connection of SeaORM offers.
#[async_trait::async_trait]
pub trait ReadRows: ConnectionTrait {
    /// The rows of a statement whose best plan depends on its values. PostgreSQL plans a prepared statement for any
    /// values after a few executions, so this one is not prepared there.
    async fn query_planned(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr>;

    /// Passes each row to `each` as it arrives, for results that are too large to be collected. If that breaks, the other rows are not read.
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

    /// All rows. With `prepare`, the statement is prepared for later use if the connections allow it.
    async fn query(&self, statement: Statement, prepare: bool) -> Result<Vec<QueryResult>, DbErr> {
        let mut connection = self.check_out_for_one().await?;
        let prepare = prepare && connection.prepares();
        let again = self.repeats_on(&connection).then(|| statement.clone());
        let mut outcome = connection.query(statement, prepare).await;
        if let Some(statement) = again.filter(|_| outcome.as_ref().is_err_and(has_died)) {
            connection = self.replace(connection).await?;
            outcome = connection.query(statement, prepare).await;
        }
        connection.end(outcome).await
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
        self.query(statement, true).await
    }
}

#[async_trait::async_trait]
impl ReadRows for Connections {
    async fn query_planned(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.query(statement, matches!(self.engine, Engine::Sqlite(_))).await
    }

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
