//! The connection of a run, and the lock that allows only one runner at a time.

use std::time::{Duration, Instant};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, SqliteTransactionMode, SqlxPostgresConnector,
    SqlxSqliteConnector, Statement, TransactionOptions, TransactionTrait,
};

use super::{Engine, Error, Timeouts, engine::literal, pools::close_after_run};

const POLL: Duration = Duration::from_millis(50);

/// A connection for one run.
pub(crate) struct Session {
    db: DatabaseConnection,
    engine: Engine,
    lock_key: String,
    timeouts: Timeouts,
    owned: bool,
    foreign_keys_off: bool,
}

impl Session {
    /// Opens a new connection instead of using the caller's pool, whose other users must not see foreign keys
    /// switched off. A database in memory exists only in the pool's connection, so there the pool is used.
    pub(crate) async fn open(
        db: &DatabaseConnection,
        lock_key: &str,
        timeouts: Timeouts,
        foreign_keys_off: bool,
    ) -> Result<Self, Error> {
        let engine = Engine::of(db)?;
        let (own, owned) = match engine {
            Engine::Postgres => {
                let options = db.get_postgres_connection_pool().connect_options();
                // If the pool replaced an old connection during a long run, the lock would be lost.
                let pool = sqlx::postgres::PgPoolOptions::new()
                    .max_connections(1)
                    .max_lifetime(None)
                    .idle_timeout(None)
                    .connect_with(options.as_ref().clone())
                    .await
                    .map_err(connection_error)?;
                (SqlxPostgresConnector::from_sqlx_postgres_pool(pool), true)
            }
            Engine::Sqlite => {
                let options = db.get_sqlite_connection_pool().connect_options();
                if in_memory(&options) {
                    (db.clone(), false)
                } else {
                    let options = options.as_ref().clone().busy_timeout(timeouts.lock);
                    let pool = sqlx::sqlite::SqlitePoolOptions::new()
                        .max_connections(1)
                        .max_lifetime(None)
                        .idle_timeout(None)
                        .connect_with(options)
                        .await
                        .map_err(connection_error)?;
                    (SqlxSqliteConnector::from_sqlx_sqlite_pool(pool), true)
                }
            }
        };
        if owned {
            close_after_run(&own);
        }
        let session =
            Self { db: own, engine, lock_key: lock_key.to_owned(), timeouts, owned, foreign_keys_off };
        if foreign_keys_off && engine == Engine::Sqlite {
            session.db.execute_unprepared("PRAGMA foreign_keys = OFF").await?;
        }
        Ok(session)
    }

    pub(crate) fn connection(&self) -> &DatabaseConnection {
        &self.db
    }

    /// Locks out other runners until the session is closed, for runs of more than one transaction. SQLite has
    /// no such lock: there, other runners refuse to start because the migration is recorded as running.
    pub(crate) async fn lock(&self) -> Result<(), Error> {
        if self.engine == Engine::Sqlite {
            return Ok(());
        }
        let started = Instant::now();
        while !self.try_lock(&self.db, "pg_try_advisory_lock").await? {
            self.wait(started).await?;
        }
        Ok(())
    }

    /// Begins a transaction that only one runner can have at a time. The lock is polled: a blocking wait
    /// would hold a snapshot, and `CREATE INDEX CONCURRENTLY` in the other runner would wait for that
    /// snapshot forever.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, Error> {
        let started = Instant::now();
        loop {
            match self.engine {
                Engine::Postgres => {
                    let txn = self.db.begin().await?;
                    if self.try_lock(&txn, "pg_try_advisory_xact_lock").await? {
                        self.set_timeouts(&txn).await?;
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
            self.wait(started).await?;
        }
    }

    async fn wait(&self, started: Instant) -> Result<(), Error> {
        if started.elapsed() >= self.timeouts.lock {
            return Err(match self.engine {
                Engine::Postgres => Error::Busy(self.timeouts.lock),
                Engine::Sqlite => Error::WriterBusy(self.timeouts.lock),
            });
        }
        tokio::time::sleep(POLL).await;
        Ok(())
    }

    async fn try_lock(&self, db: &impl ConnectionTrait, function: &str) -> Result<bool, Error> {
        let sql = format!(
            "SELECT {function}(hashtext({}), hashtext(coalesce(current_schema()::text, ''))) AS locked",
            literal(&self.lock_key)
        );
        let row = db.query_one_raw(Statement::from_string(self.engine.backend(), sql)).await?;
        Ok(row.map(|row| row.try_get("", "locked")).transpose()?.unwrap_or(false))
    }

    async fn set_timeouts(&self, txn: &DatabaseTransaction) -> Result<(), Error> {
        txn.execute_unprepared(&format!(
            "SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {}; \
             SET LOCAL idle_in_transaction_session_timeout = 0",
            self.timeouts.table_lock.as_millis(),
            self.timeouts.statement.as_millis(),
        ))
        .await?;
        Ok(())
    }

    /// Closes the connection, or restores the shared one.
    pub(crate) async fn close(self) -> Result<(), Error> {
        if self.owned {
            self.db.clone().close().await?;
        } else if self.foreign_keys_off {
            self.db.execute_unprepared("PRAGMA foreign_keys = ON").await?;
        }
        Ok(())
    }
}

/// Whether the database is in memory, by the names that sqlx gives such databases.
fn in_memory(options: &sqlx::sqlite::SqliteConnectOptions) -> bool {
    let name = options.get_filename().to_string_lossy();
    name == ":memory:" || name.starts_with("file:sqlx-in-memory-")
}

fn connection_error(error: sqlx::Error) -> Error {
    sea_orm::DbErr::Conn(sea_orm::RuntimeErr::SqlxError(std::sync::Arc::new(error))).into()
}
