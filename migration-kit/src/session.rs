//! The connection a run works on, and the lock that makes it the only runner.

use std::time::{Duration, Instant};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, SqliteTransactionMode, SqlxPostgresConnector,
    SqlxSqliteConnector, Statement, TransactionOptions, TransactionTrait,
};

use super::{Engine, Error, Limits, engine::literal};

const POLL: Duration = Duration::from_millis(50);

/// One connection of its own, closed at the end of the run.
pub(crate) struct Session {
    db: DatabaseConnection,
    engine: Engine,
    key: String,
    limits: Limits,
    private: bool,
    foreign_keys_off: bool,
}

impl Session {
    /// Opens a connection beside the caller's pool, whose other users must not see foreign keys switched off. A
    /// database in memory lives in the pool's connection, so there the pool itself is used.
    pub(crate) async fn open(
        db: &DatabaseConnection,
        ledger: &str,
        limits: Limits,
        foreign_keys_off: bool,
    ) -> Result<Self, Error> {
        let engine = Engine::of(db)?;
        let (own, private) = match engine {
            Engine::Postgres => {
                let options = db.get_postgres_connection_pool().connect_options();
                // A pool that replaces an old connection would give the lock away in the middle of a long run.
                let pool = sqlx::postgres::PgPoolOptions::new()
                    .max_connections(1)
                    .max_lifetime(None)
                    .idle_timeout(None)
                    .connect_with(options.as_ref().clone())
                    .await
                    .map_err(connection)?;
                (SqlxPostgresConnector::from_sqlx_postgres_pool(pool), true)
            }
            Engine::Sqlite => {
                let options = db.get_sqlite_connection_pool().connect_options();
                if in_memory(&options) {
                    (db.clone(), false)
                } else {
                    let options = options.as_ref().clone().busy_timeout(limits.lock);
                    let pool = sqlx::sqlite::SqlitePoolOptions::new()
                        .max_connections(1)
                        .max_lifetime(None)
                        .idle_timeout(None)
                        .connect_with(options)
                        .await
                        .map_err(connection)?;
                    (SqlxSqliteConnector::from_sqlx_sqlite_pool(pool), true)
                }
            }
        };
        let session = Self { db: own, engine, key: ledger.to_owned(), limits, private, foreign_keys_off };
        if foreign_keys_off && engine == Engine::Sqlite {
            session.db.execute_unprepared("PRAGMA foreign_keys = OFF").await?;
        }
        Ok(session)
    }

    pub(crate) fn connection(&self) -> &DatabaseConnection {
        &self.db
    }

    /// Keeps other runners out until the session is closed, for runs of more than one transaction. On SQLite there is
    /// no such lock: the mark of an unfinished migration keeps them out.
    pub(crate) async fn hold(&self) -> Result<(), Error> {
        if self.engine == Engine::Sqlite {
            return Ok(());
        }
        let started = Instant::now();
        while !self.try_lock(&self.db, "pg_try_advisory_lock").await? {
            self.pause(started).await?;
        }
        Ok(())
    }

    /// A transaction that no other runner can be in at the same time. The lock is polled: a blocking wait holds a
    /// snapshot, and `CREATE INDEX CONCURRENTLY` in the holder would wait for it for ever.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, Error> {
        let started = Instant::now();
        loop {
            match self.engine {
                Engine::Postgres => {
                    let txn = self.db.begin().await?;
                    if self.try_lock(&txn, "pg_try_advisory_xact_lock").await? {
                        self.limit(&txn).await?;
                        return Ok(txn);
                    }
                    txn.rollback().await?;
                }
                Engine::Sqlite => {
                    let options = TransactionOptions {
                        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                        ..TransactionOptions::default()
                    };
                    match self.db.begin_with_options(options).await {
                        Ok(txn) => return Ok(txn),
                        Err(error) if error.to_string().contains("locked") => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            self.pause(started).await?;
        }
    }

    async fn pause(&self, started: Instant) -> Result<(), Error> {
        if started.elapsed() >= self.limits.lock {
            return Err(Error::Busy(self.limits.lock));
        }
        tokio::time::sleep(POLL).await;
        Ok(())
    }

    async fn try_lock(&self, db: &impl ConnectionTrait, function: &str) -> Result<bool, Error> {
        let sql = format!(
            "SELECT {function}(hashtext({}), hashtext(coalesce(current_schema()::text, ''))) AS locked",
            literal(&self.key)
        );
        let row = db.query_one_raw(Statement::from_string(self.engine.backend(), sql)).await?;
        Ok(row.map(|row| row.try_get("", "locked")).transpose()?.unwrap_or(false))
    }

    async fn limit(&self, txn: &DatabaseTransaction) -> Result<(), Error> {
        txn.execute_unprepared(&format!(
            "SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {}; \
             SET LOCAL idle_in_transaction_session_timeout = 0",
            self.limits.table_lock.as_millis(),
            self.limits.statement.as_millis(),
        ))
        .await?;
        Ok(())
    }

    /// Gives the connection back as it was.
    pub(crate) async fn close(self) -> Result<(), Error> {
        if self.private {
            self.db.clone().close().await?;
        } else if self.foreign_keys_off {
            self.db.execute_unprepared("PRAGMA foreign_keys = ON").await?;
        }
        Ok(())
    }
}

/// As sqlx names databases in memory.
fn in_memory(options: &sqlx::sqlite::SqliteConnectOptions) -> bool {
    let name = options.get_filename().to_string_lossy();
    name == ":memory:" || name.starts_with("file:sqlx-in-memory-")
}

fn connection(error: sqlx::Error) -> Error {
    sea_orm::DbErr::Conn(sea_orm::RuntimeErr::SqlxError(std::sync::Arc::new(error))).into()
}
