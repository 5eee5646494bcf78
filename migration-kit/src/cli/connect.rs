//! Connects to the database, and reports why it can't without printing a password.

use std::{fmt, fs::File, path::PathBuf, str::FromStr as _, time::Duration};

use percent_encoding::percent_decode_str;
use sea_orm::{DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector};
use sqlx::{
    ConnectOptions as _, Connection as _,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};

use super::Failure;
use crate::{DatabaseUrl, Engine, pools::close_after_run, read_only};

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
    Postgres(Box<PgConnectOptions>, Certificates),
    Sqlite(Box<SqliteConnectOptions>),
}

impl Target {
    /// Reads a URL. `program` names the connections in `pg_stat_activity`, unless the URL names them.
    ///
    /// # Errors
    /// If the URL is invalid, or has a parameter that is not supported.
    pub fn parse(url: &str, program: &str) -> Result<Self, Failure> {
        let invalid = |why: &dyn fmt::Display| Failure::Unreachable(format!("the database URL {why}"));
        let url: DatabaseUrl = url.parse().map_err(|error| invalid(&error))?;
        if let Some(parameter) = url.ignored().next() {
            return Err(invalid(&format_args!("has the parameter {parameter}, which is not supported")));
        }
        let unusable = |error: sqlx::Error| invalid(&format_args!("cannot be used: {}", message(&error)));
        let options = match url.engine() {
            Engine::Postgres => {
                let mut options = PgConnectOptions::from_str(url.expose()).map_err(unusable)?;
                if options.get_application_name().is_none() {
                    options = options.application_name(&format!("{program} migrate"));
                }
                Options::Postgres(Box::new(options), Certificates::of(url.expose()))
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
            Options::Postgres(options, _) => {
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
            Options::Postgres(options, _) => {
                options.get_database().unwrap_or_else(|| options.get_username()).to_owned()
            }
            Options::Sqlite(options) => {
                let file = options.get_filename();
                file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
            }
        }
    }

    /// Connects for reading and writing. Returns `None` if the file does not exist.
    pub(super) async fn connect_if_exists(&self) -> Result<Option<DatabaseConnection>, Failure> {
        match &self.options {
            Options::Sqlite(options) if is_file(&self.url, options) && !options.get_filename().exists() => {
                Ok(None)
            }
            _ => self.connect(Access::ReadWrite).await,
        }
    }

    /// Connects. Returns `None` if access is read-only and the file does not exist.
    ///
    /// # Errors
    /// If the database cannot be reached. The message names the database.
    pub async fn connect(&self, access: Access) -> Result<Option<DatabaseConnection>, Failure> {
        let connected = match &self.options {
            Options::Postgres(options, certificates) => postgres(options, certificates).await.map(Some),
            Options::Sqlite(options) => sqlite(&self.url, options, access).await,
        };
        let db = connected.map_err(|why| Failure::Unreachable(format!("{self}: {why}")))?;
        db.iter().for_each(close_after_run);
        Ok(db)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.options {
            Options::Postgres(options, _) => match options.get_socket() {
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

/// The files that a PostgreSQL URL, or the environment, names for TLS, with the names of the settings.
pub(super) struct Certificates(Vec<(&'static str, PathBuf)>);

impl Certificates {
    fn of(url: &str) -> Self {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let pairs: Vec<_> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let files = [
            (["sslrootcert", "ssl-root-cert", "ssl-ca"].as_slice(), "PGSSLROOTCERT"),
            (&["sslcert", "ssl-cert"], "PGSSLCERT"),
            (&["sslkey", "ssl-key"], "PGSSLKEY"),
        ];
        let files = files.into_iter().filter_map(|(names, variable)| {
            let in_url = pairs.iter().rev().find(|(name, _)| names.contains(name));
            let (&setting, value) = match in_url {
                Some((_, value)) => {
                    (names.first()?, percent_decode_str(value).decode_utf8_lossy().into_owned())
                }
                None => (&variable, std::env::var(variable).ok()?),
            };
            // The setting may also hold the certificate itself.
            (!value.trim_start().starts_with("-----BEGIN")).then(|| (setting, PathBuf::from(value)))
        });
        Self(files.collect())
    }

    /// The files and the reasons why they cannot be opened, in parentheses; empty if no files are named.
    fn describe(&self) -> String {
        let files: Vec<_> = self
            .0
            .iter()
            .map(|(setting, file)| match File::open(file) {
                Ok(_) => format!("{setting} {}", file.display()),
                Err(error) => format!("{setting} {}: {error}", file.display()),
            })
            .collect();
        if files.is_empty() { String::new() } else { format!(" ({})", files.join(", ")) }
    }
}

/// Connects to PostgreSQL, or returns the reason why that failed.
async fn postgres(
    options: &PgConnectOptions,
    certificates: &Certificates,
) -> Result<DatabaseConnection, String> {
    // PgBouncer refuses a connection that sets this parameter, and no migration reads floats as text.
    let options = options.clone().extra_float_digits(None).disable_statement_logging();
    // A pool would retry until its timeout and then hide the reason, so try one connection first.
    match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(Ok(connection)) => drop(connection.close().await),
        Ok(Err(error)) => {
            let answered = matches!(error, sqlx::Error::Database(_));
            let files = if answered { String::new() } else { certificates.describe() };
            return Err(format!("{}{files}", message(&error)));
        }
        Err(_) => return Err("no answer in 10 s".to_owned()),
    }
    let pool =
        PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_TIMEOUT).connect_lazy_with(options);
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

/// Opens an SQLite file, or returns the reason why that failed.
async fn sqlite(
    url: &DatabaseUrl,
    options: &SqliteConnectOptions,
    access: Access,
) -> Result<Option<DatabaseConnection>, String> {
    let file = options.get_filename();
    let mut options = options.clone().disable_statement_logging();
    if is_file(url, &options) {
        if url.file().is_none() && !file.exists() {
            return Err("the file does not exist, and the mode in the URL forbids its creation".to_owned());
        }
        match access {
            Access::ReadOnly if !file.exists() => return Ok(None),
            Access::ReadOnly => options = read_only(options).create_if_missing(false),
            Access::ReadWrite => url.create_file().map_err(|error| error.to_string())?,
        }
    }
    let connected = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
    let pool = connected.map_err(|error| message(&error))?;
    Ok(Some(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool)))
}

/// Whether the database is a file, and not in memory.
fn is_file(url: &DatabaseUrl, options: &SqliteConnectOptions) -> bool {
    let name = options.get_filename().to_string_lossy();
    !url.expose().contains("mode=memory") && !name.contains(":memory:") && !name.starts_with("file:")
}

fn message(error: &sqlx::Error) -> String {
    let text = match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
