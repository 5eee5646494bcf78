//! Where the database is: the spellings people have in their `.env` files, turned into the one that sqlx reads.
//!
//! PostgreSQL URLs are split as SQLAlchemy's `make_url` splits them, because that is what wrote the old files: a
//! password may hold `#`, `?`, `/`, `$` and blanks as they are. sqlx splits by RFC 3986 and would cut there.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use form_urlencoded::Serializer;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

/// The kinds of database that Byline runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A PostgreSQL server.
    Postgres,
    /// A file, or memory.
    Sqlite,
}

/// A database's address. `Display` and `Debug` leave the password and the parameters out.
#[derive(Clone)]
pub struct DatabaseUrl {
    engine: Engine,
    url: SecretString,
    shown: String,
    dropped: BTreeSet<String>,
}

/// Why a text is no [`DatabaseUrl`]; never contains a part of it that may be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidDatabaseUrl(String);

/// What stays as it is in a user name, password, path or host.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What sqlx would not read as part of a file's name.
const NOT_IN_PATH: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#');

/// Parameters that sqlx understands, beyond those that say where and who.
const KEPT: &[&str] = &[
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "hostaddr",
    "application_name",
    "options",
];

const TLS_MODES: &[&str] = &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

impl DatabaseUrl {
    /// The SQLite file at `path`, made when it is missing.
    pub fn sqlite_file(path: &str) -> Self {
        let url = format!("sqlite://{}?mode=rwc", utf8_percent_encode(path, NOT_IN_PATH));
        Self { engine: Engine::Sqlite, shown: url.clone(), url: url.into(), dropped: BTreeSet::new() }
    }

    /// The kind of database.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The URL for sqlx, password and all: `postgres://…` or `sqlite:…`.
    pub fn expose(&self) -> &str {
        self.url.expose_secret()
    }

    /// The names of parameters that only other drivers understand, and that were therefore left out.
    pub fn dropped(&self) -> impl Iterator<Item = &str> {
        self.dropped.iter().map(String::as_str)
    }
}

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("sqlite:") {
            return sqlite(text);
        }
        match text.split_once("://") {
            Some((
                "postgres"
                | "postgresql"
                | "postgresql+asyncpg"
                | "postgresql+psycopg"
                | "postgresql+psycopg2",
                rest,
            )) => Parts::split(rest)?.into_url(),
            Some((scheme, _)) if scheme.starts_with("sqlite+") => {
                Err(invalid("names a Python driver for SQLite; write sqlite://PATH"))
            }
            _ => {
                Err(invalid("must start with postgresql://, postgres://, postgresql+asyncpg:// or sqlite://"))
            }
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

fn invalid(why: impl Into<String>) -> InvalidDatabaseUrl {
    InvalidDatabaseUrl(why.into())
}

fn sqlite(text: &str) -> Result<DatabaseUrl, InvalidDatabaseUrl> {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let names_mode = form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "mode");
    let is_memory = path.ends_with(":memory:");
    if matches!(path, "sqlite:" | "sqlite://") && !names_mode {
        return Err(invalid("names no file; write sqlite://PATH"));
    }
    let url = match query {
        _ if names_mode || is_memory => text.to_owned(),
        "" => format!("{path}?mode=rwc"),
        _ => format!("{text}&mode=rwc"),
    };
    SqliteConnectOptions::from_str(&url).map_err(|error| invalid(format!("can't be used: {error}")))?;
    Ok(DatabaseUrl { engine: Engine::Sqlite, shown: url.clone(), url: url.into(), dropped: BTreeSet::new() })
}

/// A PostgreSQL URL, taken apart and decoded.
#[derive(Default)]
struct Parts {
    user: Option<String>,
    password: Option<String>,
    /// A name, an address without brackets, or the directory of a socket.
    host: Option<String>,
    port: Option<u16>,
    database: Option<String>,
    parameters: Vec<(String, String)>,
    dropped: BTreeSet<String>,
}

impl Parts {
    /// Splits what follows `://`.
    fn split(rest: &str) -> Result<Self, InvalidDatabaseUrl> {
        let mut parts = Self::default();
        let (credentials, rest) = split_credentials(rest);
        // Not a database's name to be shown, but most likely credentials.
        if credentials.is_none() && rest.split('?').next().is_some_and(|rest| rest.contains('@')) {
            return Err(invalid("has a / before the @; within a user name, write it as %2F"));
        }
        if let Some((user, password)) = credentials {
            parts.user = Some(decode(user)).filter(|user| !user.is_empty());
            parts.password = password.map(decode);
        }

        let (address, rest) =
            rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len())).unwrap_or_default();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        parts.database = path.strip_prefix('/').map(decode).filter(|name| !name.is_empty());

        let bracketed = address.strip_prefix('[').and_then(|address| address.rsplit_once(']'));
        let bracketed = bracketed.filter(|(host, _)| !host.is_empty());
        let (host, port) = match bracketed {
            Some((host, "")) => (host, ""),
            Some((host, port)) => {
                (host, port.strip_prefix(':').ok_or_else(|| invalid("has something between host and port"))?)
            }
            None => address.split_once(':').unwrap_or((address, "")),
        };
        parts.set_host(&decode(host))?;
        parts.set_port(port)?;

        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            // As for SQLAlchemy, a parameter without a value says nothing.
            if !value.is_empty() {
                parts.set(&name, value.into_owned())?;
            }
        }
        Ok(parts)
    }

    fn set_host(&mut self, host: &str) -> Result<(), InvalidDatabaseUrl> {
        // The text isn't shown: with an @ in it, it is probably half a password.
        if host.contains('@') {
            return Err(invalid("has more than one @; within a user name or password, write it as %40"));
        }
        if host.contains(',') {
            return Err(invalid("names several hosts; only one is supported"));
        }
        if !host.is_empty() {
            self.host = Some(host.to_owned());
        }
        Ok(())
    }

    fn set_port(&mut self, port: &str) -> Result<(), InvalidDatabaseUrl> {
        // The text isn't shown: after a password with a stray / it is the password's beginning.
        if !port.is_empty() {
            let port = port.trim().parse().ok().filter(|port| *port > 0);
            self.port = Some(port.ok_or_else(|| {
                invalid(
                    "has no port from 1 to 65535 behind the host's colon (an @ is missing before the host?)",
                )
            })?);
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), InvalidDatabaseUrl> {
        match name {
            // SQLAlchemy writes host:port here; a directory and an IPv6 address hold no port.
            "host" => match value.split_once(':') {
                Some((host, port)) if !host.starts_with('/') && !port.contains(':') => {
                    self.set_host(host)?;
                    self.set_port(port)?;
                }
                _ => self.set_host(value.trim_start_matches('[').trim_end_matches(']'))?,
            },
            "port" => self.set_port(&value)?,
            "user" => self.user = Some(value),
            "password" => self.password = Some(value),
            "dbname" | "database" => self.database = Some(value),
            "ssl" | "sslmode" | "ssl-mode" => self.parameters.push(("sslmode".to_owned(), tls_mode(&value)?)),
            _ if KEPT.contains(&name) || name.starts_with("options[") => {
                self.parameters.push((name.to_owned(), value));
            }
            _ => {
                self.dropped.insert(name.to_owned());
            }
        }
        Ok(())
    }

    fn into_url(self) -> Result<DatabaseUrl, InvalidDatabaseUrl> {
        let mut authority = String::new();
        let mut query = Serializer::new(String::new());
        let port = self.port.map(|port| port.to_string());

        // Without a host there is no place for a user before it, and sqlx doesn't take the brackets off an IPv6
        // address: then all of it goes into parameters.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if let Some(host) = self.host.as_deref().filter(|host| host.chars().all(plain)) {
            if let Some(user) = &self.user {
                authority.push_str(&encode(user));
            }
            if let Some(password) = &self.password {
                authority.push(':');
                authority.push_str(&encode(password));
            }
            if self.user.is_some() || self.password.is_some() {
                authority.push('@');
            }
            authority.push_str(host);
            if let Some(port) = &port {
                authority.push(':');
                authority.push_str(port);
            }
        } else {
            let all =
                [("host", &self.host), ("port", &port), ("user", &self.user), ("password", &self.password)];
            for (name, value) in all {
                if let Some(value) = value {
                    query.append_pair(name, value);
                }
            }
        }
        query.extend_pairs(&self.parameters);

        let path = encode(self.database.as_deref().unwrap_or_default());
        let query = query.finish();
        let mark = if query.is_empty() { "" } else { "?" };
        let url = format!("postgres://{authority}/{path}{mark}{query}");
        PgConnectOptions::from_str(&url).map_err(|error| invalid(format!("can't be used: {error}")))?;
        Ok(DatabaseUrl {
            engine: Engine::Postgres,
            url: url.into(),
            shown: self.shown(),
            dropped: self.dropped,
        })
    }

    fn shown(&self) -> String {
        let user = self.user.as_deref().unwrap_or_default();
        let password = self.password.as_ref().map_or("", |_| ":[redacted]");
        let at = if user.is_empty() && password.is_empty() { "" } else { "@" };
        let host = match self.host.as_deref().unwrap_or_default() {
            address if address.contains(':') => format!("[{address}]"),
            host => host.to_owned(),
        };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let database = self.database.as_deref().unwrap_or_default();
        format!("postgres://{user}{password}{at}{host}{port}/{database}")
    }
}

/// User and password, and what follows their `@`, by SQLAlchemy's rule: a user ends at the first `:` or `/`, a
/// password at the first `@`; without a password the last `@` before that ends the user.
fn split_credentials(text: &str) -> (Option<(&str, Option<&str>)>, &str) {
    let (user, rest) = text.split_at_checked(text.find([':', '/']).unwrap_or(text.len())).unwrap_or_default();
    if let Some((password, rest)) = rest.strip_prefix(':').and_then(|rest| rest.split_once('@')) {
        return (Some((user, Some(password))), rest);
    }
    match user.rfind('@').and_then(|at| text.split_at_checked(at)) {
        Some((user, rest)) => (Some((user, None)), rest.strip_prefix('@').unwrap_or(rest)),
        None => (None, text),
    }
}

/// asyncpg's `ssl`, libpq's and sqlx's `sslmode`. Booleans are what people write for "encrypted" and "plain".
fn tls_mode(value: &str) -> Result<String, InvalidDatabaseUrl> {
    let mode = match value.to_ascii_lowercase().replace('_', "-").as_str() {
        "true" | "1" | "yes" | "on" => "require".to_owned(),
        "false" | "0" | "no" | "off" => "disable".to_owned(),
        mode => mode.to_owned(),
    };
    if TLS_MODES.contains(&mode.as_str()) {
        Ok(mode)
    } else {
        Err(invalid(format!("has an unknown ssl mode; it may be {}, true or false", TLS_MODES.join(", "))))
    }
}

/// Percent escapes decoded; a percent sign that starts none stays.
fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions;

    use super::*;

    fn read(text: &str) -> DatabaseUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn for_sqlx(text: &str) -> PgConnectOptions {
        let url = read(text);
        assert_eq!(url.engine(), Engine::Postgres);
        assert!(url.expose().starts_with("postgres://"), "{}", url.expose());
        url.expose().parse().unwrap()
    }

    /// sqlx tells it in a URL only, and doesn't escape the other parts there.
    fn password(options: &PgConnectOptions) -> Option<String> {
        options.clone().host("h").username("u").database("d").to_url_lossy().password().map(decode)
    }

    #[test]
    fn user_password_host_port_and_database_reach_sqlx() {
        for (text, user, secret, host, port, database) in [
            ("postgresql+asyncpg://blog:pw@db.example:5433/blog", "blog", "pw", "db.example", 5433, "blog"),
            ("postgresql+psycopg2://blog:pw@db/blog", "blog", "pw", "db", 5432, "blog"),
            ("postgresql+psycopg://blog:pw@db/blog", "blog", "pw", "db", 5432, "blog"),
            ("postgres://blog:pw@10.0.0.7/blog", "blog", "pw", "10.0.0.7", 5432, "blog"),
            (
                "postgresql://b:a#b?c/d$e f%40g+h:i@db/my blog",
                "b",
                "a#b?c/d$e f@g+h:i",
                "db",
                5432,
                "my blog",
            ),
            ("postgresql://u%3Aa:50%off%zz%25@h/d%40b", "u:a", "50%off%zz%", "h", 5432, "d@b"),
            ("postgresql://user@realm:pw@h/db", "user@realm", "pw", "h", 5432, "db"),
            (
                "postgresql://jörg:größe&=[]{}|\\^`<>\"@h/d#b",
                "jörg",
                "größe&=[]{}|\\^`<>\"",
                "h",
                5432,
                "d#b",
            ),
            ("postgresql://u:p@[::1]:5433/db", "u", "p", "::1", 5433, "db"),
            ("postgresql://u:p@[2001:db8::1]/db?ssl=require", "u", "p", "2001:db8::1", 5432, "db"),
            ("postgresql://u:p@h:/db", "u", "p", "h", 5432, "db"),
            ("postgresql://u:p@h/db?host=other:5434", "u", "p", "other", 5434, "db"),
            ("postgresql://h/db?user=u&password=p%26q&port=5435&dbname=x", "u", "p&q", "h", 5435, "x"),
            ("postgresql:///db?host=h&user=u&password=p+q", "u", "p q", "h", 5432, "db"),
        ] {
            let options = for_sqlx(text);
            assert_eq!(options.get_username(), user, "{text}");
            assert_eq!(password(&options).as_deref(), Some(secret), "{text}");
            assert_eq!(options.get_host(), host, "{text}");
            assert_eq!(options.get_port(), port, "{text}");
            assert_eq!(options.get_database(), Some(database), "{text}");
        }
    }

    #[test]
    fn a_socket_is_named_by_a_parameter_or_an_escaped_host() {
        for text in [
            "postgresql://u:p@/db?host=/var/run/postgresql",
            "postgresql+asyncpg://u:p@h/db?host=/var/run/postgresql",
            "postgres://u:p@%2Fvar%2Frun%2Fpostgresql/db",
        ] {
            let options = for_sqlx(text);
            let socket = options.get_socket().unwrap().to_str().unwrap();
            assert_eq!(socket.trim_end_matches('/'), "/var/run/postgresql", "{text}");
            assert_eq!((options.get_username(), options.get_database()), ("u", Some("db")), "{text}");
        }
    }

    #[test]
    fn a_password_may_be_missing_or_empty() {
        let options = for_sqlx("postgresql://u@h:1/d");
        assert_eq!((options.get_username(), options.get_host(), options.get_port()), ("u", "h", 1));
        assert_eq!(read("postgresql://u@h:1/d").to_string(), "postgres://u@h:1/d");
        assert_eq!(for_sqlx("postgresql://u:@h/d").get_host(), "h");
        assert_eq!(for_sqlx("postgresql://h/db?application_name=a@b").get_host(), "h");
    }

    #[test]
    fn asyncpgs_ssl_becomes_sslmode() {
        for (written, mode) in [
            ("ssl=require", "require"),
            ("ssl=true", "require"),
            ("ssl=True", "require"),
            ("ssl=disable", "disable"),
            ("ssl=false", "disable"),
            ("ssl=prefer", "prefer"),
            ("ssl=allow", "allow"),
            ("ssl=verify-ca", "verify-ca"),
            ("ssl=verify-full", "verify-full"),
            ("ssl=verify_full", "verify-full"),
            ("sslmode=verify-full", "verify-full"),
        ] {
            let text = format!("postgresql+asyncpg://u:p@h/d?{written}");
            assert_eq!(read(&text).expose(), format!("postgres://u:p@h/d?sslmode={mode}"), "{written}");
            for_sqlx(&text);
        }
    }

    #[test]
    fn parameters_of_other_drivers_are_left_out_and_named() {
        let url = read(
            "postgresql+asyncpg://u:p@h/d?prepared_statement_cache_size=0&command_timeout=5&ssl=require\
             &server_settings={}&application_name=my+blog&options=-c%20geqo%3Doff&blank=&sslrootcert=/a%20b.pem",
        );
        assert_eq!(
            url.dropped().collect::<Vec<_>>(),
            ["command_timeout", "prepared_statement_cache_size", "server_settings"]
        );
        assert!(!url.expose().contains("timeout"), "{}", url.expose());
        let options = for_sqlx(url.expose());
        assert_eq!(options.get_application_name(), Some("my blog"));
        assert_eq!(options.get_options(), Some("-c geqo=off"));
        assert!(url.expose().contains("sslrootcert=%2Fa+b.pem"), "{}", url.expose());
    }

    #[test]
    fn a_normalised_url_stays_as_it_is() {
        for text in [
            "postgresql+asyncpg://b:a#b?c/d$e f%40g@db:5433/my blog?ssl=disable",
            "postgresql://u:p@[::1]:5/db",
            "sqlite://data/byline.db",
        ] {
            let once = read(text);
            assert_eq!(read(once.expose()).expose(), once.expose());
        }
    }

    #[test]
    fn a_sqlite_file_is_made_when_it_is_missing_unless_the_url_says_otherwise() {
        for (text, url) in [
            ("sqlite://data/byline.db", "sqlite://data/byline.db?mode=rwc"),
            ("sqlite:///var/lib/byline.db", "sqlite:///var/lib/byline.db?mode=rwc"),
            ("sqlite:byline.db?cache=private", "sqlite:byline.db?cache=private&mode=rwc"),
            ("sqlite://byline.db?mode=ro", "sqlite://byline.db?mode=ro"),
            ("sqlite::memory:", "sqlite::memory:"),
        ] {
            assert_eq!(read(text).expose(), url);
            assert_eq!(read(text).engine(), Engine::Sqlite);
        }
    }

    #[test]
    fn a_file_in_any_directory_can_be_named() {
        let url = DatabaseUrl::sqlite_file("/tmp/50% off?/a b#c/größe.db");
        let options = SqliteConnectOptions::from_str(url.expose()).unwrap();
        assert_eq!(options.get_filename().to_str(), Some("/tmp/50% off?/a b#c/größe.db"));
    }

    #[test]
    fn what_cannot_be_used_is_told_without_the_password() {
        for (text, why) in [
            ("", "must start with"),
            ("hunter2", "must start with"),
            ("mysql://u:hunter2@h/d", "must start with"),
            ("hunter2://u:hunter2@h/d", "must start with"),
            ("postgresql+asyncpg:u:hunter2@h/d", "must start with"),
            ("postgresql://u:hun@ter2@h/d", "%40"),
            ("postgresql://u:hunter2", "port"),
            ("postgresql://u/hunter2:x@h:hunter2/d", "%2F"),
            ("postgresql://u:hunter2@h:0/d", "port"),
            ("postgresql://u:hunter2@h:65536/d", "port"),
            ("postgresql://u:hunter2@[::1]x/d", "between host and port"),
            ("postgresql://u:hunter2@a,b/d", "several hosts"),
            ("postgresql://u:hunter2@/d?host=a:1,b:2", "several hosts"),
            ("postgresql://u:hunter2@h/d?ssl=hunter2", "ssl mode"),
            ("postgresql://u:hunter2@h/d?statement-cache-capacity=hunter2", "can't be used"),
            ("postgresql://u:hunter2@h/d?hostaddr=hunter2", "can't be used"),
            ("sqlite://", "names no file"),
            ("sqlite+aiosqlite:///./hunter2.db", "sqlite://PATH"),
            ("sqlite://a.db?mode=x", "can't be used"),
        ] {
            let error = text.parse::<DatabaseUrl>().expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains("hun") && !error.contains("ter2"), "{text}: {error}");
        }
    }

    #[test]
    fn neither_display_nor_debug_shows_a_password() {
        let url = read("postgresql+asyncpg://blog:hunter2@[::1]:5433/blog?password=hunter2&options=hunter2");
        assert_eq!(url.to_string(), "postgres://blog:[redacted]@[::1]:5433/blog");
        assert_eq!(format!("{url:?}"), "DatabaseUrl(postgres://blog:[redacted]@[::1]:5433/blog)");
        assert!(url.expose().contains("hunter2"));
    }
}
