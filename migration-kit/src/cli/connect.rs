//! Connects to the database, and reports why it can't without printing a password.

use std::{fmt, str::FromStr as _, time::Duration};

use sea_orm::{DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector};
use sqlx::{
    ConnectOptions as _, Connection as _,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};

use super::Failure;
use crate::{DatabaseUrl, Engine};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How the connection is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads. Creates nothing.
    ReadOnly,
    /// Reads and writes. Creates the SQLite file if its URL allows that.
    ReadWrite,
}

/// The database that a URL names. `Display` names it without its password.
pub struct Target {
    url: DatabaseUrl,
    options: Options,
}

enum Options {
    Postgres(Box<PgConnectOptions>),
    Sqlite(Box<SqliteConnectOptions>),
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    /// If the URL is invalid, or has a parameter that is not supported.
    pub fn parse(url: &str) -> Result<Self, Failure> {
        let invalid = |why: &dyn fmt::Display| Failure::Unreachable(format!("the database URL {why}"));
        let url: DatabaseUrl = url.parse().map_err(|error| invalid(&error))?;
        if let Some(parameter) = url.ignored().next() {
            return Err(invalid(&format_args!("has the parameter {parameter}, which is not supported")));
        }
        let unusable = |error: sqlx::Error| invalid(&format_args!("cannot be used: {}", message(&error)));
        let options = match url.engine() {
            Engine::Postgres => {
                Options::Postgres(Box::new(PgConnectOptions::from_str(url.expose()).map_err(unusable)?))
            }
            Engine::Sqlite => {
                Options::Sqlite(Box::new(SqliteConnectOptions::from_str(url.expose()).map_err(unusable)?))
            }
        };
        Ok(Self { url, options })
    }

    /// The kind of database.
    pub fn engine(&self) -> Engine {
        self.url.engine()
    }

    /// Whether the database is on this machine: a file, or a server on the loopback address or a socket.
    pub fn is_local(&self) -> bool {
        match &self.options {
            Options::Sqlite(_) => true,
            Options::Postgres(options) => {
                let host = options.get_host();
                options.get_socket().is_some()
                    || host.starts_with('/')
                    || host == "localhost"
                    || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }

    /// The name to type as confirmation: that of the database, or of the file.
    pub fn name(&self) -> String {
        match &self.options {
            Options::Postgres(options) => {
                options.get_database().unwrap_or_else(|| options.get_username()).to_owned()
            }
            Options::Sqlite(options) => {
                let file = options.get_filename();
                file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
            }
        }
    }

    /// Connects. Returns `None` if access is read-only and the file does not exist.
    ///
    /// # Errors
    /// If the database cannot be reached. The message names the database.
    pub async fn connect(&self, access: Access) -> Result<Option<DatabaseConnection>, Failure> {
        let connected = match &self.options {
            Options::Postgres(options) => postgres(options).await.map(Some),
            Options::Sqlite(options) => sqlite(&self.url, options, access).await,
        };
        connected.map_err(|why| Failure::Unreachable(format!("{self}: {why}")))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.options {
            Options::Postgres(options) => match options.get_socket() {
                Some(socket) => write!(f, "PostgreSQL at {}, database {}", socket.display(), self.name()),
                None => write!(
                    f,
                    "PostgreSQL at {}:{}, database {}",
                    options.get_host(),
                    options.get_port(),
                    self.name()
                ),
            },
            Options::Sqlite(options) => write!(f, "SQLite file {}", options.get_filename().display()),
        }
    }
}

/// Connects to PostgreSQL, or returns the reason why that failed.
async fn postgres(options: &PgConnectOptions) -> Result<DatabaseConnection, String> {
    let options = options.clone().disable_statement_logging();
    // A pool would retry until its timeout and then hide the reason, so try one connection first.
    match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(Ok(connection)) => drop(connection.close().await),
        Ok(Err(error)) => return Err(message(&error)),
        Err(_) => return Err("no answer in 10 s".to_owned()),
    }
    let pool =
        PgPoolOptions::new().max_connections(2).acquire_timeout(CONNECT_TIMEOUT).connect_lazy_with(options);
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

/// Opens an SQLite file, or returns the reason why that failed.
async fn sqlite(
    url: &DatabaseUrl,
    options: &SqliteConnectOptions,
    access: Access,
) -> Result<Option<DatabaseConnection>, String> {
    let file = options.get_filename();
    let in_memory = url.expose().contains("mode=memory") || file.to_string_lossy().contains(":memory:");
    let is_file = !in_memory && !file.to_string_lossy().starts_with("file:");
    let mut options = options.clone().disable_statement_logging();
    if is_file {
        if url.file().is_none() && !file.exists() {
            return Err("the file does not exist, and the mode in the URL forbids its creation".to_owned());
        }
        match access {
            Access::ReadOnly if !file.exists() => return Ok(None),
            Access::ReadOnly => options = options.read_only(true).create_if_missing(false),
            Access::ReadWrite => url.create_file().map_err(|error| error.to_string())?,
        }
    }
    let connected = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
    let pool = connected.map_err(|error| message(&error))?;
    Ok(Some(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool)))
}

fn message(error: &sqlx::Error) -> String {
    let text = match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
