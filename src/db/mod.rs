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
mod postgres;
pub mod sqlite_file;
mod throttle;
mod transaction;
mod unique;
mod usage;

use std::{fmt, str::FromStr as _, sync::Arc, time::Duration};

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr, Statement};
use sqlx::{
    ConnectOptions as _, PgPool,
    pool::PoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use self::file::DatabaseFile;
pub use self::{
    changes::{Change, ChangeListener, Topic},
    connections::{Connections, PoolUsage, ReadRows, RowConsumer},
    throttle::{Admission, Throttle},
    transaction::{Transaction, Writer},
    unique::violated_unique,
    usage::pool_usage,
};
use self::{connections::Limits, postgres::Postgres};
use crate::{
    config::{Engine, Settings},
    traces::Tracer,
};

/// How long SQLite waits for a writer in another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Idle connections are closed after this time.
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);

/// The longest wait for a connection to PostgreSQL to close. A dead network connection can take minutes.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

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

/// Up to this number of connections to PostgreSQL, background tasks have none of their own: the listener, a reader
/// and a writer.
const MIN_CONNECTIONS_WITH_TASKS: u32 = 3;

/// Why a command cannot run.
pub const NO_SESSION: &str = "PGBOUNCER is `transaction`, and this needs a session of PostgreSQL: set \
                          DATABASE_DIRECT_URL to PostgreSQL itself";

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
    /// Whether the durations of statements are observed.
    measures: bool,
    tracer: Tracer,
}

enum Server {
    Postgres(Box<Postgres>),
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
        let acquire_timeout = settings.database.acquire_timeout;
        let measures = settings.monitoring.metrics_bind.is_some();
        let tracer = Tracer::new(&settings.monitoring);
        let server = match settings.database.url.engine() {
            Engine::Postgres => Server::Postgres(Box::new(Postgres::new(&settings.database)?)),
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
                let limits = Limits {
                    idle_timeout: Duration::MAX,
                    ..sqlite_limits(1, acquire_timeout, measures, tracer.clone())
                };
                let writer = Connections::sqlite(options.clone(), limits);
                let file = settings.database.url.file().map(|path| Arc::new(DatabaseFile::new(path)));
                let writer = match file {
                    None => writer,
                    Some(file) => writer.writing_to(file),
                };
                Server::Sqlite { options: Box::new(options), writer }
            }
        };
        let connections = settings.database.connections.max(1);
        let source = Arc::new(Source { server, acquire_timeout, connections, measures, tracer });
        let mut alone = source.divide(1).into_iter();
        let (reader, writer) = alone.next().ok_or_else(|| DbErr::Custom("no connections".to_owned()))?;
        Ok(Self { reader, writer, source })
    }

    /// Pools for each worker. Together with the listener and [`Db::for_tasks`] they have at most
    /// `DATABASE_CONNECTIONS` connections. If these are too few, several workers share pools.
    #[must_use]
    pub fn split(&self, workers: usize) -> Vec<Self> {
        let groups = self.source.divide(workers);
        let worker = |(reader, writer)| Self { reader, writer, source: Arc::clone(&self.source) };
        groups.into_iter().cycle().take(workers).map(worker).collect()
    }

    /// The connections of background tasks: on PostgreSQL, one that both reads and writes; on SQLite, the writer
    /// of the process. If `DATABASE_CONNECTIONS` leaves none, tasks use the first of `workers`.
    #[must_use]
    pub fn for_tasks(&self, workers: &[Self]) -> Self {
        let connections = match &self.source.server {
            Server::Postgres(postgres) if self.source.tasks() > 0 => self.source.postgres(postgres, 1),
            Server::Postgres(_) => return workers.first().unwrap_or(self).clone(),
            Server::Sqlite { writer, .. } => writer.clone(),
        };
        Self { reader: connections.clone(), writer: connections, source: Arc::clone(&self.source) }
    }

    /// Why this process cannot detect writes by other processes; `None` if it can. On PostgreSQL, the listener
    /// needs its own connection and a session.
    pub fn obstacle_to_listening(&self) -> Option<&'static str> {
        match &self.source.server {
            Server::Postgres(postgres) if postgres.session.is_none() => Some(
                "PGBOUNCER is `transaction`, and without DATABASE_DIRECT_URL no connection can listen for changes",
            ),
            Server::Postgres(_) if self.source.listener() == 0 => {
                Some("DATABASE_CONNECTIONS is 1, which leaves no connection to listen for changes")
            }
            _ => None,
        }
    }

    /// A pool of one connection for the listener, if the database is PostgreSQL and the process can listen.
    pub fn listener(&self) -> Option<PgPool> {
        match &self.source.server {
            Server::Postgres(postgres) if self.source.listener() > 0 => {
                postgres.session.as_ref().map(|options| {
                    PoolOptions::new()
                        .max_connections(1)
                        .acquire_timeout(self.source.acquire_timeout)
                        .idle_timeout(None)
                        .max_lifetime(None)
                        .connect_lazy_with(options.clone())
                })
            }
            _ => None,
        }
    }

    /// A pool of one connection with SeaORM's transactions, for commands. It must be closed before a server
    /// uses the budget.
    ///
    /// # Errors
    /// If no connection has a session.
    pub fn pool(&self) -> Result<DatabaseConnection, DbErr> {
        let timeout = self.source.acquire_timeout;
        Ok(match &self.source.server {
            Server::Postgres(postgres) => {
                let options =
                    postgres.session.as_ref().ok_or_else(|| DbErr::Custom(NO_SESSION.to_owned()))?;
                let pool = PoolOptions::<sqlx::Postgres>::new().max_connections(1).acquire_timeout(timeout);
                pool.connect_lazy_with(options.clone()).into()
            }
            Server::Sqlite { options, .. } => {
                let pool = PoolOptions::<sqlx::Sqlite>::new().max_connections(1).acquire_timeout(timeout);
                pool.connect_lazy_with(SqliteConnectOptions::clone(options)).into()
            }
        })
    }

    /// Connections for a look at the database before a server starts. They must be closed before it uses the
    /// budget.
    pub fn preliminary(&self) -> Connections {
        match &self.source.server {
            Server::Postgres(postgres) => self.source.postgres(postgres, self.source.connections.min(2)),
            Server::Sqlite { options, .. } => Connections::sqlite(
                SqliteConnectOptions::clone(options),
                sqlite_limits(1, self.source.acquire_timeout, false, Tracer::OFF),
            ),
        }
    }

    /// Checks, before a server starts, that connections to PostgreSQL have the properties that it relies on.
    ///
    /// # Errors
    /// If they do not, or the database does not respond.
    pub async fn check_sessions(&self) -> Result<(), DbErr> {
        let Server::Postgres(postgres) = &self.source.server else { return Ok(()) };
        let connections = self.preliminary();
        let obstacle = postgres.obstacle(&connections, self.source.connections > 1).await;
        connections.close().await;
        match obstacle? {
            Some(obstacle) => Err(DbErr::Custom(obstacle)),
            None => Ok(()),
        }
    }

    /// Opens the writer of a SQLite database. Its lock on the file shows that a server runs, even if it is idle.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub async fn open_writer(&self) -> Result<(), DbErr> {
        match &self.source.server {
            Server::Postgres(_) => Ok(()),
            Server::Sqlite { writer, .. } => ping(writer).await,
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
        match &self.server {
            Server::Postgres(postgres) => u32::from(self.connections > 1 && postgres.session.is_some()),
            Server::Sqlite { .. } => 0,
        }
    }

    /// Number of connections of background tasks in addition to those of the workers.
    fn tasks(&self) -> u32 {
        match &self.server {
            Server::Postgres(_) => u32::from(self.connections > MIN_CONNECTIONS_WITH_TASKS),
            Server::Sqlite { .. } => 0,
        }
    }

    /// A reader and a writer for each group of workers.
    fn divide(&self, workers: usize) -> Vec<(Connections, Connections)> {
        let reserved = self.listener() + self.tasks();
        match &self.server {
            Server::Postgres(postgres) => budget::postgres(self.connections, reserved, workers)
                .into_iter()
                .map(|share| {
                    let reader = self.postgres(postgres, share.readers);
                    let single = share.writers == 0;
                    let writer = if single { reader.clone() } else { self.postgres(postgres, share.writers) };
                    (reader.for_reads(), writer)
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

    fn postgres(&self, postgres: &Postgres, connections: u32) -> Connections {
        let limits = Limits {
            connections,
            acquire_timeout: self.acquire_timeout,
            idle_timeout: IDLE_TIMEOUT,
            close_timeout: CLOSE_TIMEOUT,
            measures: self.measures,
            tracer: self.tracer.clone(),
        };
        Connections::postgres(postgres.options.clone(), limits, postgres.pooling.clone())
    }

    fn sqlite_readers(&self, options: &SqliteConnectOptions, connections: u32) -> Connections {
        let options = options
            .clone()
            .pragma("query_only", "ON")
            .row_buffer_size(SQLITE_ROWS)
            .pragma("cache_size", format!("-{SQLITE_PAGE_CACHE}"));
        Connections::sqlite(
            options,
            sqlite_limits(connections, self.acquire_timeout, self.measures, self.tracer.clone()),
        )
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

/// A connection closes when its statement has ended. Waiting for that bounds the number of threads, each of
/// which runs one connection.
fn sqlite_limits(connections: u32, acquire_timeout: Duration, measures: bool, tracer: Tracer) -> Limits {
    Limits {
        connections,
        acquire_timeout,
        idle_timeout: IDLE_TIMEOUT,
        close_timeout: Duration::MAX,
        measures,
        tracer,
    }
}

async fn ping(connections: &Connections) -> Result<(), DbErr> {
    let backend = connections.get_database_backend();
    connections.execute_raw(Statement::from_string(backend, "SELECT 1")).await.map(drop)
}
