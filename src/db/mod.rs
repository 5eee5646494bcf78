//! Database pools: connections that read and connections that write, within one budget for the process.
//!
//! On SQLite, all pools use one file: several readers, and one writer for the process. On PostgreSQL, half of
//! the connections read and the other half write. If the budget allows it, every worker has its own pools
//! (except for the one SQLite writer): its runtime is a single thread, and a connection that another worker
//! opened would wake that worker for every response.

mod budget;
mod changes;
mod connections;
mod file;
pub mod keyset;
mod transaction;
mod unique;

use std::{fmt, str::FromStr as _, sync::Arc, time::Duration};

use sea_orm::{DatabaseConnection, DbErr};
use sqlx::{
    ConnectOptions as _, Connection as _, Database, PgPool,
    pool::PoolOptions,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::time::timeout;

use self::file::DatabaseFile;
pub use self::{
    changes::{Change, ChangeListener, Topic},
    connections::Connections,
    transaction::{Transaction, Writer},
    unique::violated_unique,
};
use crate::config::{Engine, Settings};

/// How long SQLite waits for a writer in another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that was idle for longer than this is pinged before its next use.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// A connection that takes longer to answer a ping is closed.
const PING_TIMEOUT: Duration = Duration::from_millis(500);

/// Idle connections are closed after this time.
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);

/// Maximum number of connections of one worker that read a SQLite file. Each has its own thread and page
/// cache. Reads hardly ever wait for the disk, so more connections would only wait for a core.
const SQLITE_READERS: u32 = 2;

/// The page cache of each of these connections, in KiB: enough for the inner pages of the trees. The kernel
/// caches the leaves.
const SQLITE_PAGE_CACHE: u32 = 1024;

/// The size to which the write-ahead log is truncated after a burst of writes, in bytes. By default, SQLite
/// never shrinks it.
const SQLITE_LOG: u32 = 64 << 20;

/// Number of rows that the thread of a reader buffers for its worker: one page of a list by default, so that
/// the thread does not wait for a busy worker.
const SQLITE_ROWS: usize = 128;

/// The connections for reads and writes. Clones share the same connections; cloning only increments reference
/// counts.
#[derive(Clone, Debug)]
pub struct Db {
    /// Reads committed rows. On SQLite it cannot write, unless a single connection both reads and writes.
    pub reader: Connections,
    /// Reads and writes.
    pub writer: Connections,
    source: Arc<Source>,
}

/// The options and the number of connections. `Debug` shows nothing, because the options contain a password.
struct Source {
    server: Server,
    acquire_timeout: Duration,
    /// `DATABASE_CONNECTIONS`.
    connections: u32,
}

enum Server {
    Postgres(Box<PgConnectOptions>),
    Sqlite { options: Box<SqliteConnectOptions>, writer: Connections },
}

impl Db {
    /// Pools for a single worker or a command. Connections are opened when they are first needed.
    ///
    /// # Errors
    /// If the driver cannot parse the URL.
    pub fn lazy(settings: &Settings) -> Result<Self, DbErr> {
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
                // Never closed while it works: its data version, which shows writes by other processes,
                // starts over with a new connection.
                let pool = pool::<sqlx::Sqlite>(1, settings.database.acquire_timeout)
                    .idle_timeout(None)
                    .max_lifetime(None);
                let file = settings.database.url.file().map(|path| Arc::new(DatabaseFile::new(path)));
                let writer = sqlite_writer(pool, options.clone(), file);
                Server::Sqlite { options: Box::new(options), writer }
            }
        };
        let connections = settings.database.connections.max(1);
        let source =
            Arc::new(Source { server, acquire_timeout: settings.database.acquire_timeout, connections });
        let mut alone = source.divide(1).into_iter();
        let (reader, writer) = alone.next().ok_or_else(|| DbErr::Custom("no connections".to_owned()))?;
        Ok(Self { reader, writer, source })
    }

    /// Pools for each worker. Together with the listener they have at most `DATABASE_CONNECTIONS`
    /// connections. If these are too few, several workers share pools.
    #[must_use]
    pub fn split(&self, workers: usize) -> Vec<Self> {
        let groups = self.source.divide(workers);
        let worker = |(reader, writer)| Self { reader, writer, source: Arc::clone(&self.source) };
        groups.into_iter().cycle().take(workers).map(worker).collect()
    }

    /// Whether this process can detect writes by other processes. On PostgreSQL, the listener needs its own
    /// connection, which a budget of one does not allow.
    pub fn can_listen(&self) -> bool {
        self.source.listener() > 0 || matches!(self.source.server, Server::Sqlite { .. })
    }

    /// A pool of one connection for the listener, if the database is PostgreSQL and the budget allows it.
    pub fn listener(&self) -> Option<PgPool> {
        match &self.source.server {
            Server::Postgres(options) if self.source.listener() > 0 => Some(
                PoolOptions::new()
                    .max_connections(1)
                    .acquire_timeout(self.source.acquire_timeout)
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .connect_lazy_with(PgConnectOptions::clone(options)),
            ),
            _ => None,
        }
    }

    /// A pool with transactions, for the command line. It must be closed before a server uses the budget.
    pub fn pool(&self) -> DatabaseConnection {
        match &self.source.server {
            Server::Postgres(options) => {
                let pool = pool::<sqlx::Postgres>(2, self.source.acquire_timeout);
                pool.connect_lazy_with(PgConnectOptions::clone(options)).into()
            }
            Server::Sqlite { options, .. } => {
                let pool = pool::<sqlx::Sqlite>(1, self.source.acquire_timeout);
                pool.connect_lazy_with(SqliteConnectOptions::clone(options)).into()
            }
        }
    }

    /// Checks that what is written can be found again: the file of a SQLite database was neither deleted nor
    /// replaced while it is open.
    ///
    /// # Errors
    /// If it was.
    pub fn check_file(&self) -> Result<(), DbErr> {
        self.writer.check_file()
    }

    /// `DATABASE_CONNECTIONS`: the most connections that the process opens.
    pub fn max_connections(&self) -> u32 {
        self.source.connections
    }

    /// Closes all connections and waits for those in use. No statement runs afterwards. SQLite removes its
    /// write-ahead log when the last connection is closed.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

impl Source {
    /// Number of connections of the listener.
    fn listener(&self) -> u32 {
        match self.server {
            Server::Postgres(_) => u32::from(self.connections > 1),
            Server::Sqlite { .. } => 0,
        }
    }

    /// A reader and a writer for each group of workers.
    fn divide(&self, workers: usize) -> Vec<(Connections, Connections)> {
        match &self.server {
            Server::Postgres(options) => budget::postgres(self.connections, self.listener(), workers)
                .into_iter()
                .map(|share| {
                    let reader = self.postgres(options, share.readers);
                    let single = share.writers == 0;
                    let writer = if single { reader.clone() } else { self.postgres(options, share.writers) };
                    (reader, writer)
                })
                .collect(),
            Server::Sqlite { options, writer } => budget::sqlite(self.connections, SQLITE_READERS, workers)
                .into_iter()
                .map(|readers| {
                    let single = readers == 0;
                    let reader = if single { writer.clone() } else { self.sqlite_readers(options, readers) };
                    (reader, writer.clone())
                })
                .collect(),
        }
    }

    fn postgres(&self, options: &PgConnectOptions, connections: u32) -> Connections {
        pool::<sqlx::Postgres>(connections, self.acquire_timeout).connect_lazy_with(options.clone()).into()
    }

    fn sqlite_readers(&self, options: &SqliteConnectOptions, connections: u32) -> Connections {
        let options = options
            .clone()
            .pragma("query_only", "ON")
            .row_buffer_size(SQLITE_ROWS)
            .pragma("cache_size", format!("-{SQLITE_PAGE_CACHE}"));
        pool::<sqlx::Sqlite>(connections, self.acquire_timeout).connect_lazy_with(options).into()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

/// The connection that writes to a SQLite file, and notices if the file is deleted or replaced.
fn sqlite_writer(
    pool: PoolOptions<sqlx::Sqlite>,
    options: SqliteConnectOptions,
    file: Option<Arc<DatabaseFile>>,
) -> Connections {
    let Some(file) = file else { return pool.connect_lazy_with(options).into() };
    let opened = Arc::clone(&file);
    let pool = pool.after_connect(move |_, _| {
        let opened = opened.opened();
        Box::pin(async move { Ok(opened?) })
    });
    Connections::from(pool.connect_lazy_with(options)).writing_to(file)
}

fn pool<D: Database>(connections: u32, acquire_timeout: Duration) -> PoolOptions<D> {
    PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(acquire_timeout)
        .idle_timeout(IDLE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection: &mut D::Connection, meta| {
            Box::pin(async move {
                // A connection that was idle may be dead; one in steady use needs no ping.
                if meta.idle_for > FRESH_FOR {
                    // A request must not wait its whole acquire timeout for every dead network connection.
                    timeout(PING_TIMEOUT, connection.ping())
                        .await
                        .map_err(|_| sqlx::Error::PoolTimedOut)??;
                }
                Ok(true)
            })
        })
}
