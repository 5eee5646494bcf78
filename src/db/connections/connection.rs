//! One connection in use: statements on it, and what becomes of it afterwards.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use futures_util::TryStreamExt as _;
use sea_orm::{DbErr, ExecResult, QueryResult, Statement};
use sqlx::{AssertSqlSafe, Executor as _};
use tokio::task::yield_now;

use super::{RowConsumer, failed, is_sound, monitor::Running, set::CheckedOut, split};

/// How long rows are passed on before other requests of the worker proceed. Rows that have arrived already would
/// otherwise occupy the worker until the last one.
const MAX_TURN: Duration = Duration::from_millis(1);

/// A connection in use by one owner. It is closed when dropped, unless it is checked in.
#[derive(Debug)]
pub(in crate::db) enum Connection {
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
    pub(in crate::db) async fn execute(&mut self, statement: Statement) -> Result<ExecResult, sqlx::Error> {
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

    pub(in crate::db) async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, sqlx::Error> {
        let running = self.begin_statement(sql);
        let sql = AssertSqlSafe(sql.to_owned());
        let executed = async {
            on_connection!(self, |connection| connection.execute(sqlx::raw_sql(sql)).await.map(Into::into))
        };
        running.end(executed.await)
    }

    pub(in crate::db) async fn query_all(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<QueryResult>, sqlx::Error> {
        let prepare = self.prepares();
        self.query(statement, prepare).await
    }

    /// All rows. With `prepare`, the statement is prepared for later use.
    pub(super) async fn query(
        &mut self,
        statement: Statement,
        prepare: bool,
    ) -> Result<Vec<QueryResult>, sqlx::Error> {
        let running = self.begin_statement(&statement.sql);
        let (sql, values) = split(statement);
        let rows = async {
            on_connection!(self, |connection| {
                let rows = sqlx::query_with(sql, values).persistent(prepare).fetch_all(connection).await?;
                Ok(rows.into_iter().map(Into::into).collect())
            })
        };
        running.end(rows.await)
    }

    /// Passes each row to `each` until that breaks.
    pub(super) async fn for_each_row(
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
    pub(in crate::db) async fn query_one(
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
    pub(in crate::db) fn check_in(self) {
        match self {
            Self::Postgres(checked_out) => checked_out.check_in(),
            Self::Sqlite(checked_out) => checked_out.check_in(),
        }
    }

    /// Begins a transaction: the statements for it.
    pub(in crate::db) fn begin(&self) -> &str {
        match self {
            Self::Postgres(checked_out) => checked_out.pooling().begin.as_deref().unwrap_or("BEGIN"),
            // The transaction starts as a writer: one that starts as a reader cannot write any more after
            // another process has written.
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
        }
    }

    /// Whether statements are prepared for later use. A transaction surrounds each statement otherwise.
    pub(super) fn prepares(&self) -> bool {
        match self {
            Self::Postgres(checked_out) => checked_out.pooling().begin.is_none(),
            Self::Sqlite(_) => true,
        }
    }

    /// Ends the single statement that had this outcome. Checks the connection in if it is usable, otherwise
    /// closes it.
    pub(super) async fn end<T>(mut self, outcome: Result<T, sqlx::Error>) -> Result<T, DbErr> {
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
