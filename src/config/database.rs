//! Settings of the database.

use std::time::Duration;

use super::DatabaseUrl;
use super::declare::settings_group;
use super::kind::{Kind, boolean, number, seconds};
use super::reader::Reader;

settings_group! {
    /// Database
    DatabaseSettings {
        /// `sqlite://PATH` or `postgresql://USER:PASSWORD@HOST:PORT/NAME`. The URL of the FastAPI blog,
        /// `postgresql+asyncpg://…`, works unchanged.
        DATABASE_URL => url: DatabaseUrl = database_url().secret().computed(
            "`sqlite://DATA_DIR/byline.db`", "sqlite://./data/byline.db", |reader| default_url(reader),
        );

        /// Maximum number of database connections of the process.
        DATABASE_CONNECTIONS => connections: u32 = number(1..=10_000).default("16");

        /// Maximum time that a request waits for a database connection.
        ACQUIRE_TIMEOUT_SECONDS => acquire_timeout: Duration = seconds(1).default("5");

        /// Maximum duration of one SQL statement, on PostgreSQL only.
        STATEMENT_TIMEOUT_SECONDS => statement_timeout: Duration = seconds(1).default("10");

        /// `true` starts although the database has migrations that this release may not be compatible with.
        ACCEPT_NEWER_DATABASE => accept_newer: bool = boolean().default("false");
    }
}

/// The database of the settings, if both `DATABASE_URL` and `DATA_DIR` are valid. For errors about other
/// settings.
pub(super) fn valid_url(reader: &Reader<'_>) -> Option<DatabaseUrl> {
    if ["DATABASE_URL", "DATA_DIR", ".env"].iter().any(|name| reader.has_error(name)) {
        return None;
    }
    match reader.text("DATABASE_URL") {
        Some(text) => text.parse().ok(),
        None => default_url(reader),
    }
}

fn default_url(reader: &Reader<'_>) -> Option<DatabaseUrl> {
    let directory = reader.text("DATA_DIR")?.trim_end_matches('/');
    Some(DatabaseUrl::sqlite_file(&format!("{directory}/byline.db")))
}

fn database_url() -> Kind<DatabaseUrl> {
    Kind::new("a URL", |name, text, reader| {
        let url: DatabaseUrl = text.parse().map_err(|error| reader.error(name, error)).ok()?;
        for parameter in url.ignored() {
            reader.warning(
                name,
                format_args!("the parameter {parameter} belongs to another driver and is ignored"),
            );
        }
        Some(url)
    })
}
