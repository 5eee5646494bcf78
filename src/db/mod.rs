//! Connections: a handle that reads and a handle that writes.
//!
//! On SQLite they are pools over one file: some readers, and one writer whose transactions begin as writers, so that
//! none fails half-way for a lock it can't get. On PostgreSQL half of the connections read, the other half
//! writes, a single statement at a time ([`Connections`]). Every worker has pools of its own (but for SQLite's one writer): its runtime is a
//! single thread, and a connection that another worker opened would wake that one for every answer.

mod connections;
pub mod keyset;
mod transaction;

use std::{str::FromStr as _, sync::Arc, time::Duration};

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr, Statement};
use sqlx::{
    ConnectOptions as _, Connection as _, Database,
    pool::PoolOptions,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::time::timeout;

pub use self::connections::Connections;
pub use self::transaction::{Change, ChangeListener, Topic, Writer};
use crate::config::{Engine, Settings};

/// How long SQLite waits for a writer in another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that answered this lately is taken without asking.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// A connection that takes longer to say that it is alive is given up.
const PING_PATIENCE: Duration = Duration::from_millis(500);

/// Idle connections are given back after this.
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);

/// Connections of one worker that read a SQLite file. Each is a thread with a page cache of its own; reads hardly ever wait
/// for the disk, so more of them than this only wait for a core.
const SQLITE_READERS: u32 = 2;

/// What each of them keeps of the file, in KiB: inner pages of the trees, as the leaves are in the kernel's cache anyway.
const SQLITE_PAGE_CACHE: u32 = 1024;

/// What is left of the write-ahead log's file after a burst of writes, in bytes; SQLite never shrinks it by itself.
const SQLITE_LOG: u32 = 64 << 20;

/// Rows that a reader's thread is ahead: a page of a list by default, so that it needn't stop for a worker that is busy.
const SQLITE_ROWS: usize = 128;

/// Where reads and writes go.
#[derive(Clone, Debug)]
pub struct Db {
    /// Sees what is committed; refuses to write on SQLite.
    pub reader: Connections,
    /// Writes.
    pub writer: Writer,
    source: Source,
}

/// Ignores changes: commands of the command line have no cache.
struct NoListener;

impl ChangeListener for NoListener {
    fn changed(&self, _changes: &[Change]) {}
}

#[derive(Clone, Debug)]
struct Source {
    server: Server,
    acquire_timeout: Duration,
}

#[derive(Clone, Debug)]
enum Server {
    Postgres(Box<PgConnectOptions>),
    Sqlite(Box<SqliteConnectOptions>),
}

impl Db {
    /// Handles of at most `connections` connections, and of two at least; none is opened before it is needed.
    ///
    /// # Errors
    /// When the URL is not one that the driver reads.
    pub fn lazy(settings: &Settings, connections: u32) -> Result<Self, DbErr> {
        let unreadable = |error: sqlx::Error| DbErr::Custom(format!("DATABASE_URL: {error}"));
        let url = settings.database.url.expose();
        let server = match settings.database.url.engine() {
            Engine::Postgres => {
                let timeout = settings.database.statement_timeout.as_millis().to_string();
                let options = PgConnectOptions::from_str(url)
                    .map_err(unreadable)?
                    .application_name("byline")
                    .options([("statement_timeout", timeout.as_str()), ("timezone", "UTC")])
                    .disable_statement_logging();
                Server::Postgres(Box::new(options))
            }
            Engine::Sqlite => {
                let options = SqliteConnectOptions::from_str(url)
                    .map_err(unreadable)?
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    .busy_timeout(BUSY_TIMEOUT)
                    .pragma("journal_size_limit", SQLITE_LOG.to_string())
                    .disable_statement_logging();
                Server::Sqlite(Box::new(options))
            }
        };
        let source = Source { server, acquire_timeout: settings.database.acquire_timeout };
        Ok(Self {
            reader: source.reader(connections),
            writer: Writer::new(source.writer(connections), Arc::new(NoListener)),
            source,
        })
    }

    /// Handles for one worker, of at most `connections` connections.
    #[must_use]
    pub fn for_worker(&self, connections: u32) -> Self {
        let writer = match self.source.server {
            Server::Postgres(_) => self.writer.on(self.source.writer(connections)),
            Server::Sqlite(_) => self.writer.clone(),
        };
        Self { reader: self.source.reader(connections), writer, source: self.source.clone() }
    }

    /// The same, with writes reported to `listener`.
    #[must_use]
    pub fn notifying(&self, listener: Arc<dyn ChangeListener>) -> Self {
        let writer = Writer::new(self.writer.connections().clone(), listener);
        Self { writer, ..self.clone() }
    }

    /// How to connect, where the database is PostgreSQL.
    pub fn postgres(&self) -> Option<PgConnectOptions> {
        match &self.source.server {
            Server::Postgres(options) => Some(options.as_ref().clone()),
            Server::Sqlite(_) => None,
        }
    }

    /// A pool with transactions, for the command line.
    pub fn pool(&self) -> DatabaseConnection {
        match &self.source.server {
            Server::Postgres(options) => {
                self.source.pool::<sqlx::Postgres>(2).connect_lazy_with(options.as_ref().clone()).into()
            }
            Server::Sqlite(options) => {
                self.source.pool::<sqlx::Sqlite>(1).connect_lazy_with(options.as_ref().clone()).into()
            }
        }
    }

    /// Asks the database for an answer.
    ///
    /// # Errors
    /// When none comes.
    pub async fn ping(&self) -> Result<(), DbErr> {
        let backend = self.reader.get_database_backend();
        self.reader.execute_raw(Statement::from_string(backend, "SELECT 1")).await.map(drop)
    }
}

impl Source {
    fn writer(&self, connections: u32) -> Connections {
        match &self.server {
            Server::Postgres(options) => self
                .pool::<sqlx::Postgres>(connections / 2)
                .connect_lazy_with(options.as_ref().clone())
                .into(),
            // For good: its data version, which tells of other processes' writes, begins anew with a new connection.
            Server::Sqlite(options) => self
                .pool::<sqlx::Sqlite>(1)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_lazy_with(options.as_ref().clone())
                .into(),
        }
    }

    fn reader(&self, connections: u32) -> Connections {
        match &self.server {
            Server::Postgres(options) => self
                .pool::<sqlx::Postgres>(connections.div_ceil(2))
                .connect_lazy_with(options.as_ref().clone())
                .into(),
            Server::Sqlite(options) => {
                let reading = options
                    .as_ref()
                    .clone()
                    .pragma("query_only", "ON")
                    .row_buffer_size(SQLITE_ROWS)
                    .pragma("cache_size", format!("-{SQLITE_PAGE_CACHE}"));
                self.pool::<sqlx::Sqlite>(connections.min(SQLITE_READERS)).connect_lazy_with(reading).into()
            }
        }
    }

    fn pool<D: Database>(&self, connections: u32) -> PoolOptions<D> {
        PoolOptions::new()
            .max_connections(connections.max(1))
            .acquire_timeout(self.acquire_timeout)
            .idle_timeout(IDLE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection: &mut D::Connection, meta| {
                Box::pin(async move {
                    // A connection in steady use needs no question; one that lay still may be dead.
                    if meta.idle_for > TRUSTED_FOR {
                        // A wire that went silent must not cost a request all its patience for each connection on it.
                        timeout(PING_PATIENCE, connection.ping())
                            .await
                            .map_err(|_| sqlx::Error::PoolTimedOut)??;
                    }
                    Ok(true)
                })
            })
    }
}
