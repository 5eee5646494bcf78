//! The URL of a database: the forms found in existing configuration files, converted to the form that sqlx
//! reads.
//!
//! The `url` crate parses PostgreSQL URLs, as it does for Pydantic's `PostgresDsn`. What SQLAlchemy and
//! asyncpg understand in addition is translated: their schemes, their parameters, and relative SQLite paths.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{postgres::PgConnectOptions, sqlite::SqliteConnectOptions};
use url::{
    Host, ParseError, Url,
    form_urlencoded::{self, Serializer},
};

use crate::Engine;

/// The URL of a database. `Display` and `Debug` omit the password and the parameters.
#[derive(Clone)]
pub struct DatabaseUrl {
    engine: Engine,
    url: SecretString,
    display: String,
    ignored: BTreeSet<String>,
    /// The SQLite file, if it may be created.
    file: Option<PathBuf>,
}

/// Why a text is not a valid [`DatabaseUrl`], as the predicate of a sentence. Contains no part of the text,
/// because in a malformed URL any part may belong to the password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidDatabaseUrl(String);

const POSTGRES_SCHEMES: [&str; 5] =
    ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2"];

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

const UNESCAPED: &str =
    "has a / ? or # in the user name or the password; write / as %2F, ? as %3F and # as %23";

impl DatabaseUrl {
    /// The SQLite file at `path`, created if it does not exist.
    pub fn sqlite_file(path: &str) -> Self {
        let url = format!("sqlite://{}?mode=rwc", utf8_percent_encode(path, NOT_IN_PATH));
        Self {
            engine: Engine::Sqlite,
            display: url.clone(),
            url: url.into(),
            ignored: BTreeSet::new(),
            file: Some(path.into()),
        }
    }

    /// The kind of database.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The URL for sqlx, including the password: `postgres://…` or `sqlite:…`.
    pub fn expose(&self) -> &str {
        self.url.expose_secret()
    }

    /// Whether the URL contains a password.
    pub fn has_password(&self) -> bool {
        let query = self.expose().split_once('?').map_or("", |(_, query)| query);
        self.engine == Engine::Postgres
            && form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "password")
    }

    /// The names of the parameters that were ignored because only other drivers support them.
    pub fn ignored(&self) -> impl Iterator<Item = &str> {
        self.ignored.iter().map(String::as_str)
    }

    /// The path of the SQLite file, if the URL allows its creation.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Creates the SQLite file with access for its owner only, and its directory likewise. Existing ones are
    /// left unchanged. SQLite would create the file with access for everyone, and gives the files next to it
    /// the same mode.
    ///
    /// # Errors
    /// If the file does not exist and cannot be created.
    pub fn create_file(&self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if file.try_exists()? {
            return Ok(());
        }
        if let Some(directory) = file.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(file).map(drop)
    }
}

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.starts_with("sqlite:") {
            return sqlite(text);
        }
        match text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()) {
            Some(scheme) if POSTGRES_SCHEMES.contains(&scheme.as_str()) => Parts::read(text)?.into_url(),
            Some(scheme) if scheme.starts_with("sqlite+") => {
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
    let mut path = path.to_owned();
    // SQLAlchemy's forms of a relative path and of a database in memory. Everywhere else the third slash
    // begins an absolute path.
    if path == "sqlite:///:memory:" {
        "sqlite::memory:".clone_into(&mut path);
    } else if path.starts_with("sqlite:///./") || path.starts_with("sqlite:///../") {
        path = path.replacen("sqlite:///", "sqlite://", 1);
    }
    let names_mode = form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "mode");
    let is_memory = path.ends_with(":memory:");
    if matches!(path.as_str(), "sqlite:" | "sqlite://") && !names_mode {
        return Err(invalid("names no file; use sqlite://PATH"));
    }
    let url = match query {
        "" if is_memory => path,
        "" => format!("{path}?mode=rwc"),
        _ if names_mode || is_memory => format!("{path}?{query}"),
        _ => format!("{path}?{query}&mode=rwc"),
    };
    let options =
        SqliteConnectOptions::from_str(&url).map_err(|error| invalid(format!("cannot be used: {error}")))?;
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let creates = form_urlencoded::parse(query.as_bytes()).any(|pair| pair == ("mode".into(), "rwc".into()));
    let file =
        Some(options.get_filename()).filter(|file| creates && !file.to_string_lossy().starts_with("file:"));
    Ok(DatabaseUrl {
        engine: Engine::Sqlite,
        file: file.map(Path::to_owned),
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
    fn read(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        let (url, has_host) = parse(text)?;
        // An @ here ends the password, which then contains a character that ends the authority of a URL.
        if url.path().contains('@') || url.fragment().is_some() {
            return Err(invalid(UNESCAPED));
        }
        let mut parts = Self {
            user: Some(decode(url.username())).filter(|user| !user.is_empty()),
            password: url.password().map(decode),
            database: Some(decode(url.path().trim_start_matches('/'))).filter(|name| !name.is_empty()),
            ..Self::default()
        };
        match url.host().filter(|_| has_host) {
            Some(Host::Ipv6(address)) => parts.host = Some(address.to_string()),
            Some(host) => parts.set_host(&decode(&host.to_string()))?,
            None => {}
        }
        if let Some(port) = url.port() {
            parts.set_port(&port.to_string())?;
        }
        for (name, value) in url.query_pairs() {
            // SQLAlchemy ignores a parameter without a value.
            if !value.is_empty() || name.contains('@') {
                parts.set(&name, value.into_owned())?;
            }
        }
        Ok(parts)
    }

    fn set_host(&mut self, host: &str) -> Result<(), InvalidDatabaseUrl> {
        if host.contains('@') {
            return Err(invalid(UNESCAPED));
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
        if !port.is_empty() {
            let port = port.trim().parse().ok().filter(|port| *port > 0);
            self.port = Some(port.ok_or_else(invalid_port)?);
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
            // The names that other programs give it.
            "search_path" | "schema" => self.parameters.push(("options[search_path]".to_owned(), value)),
            _ if SUPPORTED.contains(&name) || name.starts_with("options[") => {
                self.parameters.push((name.to_owned(), value));
            }
            // Not a parameter but the rest of the password.
            _ if name.contains('@') || value.contains('@') => return Err(invalid(UNESCAPED)),
            _ => {
                self.ignored.insert(name.to_owned());
            }
        }
        Ok(())
    }

    /// Writes every part as a parameter: a user without a host, an IPv6 address and the directory of a socket
    /// have no place elsewhere that sqlx understands.
    fn into_url(self) -> Result<DatabaseUrl, InvalidDatabaseUrl> {
        let port = self.port.map(|port| port.to_string());
        let parts = [
            ("host", &self.host),
            ("port", &port),
            ("user", &self.user),
            ("password", &self.password),
            ("dbname", &self.database),
        ];
        let mut query = Serializer::new(String::new());
        for (name, value) in parts {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        query.extend_pairs(&self.parameters);
        let url = format!("postgres://?{}", query.finish());
        PgConnectOptions::from_str(&url).map_err(|error| invalid(format!("cannot be used: {error}")))?;
        Ok(DatabaseUrl {
            engine: Engine::Postgres,
            url: url.into(),
            display: self.display(),
            ignored: self.ignored,
            file: None,
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

/// Parses a URL, with or without a host: if there are credentials, the `url` crate requires a host, but the
/// parameter `host` may follow instead. The second result is whether the URL has a host.
fn parse(text: &str) -> Result<(Url, bool), InvalidDatabaseUrl> {
    let (url, has_host) = match Url::parse(text) {
        Err(ParseError::EmptyHost) => (Url::parse(&with_host(text).unwrap_or_default()), false),
        parsed => (parsed, true),
    };
    match url {
        Ok(url) => Ok((url, has_host)),
        Err(ParseError::InvalidPort) => Err(invalid_port()),
        Err(error) => Err(invalid(format!("is malformed: {error}"))),
    }
}

fn with_host(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rfind('@').map_or(0, |at| at.saturating_add(1));
    let (credentials, rest) = rest.split_at_checked(host)?;
    Some(format!("{scheme}://{credentials}localhost{rest}"))
}

fn invalid_port() -> InvalidDatabaseUrl {
    invalid(
        "has no port from 1 to 65535 after the colon of the host (is the @ before the host missing, or is a \
         / ? or # in the password? Write them as %2F, %3F and %23)",
    )
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

#[cfg(test)]
mod tests;
