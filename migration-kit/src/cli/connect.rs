//! Connects to the database, and reports why it can't without printing a password.

use std::{path::Path, str::FromStr, time::Duration};

use sea_orm::{DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector};
use sqlx::{
    ConnectOptions as _, Connection as _,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};

use super::Failure;
use crate::{Engine, pools::close_after_run, read_only};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How the connection is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    ReadOnly,
    ReadWrite,
}

/// The database that a URL names.
pub(super) enum Target {
    Postgres(Box<PgConnectOptions>),
    Sqlite(Box<SqliteConnectOptions>),
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, Failure> {
        let invalid = |error: &dyn std::fmt::Display| {
            Failure::Unreachable(format!("database URL {}: {error}", redacted(url)))
        };
        let scheme = url.split(':').next().unwrap_or_default();
        match scheme {
            "postgres" | "postgresql" => {
                let options = PgConnectOptions::from_str(url).map_err(|error| invalid(&error))?;
                Ok(Self::Postgres(Box::new(options)))
            }
            "sqlite" => {
                let options = SqliteConnectOptions::from_str(url).map_err(|error| invalid(&error))?;
                Ok(Self::Sqlite(Box::new(options)))
            }
            _ => Err(invalid(&"expected postgres://… or sqlite://…")),
        }
    }

    pub(super) fn engine(&self) -> Engine {
        match self {
            Self::Postgres(_) => Engine::Postgres,
            Self::Sqlite(_) => Engine::Sqlite,
        }
    }

    /// Whether the database is on this machine: a file, or a server on the loopback address or a socket.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Self::Sqlite(_) => true,
            Self::Postgres(options) => {
                let host = options.get_host();
                options.get_socket().is_some()
                    || host.starts_with('/')
                    || host == "localhost"
                    || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }

    /// The name to type as confirmation: that of the database, or of the file.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Postgres(options) => {
                options.get_database().unwrap_or_else(|| options.get_username()).to_owned()
            }
            Self::Sqlite(options) => {
                let file = options.get_filename();
                file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
            }
        }
    }

    /// Connects. Returns `None` if access is read-only and the file does not exist.
    pub(super) async fn connect(&self, access: Access) -> Result<Option<DatabaseConnection>, Failure> {
        let db = match self {
            Self::Postgres(options) => postgres(options).await.map(Some),
            Self::Sqlite(options) => sqlite(options, access).await,
        }?;
        db.iter().for_each(close_after_run);
        Ok(db)
    }
}

async fn postgres(options: &PgConnectOptions) -> Result<DatabaseConnection, Failure> {
    // PgBouncer refuses a connection that sets this parameter, and no migration reads floats as text.
    let options = options.clone().extra_float_digits(None).disable_statement_logging();
    let server = format!("{}:{}", options.get_host(), options.get_port());
    // A pool would retry until its timeout and then hide the reason, so try one connection first.
    match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(Ok(connection)) => drop(connection.close().await),
        Ok(Err(error)) => {
            return Err(Failure::Unreachable(format!("PostgreSQL at {server}: {}", message(&error))));
        }
        Err(_) => return Err(Failure::Unreachable(format!("PostgreSQL at {server}: no answer in 10 s"))),
    }
    let pool =
        PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_TIMEOUT).connect_lazy_with(options);
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

async fn sqlite(
    options: &SqliteConnectOptions,
    access: Access,
) -> Result<Option<DatabaseConnection>, Failure> {
    let file = options.get_filename().to_owned();
    let is_file =
        !file.to_string_lossy().contains(":memory:") && !file.to_string_lossy().starts_with("file:");
    let failed = |error: &dyn std::fmt::Display| {
        Failure::Unreachable(format!("SQLite file {}: {error}", file.display()))
    };
    let mut options = options.clone().disable_statement_logging();
    if is_file {
        match access {
            Access::ReadOnly if !file.exists() => return Ok(None),
            Access::ReadOnly => options = read_only(options),
            Access::ReadWrite => {
                let folder = file.parent().unwrap_or(Path::new("."));
                std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
                options = options.create_if_missing(true);
            }
        }
    }
    let connected = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
    let pool = connected.map_err(|error| failed(&message(&error)))?;
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

/// A database URL without its password, wherever the password is. In doubt it removes more than the password.
pub fn redacted(url: &str) -> String {
    let pairs = url.split('&').map(|pair| {
        let name = pair.to_lowercase().rfind("password=").map(|at| at.saturating_add("password=".len()));
        name.and_then(|end| pair.get(..end))
            .map_or_else(|| pair.to_owned(), |visible| format!("{visible}***"))
    });
    let url = pairs.collect::<Vec<_>>().join("&");
    let Some((before, host)) = url.rsplit_once('@') else { return url };
    match before.split_once("://") {
        Some((scheme, rest)) => {
            let user = rest.split([':', '@', '/', '?']).next().unwrap_or_default();
            format!("{scheme}://{user}:***@{host}")
        }
        None => format!("***@{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn a_password_is_never_printed() {
        for (url, printed) in [
            ("postgres://ann:s3cret@db/shop?sslmode=require", "postgres://ann:***@db/shop?sslmode=require"),
            ("postgres://ann:s3@cr/et@db:5432/shop", "postgres://ann:***@db:5432/shop"),
            ("postgres://ann:s3?cret@db/shop", "postgres://ann:***@db/shop"),
            ("postgres://db/shop?user=ann&password=s3cret", "postgres://db/shop?user=ann&password=***"),
            (
                "postgres://db/shop?Password=s3@cret&sslmode=require",
                "postgres://db/shop?Password=***&sslmode=require",
            ),
            ("sqlite://./data/shop.db?mode=rwc", "sqlite://./data/shop.db?mode=rwc"),
            ("mysql:ann:s3cret@db", "***@db"),
        ] {
            assert_eq!(redacted(url), printed);
        }
    }
}
