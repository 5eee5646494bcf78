//! The URL of the database: the forms found in existing `.env` files, converted to the form that sqlx reads.
//!
//! PostgreSQL URLs are split like SQLAlchemy's `make_url` splits them, because the FastAPI blog used
//! SQLAlchemy: a password may contain unescaped `#`, `?`, `/`, `$` and spaces. sqlx splits by RFC 3986 and
//! would end the password there.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use form_urlencoded::Serializer;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

/// The kinds of database that Byline supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A PostgreSQL server.
    Postgres,
    /// An SQLite file, or an SQLite database in memory.
    Sqlite,
}

/// The URL of a database. `Display` and `Debug` omit the password and the parameters.
#[derive(Clone)]
pub struct DatabaseUrl {
    engine: Engine,
    url: SecretString,
    display: String,
    ignored: BTreeSet<String>,
}

/// Why a text is not a valid [`DatabaseUrl`]. The message contains no part of the text that may be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidDatabaseUrl(String);

/// Characters that need no escape in a user name, a password, a path or a host.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Characters that sqlx would not read as part of a file name.
const NOT_IN_PATH: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#');

/// Parameters that sqlx supports, in addition to those for the address and the user.
const SUPPORTED: &[&str] = &[
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
    /// The SQLite file at `path`, created if it does not exist.
    pub fn sqlite_file(path: &str) -> Self {
        let url = format!("sqlite://{}?mode=rwc", utf8_percent_encode(path, NOT_IN_PATH));
        Self { engine: Engine::Sqlite, display: url.clone(), url: url.into(), ignored: BTreeSet::new() }
    }

    /// The kind of database.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The URL for sqlx, including the password: `postgres://…` or `sqlite:…`.
    pub fn expose(&self) -> &str {
        self.url.expose_secret()
    }

    /// The names of the parameters that were ignored because only other drivers support them.
    pub fn ignored(&self) -> impl Iterator<Item = &str> {
        self.ignored.iter().map(String::as_str)
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
                Err(invalid("names a Python driver for SQLite; use sqlite://PATH"))
            }
            _ => {
                Err(invalid("must start with postgresql://, postgres://, postgresql+asyncpg:// or sqlite://"))
            }
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display)
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
        return Err(invalid("names no file; use sqlite://PATH"));
    }
    let url = match query {
        _ if names_mode || is_memory => text.to_owned(),
        "" => format!("{path}?mode=rwc"),
        _ => format!("{text}&mode=rwc"),
    };
    SqliteConnectOptions::from_str(&url).map_err(|error| invalid(format!("cannot be used: {error}")))?;
    Ok(DatabaseUrl {
        engine: Engine::Sqlite,
        display: url.clone(),
        url: url.into(),
        ignored: BTreeSet::new(),
    })
}

/// The decoded parts of a PostgreSQL URL.
#[derive(Default)]
struct Parts {
    user: Option<String>,
    password: Option<String>,
    /// A host name, an IP address without brackets, or the directory of a Unix socket.
    host: Option<String>,
    port: Option<u16>,
    database: Option<String>,
    parameters: Vec<(String, String)>,
    ignored: BTreeSet<String>,
}

impl Parts {
    /// Splits the part of a URL that follows `://`.
    fn split(rest: &str) -> Result<Self, InvalidDatabaseUrl> {
        let mut parts = Self::default();
        let (credentials, rest) = split_credentials(rest);
        // This part is probably not the name of a database but a part of the credentials, so the message
        // omits it.
        if credentials.is_none() && rest.split('?').next().is_some_and(|rest| rest.contains('@')) {
            return Err(invalid("has a / before the @; in a user name, write it as %2F"));
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
            Some((host, port)) => (
                host,
                port.strip_prefix(':').ok_or_else(|| invalid("has unexpected text between host and port"))?,
            ),
            None => address.split_once(':').unwrap_or((address, "")),
        };
        parts.set_host(&decode(host))?;
        parts.set_port(port)?;

        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            // SQLAlchemy ignores a parameter without a value.
            if !value.is_empty() {
                parts.set(&name, value.into_owned())?;
            }
        }
        Ok(parts)
    }

    fn set_host(&mut self, host: &str) -> Result<(), InvalidDatabaseUrl> {
        // The message omits the text: with an @ in it, it is probably a part of the password.
        if host.contains('@') {
            return Err(invalid("has more than one @; in a user name or password, write it as %40"));
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
        // The message omits the text: if the @ is missing, it is the beginning of the password.
        if !port.is_empty() {
            let port = port.trim().parse().ok().filter(|port| *port > 0);
            self.port = Some(port.ok_or_else(|| {
                invalid(
                    "has no port from 1 to 65535 after the colon of the host (is the @ before the host missing?)",
                )
            })?);
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), InvalidDatabaseUrl> {
        match name {
            // SQLAlchemy accepts host:port here. A directory or an IPv6 address has no port.
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
            _ if SUPPORTED.contains(&name) || name.starts_with("options[") => {
                self.parameters.push((name.to_owned(), value));
            }
            _ => {
                self.ignored.insert(name.to_owned());
            }
        }
        Ok(())
    }

    fn into_url(self) -> Result<DatabaseUrl, InvalidDatabaseUrl> {
        let mut authority = String::new();
        let mut query = Serializer::new(String::new());
        let port = self.port.map(|port| port.to_string());

        // A URL without a host has no place for a user, and sqlx does not remove the brackets of an IPv6
        // address. In both cases everything goes into parameters.
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
        PgConnectOptions::from_str(&url).map_err(|error| invalid(format!("cannot be used: {error}")))?;
        Ok(DatabaseUrl {
            engine: Engine::Postgres,
            url: url.into(),
            display: self.display(),
            ignored: self.ignored,
        })
    }

    fn display(&self) -> String {
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

/// Splits the user and the password from the rest after their `@`, like SQLAlchemy: the user ends at the
/// first `:` or `/`, the password at the first `@`. Without a password, the user ends at the last `@` before
/// the first `:` or `/`.
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

/// Reads `ssl` (asyncpg) or `sslmode` (libpq, sqlx). True means encrypted, false means not encrypted.
fn tls_mode(value: &str) -> Result<String, InvalidDatabaseUrl> {
    let mode = match value.to_ascii_lowercase().replace('_', "-").as_str() {
        "true" | "1" | "yes" | "on" => "require".to_owned(),
        "false" | "0" | "no" | "off" => "disable".to_owned(),
        mode => mode.to_owned(),
    };
    if TLS_MODES.contains(&mode.as_str()) {
        Ok(mode)
    } else {
        Err(invalid(format!("has an unknown ssl mode; use {}, true or false", TLS_MODES.join(", "))))
    }
}

/// Decodes percent escapes. A percent sign that starts no escape stays unchanged.
fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

#[cfg(test)]
mod tests;
