//! Settings of the database.

use std::time::Duration;

use super::declare::settings_group;
use super::kind::{Kind, boolean, choice, number, seconds};
use super::reader::Reader;
use super::{DatabaseUrl, Engine};

/// Parameters of a URL that switch prepared statements off if they are 0: those of SQLAlchemy, asyncpg and sqlx.
/// Their users need them because of PgBouncer in transaction mode.
const STATEMENT_CACHES: [&str; 3] =
    ["prepared_statement_cache_size", "statement_cache_size", "statement-cache-capacity"];

/// What is between Byline and PostgreSQL: `PGBOUNCER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PgBouncer {
    /// Nothing: a connection is a session of the server.
    Off,
    /// PgBouncer assigns a session to a connection until it is closed.
    Session,
    /// PgBouncer assigns a session to each transaction.
    Transaction,
}

settings_group! {
    /// Database
    DatabaseSettings {
        /// `sqlite://PATH` or `postgresql://USER:PASSWORD@HOST:PORT/NAME`. The URL of the FastAPI blog,
        /// `postgresql+asyncpg://…`, works unchanged.
        DATABASE_URL => url: DatabaseUrl = database_url().secret().with_flag().computed(
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

        /// The pool mode of the PgBouncer that `DATABASE_URL` names. `transaction` also suits other poolers
        /// that assign a connection to each transaction.
        PGBOUNCER => pgbouncer: PgBouncer = choice(&[
            ("off", PgBouncer::Off),
            ("session", PgBouncer::Session),
            ("transaction", PgBouncer::Transaction),
        ]).computed(
            "`off`, or `transaction` if `DATABASE_URL` has `statement_cache_size=0` or \
             `prepared_statement_cache_size=0`",
            "transaction", |reader| Some(default_pgbouncer(reader)),
        );

        /// PostgreSQL itself, if `DATABASE_URL` names a pooler: for migrations, and for the cache to learn of
        /// writes by others. `PGBOUNCER=transaction` needs it for both.
        DATABASE_DIRECT_URL => direct_url: Option<DatabaseUrl> = direct_url().secret().with_flag().map(Some).computed(
            "none", "postgresql://USER:PASSWORD@HOST:5432/NAME", |_| Some(None),
        );
    }
}

impl DatabaseSettings {
    /// The URL for work that needs a session of its own, such as migrations; `None` if there is no such URL.
    pub fn session_url(&self) -> Option<&DatabaseUrl> {
        if self.url.engine() == Engine::Sqlite {
            return Some(&self.url);
        }
        let has_sessions = self.pgbouncer != PgBouncer::Transaction;
        self.direct_url.as_ref().or(has_sessions.then_some(&self.url))
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

/// The mode that the parameters of `DATABASE_URL` ask for.
fn default_pgbouncer(reader: &Reader<'_>) -> PgBouncer {
    let text = reader.text("DATABASE_URL").unwrap_or_default();
    if unprepared(text).next().is_some() { PgBouncer::Transaction } else { PgBouncer::Off }
}

/// The parameters in the URL that switch prepared statements off.
fn unprepared(url: &str) -> impl Iterator<Item = &'static str> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    form_urlencoded::parse(query.as_bytes())
        .filter(|(_, value)| value == "0")
        .filter_map(|(name, _)| STATEMENT_CACHES.into_iter().find(|known| *known == name))
}

fn database_url() -> Kind<DatabaseUrl> {
    Kind::new("a URL", read_url)
}

fn direct_url() -> Kind<DatabaseUrl> {
    Kind::new("a URL of PostgreSQL", |name, text, reader| {
        let url = read_url(name, text, reader)?;
        if url.engine() == Engine::Sqlite {
            reader.error(name, "must be a URL of PostgreSQL");
            return None;
        }
        if valid_url(reader).is_some_and(|url| url.engine() == Engine::Sqlite) {
            reader.warning(name, "is ignored, because DATABASE_URL is not a URL of PostgreSQL");
        }
        Some(url)
    })
}

fn read_url(name: &'static str, text: &str, reader: &mut Reader<'_>) -> Option<DatabaseUrl> {
    let url: DatabaseUrl = text.parse().map_err(|error| reader.error(name, error)).ok()?;
    if reader.is_flag(name) && url.has_password() {
        reader.error(
            name,
            format_args!(
                "contains a password, which every user of this machine can see; set {name} in the environment or in \
                 .env, or name a file with it by {name}_FILE"
            ),
        );
        return None;
    }
    let understood: Vec<_> = unprepared(text).collect();
    for parameter in url.ignored().filter(|parameter| !understood.contains(parameter)) {
        reader.warning(
            name,
            format_args!("the parameter {parameter} belongs to another driver and is ignored"),
        );
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Settings, SettingsError};

    fn read(set: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let set = set.iter().chain(&[("SECRET_KEY", "a key of the tests, 32 bytes and more")]);
        Settings::from_parts(set.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())), None)
    }

    #[test]
    fn parameters_that_switch_prepared_statements_off_mean_that_transactions_are_pooled() {
        for (url, pgbouncer, expected) in [
            ("postgresql://h/d", None, PgBouncer::Off),
            ("postgresql://h/d?statement_cache_size=0", None, PgBouncer::Transaction),
            (
                "postgresql+asyncpg://h/d?ssl=disable&prepared_statement_cache_size=0",
                None,
                PgBouncer::Transaction,
            ),
            ("postgresql://h/d?statement-cache-capacity=0", None, PgBouncer::Transaction),
            ("postgresql://h/d?statement_cache_size=100", None, PgBouncer::Off),
            ("postgresql://h/d?statement_cache_size=0", Some("session"), PgBouncer::Session),
            ("postgresql://h/d?statement_cache_size=0", Some("off"), PgBouncer::Off),
            ("postgresql://h/d", Some("transaction"), PgBouncer::Transaction),
        ] {
            let mut set = vec![("DATABASE_URL", url)];
            set.extend(pgbouncer.map(|mode| ("PGBOUNCER", mode)));
            let settings = read(&set).unwrap();
            assert_eq!(settings.database.pgbouncer, expected, "{url} {pgbouncer:?}");
            assert_eq!(settings.warnings().len(), usize::from(url.ends_with("=100")), "{url}");
        }
    }

    #[test]
    fn work_that_needs_a_session_uses_the_direct_url_and_never_a_pooler_of_transactions() {
        let (pooled, direct, file) = ("postgresql://pool/d", "postgresql://direct/d", "sqlite://./x.db");
        for (url, mode, direct_url, expected) in [
            (pooled, "off", None, Some("postgres://?host=pool&dbname=d")),
            (pooled, "session", None, Some("postgres://?host=pool&dbname=d")),
            (pooled, "transaction", None, None),
            (pooled, "transaction", Some(direct), Some("postgres://?host=direct&dbname=d")),
            (pooled, "off", Some(direct), Some("postgres://?host=direct&dbname=d")),
            (file, "transaction", Some(direct), Some("sqlite://./x.db?mode=rwc")),
        ] {
            let mut set = vec![("DATABASE_URL", url), ("PGBOUNCER", mode)];
            set.extend(direct_url.map(|direct| ("DATABASE_DIRECT_URL", direct)));
            let settings = read(&set).unwrap();
            assert_eq!(settings.database.session_url().map(DatabaseUrl::expose), expected, "{url} {mode}");
            assert_eq!(
                settings.warnings().len(),
                usize::from(url == file),
                "{url}: {:?}",
                settings.warnings()
            );
        }
    }

    #[test]
    fn the_direct_url_must_be_one_of_postgresql_and_is_not_printed() {
        for url in ["sqlite://./x.db", "mysql://h/d"] {
            let error = read(&[("DATABASE_DIRECT_URL", url)]).unwrap_err().to_string();
            assert!(error.starts_with("DATABASE_DIRECT_URL: "), "{error}");
        }
        let set =
            [("DATABASE_URL", "postgresql://h/d"), ("DATABASE_DIRECT_URL", "postgresql://u:s3cr3t@h/d")];
        let settings = read(&set).unwrap();
        assert!(!format!("{settings:?}").contains("s3cr3t"));
    }
}
