//! The settings: read once at the start from the defaults, `.env` and the environment, checked as a whole, then plain
//! typed values.
//!
//! Every value is text until it is checked here, wherever it comes from: so a secret that looks like a number stays
//! what it is, a list is JSON everywhere, and all problems can be told at once.

mod database_url;
mod dotenv;
mod read;
mod secret_key;
mod value;

use std::fmt::{self, Debug, Formatter};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use chrono::TimeDelta;
use secrecy::SecretString;

pub use self::database_url::{DatabaseUrl, Engine, InvalidDatabaseUrl};
pub use self::secret_key::create_data_dir;

/// What the process is for: `APP_ENV`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Environment {
    /// Convenience first: a secret key is made when there is none.
    #[default]
    Development,
    /// Nothing starts that isn't safe.
    Production,
}

/// How tokens are signed: `ALGORITHM`. Only keyed hashes, so that no public key can be taken for a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    #[default]
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::HS256 => Self::HS256,
            Algorithm::HS384 => Self::HS384,
            Algorithm::HS512 => Self::HS512,
        }
    }
}

/// Whether anyone may sign up over the API: `REGISTRATION`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// Anyone may.
    Open,
    /// Accounts are made on the command line.
    #[default]
    Closed,
}

/// The web origins whose pages may call the API: `BACKEND_CORS_ORIGINS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// All of them.
    Any,
    /// These, each as a browser writes it: scheme, host and port, no path.
    Listed(Vec<String>),
}

/// How log lines are written: `LOG_FORMAT`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines, one object a line.
    Json,
}

/// Everything that can be set. `Debug` shows secrets as `[redacted]`.
#[derive(Clone)]
pub struct Settings {
    /// `APP_ENV`.
    pub environment: Environment,
    /// `APP_NAME`, the title of the API's documentation.
    pub app_name: String,
    /// `DEBUG`.
    pub debug: bool,
    /// `HOST`, the name or address to listen on.
    pub host: String,
    /// `PORT`; 0 lets the system choose.
    pub port: u16,
    /// `DATA_DIR`, where the SQLite file and a generated key are kept; may not exist yet ([`create_data_dir`]).
    pub data_dir: PathBuf,
    /// `DATABASE_URL`, or the SQLite file `byline.db` in the data directory.
    pub database: DatabaseUrl,
    /// `SECRET_KEY`, or the generated one.
    pub secret_key: SecretString,
    /// `ALGORITHM`.
    pub algorithm: Algorithm,
    /// `ACCESS_TOKEN_EXPIRE_MINUTES`, at least one minute, at most a hundred years.
    pub access_token_expire: TimeDelta,
    /// `BACKEND_CORS_ORIGINS`.
    pub cors_origins: Origins,
    /// `PUBLIC_DRAFTS`: unpublished articles are shown to everyone.
    pub public_drafts: bool,
    /// `MAX_PAGE_SIZE`, the largest `limit`; `None` for no maximum.
    pub max_page_size: Option<u32>,
    /// `MAX_BODY_BYTES`, from 1 KiB to 1 GiB.
    pub max_body_bytes: usize,
    /// `BCRYPT_COST`, from 4 (production: 10) to 31; each step doubles the time.
    pub bcrypt_cost: u32,
    /// `REGISTRATION`.
    pub registration: Registration,
    /// `REQUEST_TIMEOUT_SECONDS`: a request altogether.
    pub request_timeout: Duration,
    /// `STATEMENT_TIMEOUT_SECONDS`: one database statement.
    pub statement_timeout: Duration,
    /// `ACQUIRE_TIMEOUT_SECONDS`: waiting for a database connection.
    pub acquire_timeout: Duration,
    /// `SHUTDOWN_TIMEOUT_SECONDS`: finishing what is in flight; 0 for not at all.
    pub shutdown_timeout: Duration,
    /// `WORKERS`: threads that serve requests, at least one.
    pub workers: usize,
    /// `DATABASE_CONNECTIONS`, of the whole process, at least one.
    pub database_connections: u32,
    /// `CACHE_BYTES`: memory for what every stranger may read; 0 for none.
    pub cache_bytes: u64,
    /// `ACCEPT_NEWER_DATABASE`: start although a newer release changed the database in ways this one may not bear.
    pub accept_newer_database: bool,
    /// `LOG`, directives for [`tracing_subscriber::EnvFilter`].
    pub log: String,
    /// `LOG_FORMAT`.
    pub log_format: LogFormat,
    warnings: Vec<String>,
}

/// All that is wrong with the settings, each with the name of the variable, never with a secret's value.
#[derive(Debug, Default, thiserror::Error)]
#[error("{}", lines.join("\n"))]
pub struct SettingsError {
    lines: Vec<String>,
    database: Option<DatabaseUrl>,
}

impl SettingsError {
    /// The database that production would run on, where that much is known: it may have problems too.
    pub fn database(&self) -> Option<&DatabaseUrl> {
        self.database.as_ref()
    }

    /// Notes one more.
    pub fn push(&mut self, problem: impl Into<String>) {
        self.lines.push(problem.into());
    }
}

impl Settings {
    /// The settings of this process: the defaults, those for production, `.env` in the working directory, the
    /// environment; later ones win. May make the data directory and a key in it.
    pub fn load() -> Result<Self, SettingsError> {
        let mut problems = SettingsError::default();
        let environment: Vec<_> =
            env::vars_os().filter_map(|(name, value)| read::variable(&name, value, &mut problems)).collect();
        let file = Path::new(".env");
        let dotenv = if file.is_file() { problems.check(".env", fs::read_to_string(file)) } else { None };
        read::settings(environment, dotenv.as_deref(), problems)
    }

    /// The same from given parts: `environment` instead of the process's, `dotenv` is the text of a `.env` file.
    pub fn from_parts(
        environment: impl IntoIterator<Item = (String, String)>,
        dotenv: Option<&str>,
    ) -> Result<Self, SettingsError> {
        read::settings(environment.into_iter().collect(), dotenv, SettingsError::default())
    }

    /// What starts but deserves a look, to be logged once.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}

impl Debug for Settings {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Taken apart without `..`, so that a new field can't be forgotten.
        macro_rules! show {
            ($($name:ident),+) => {{
                let Self { $($name,)+ secret_key: _ } = self;
                f.debug_struct("Settings")
                    $(.field(stringify!($name), $name))+
                    .field("secret_key", &format_args!("[redacted]"))
                    .finish()
            }};
        }
        show!(
            environment,
            app_name,
            debug,
            host,
            port,
            data_dir,
            database,
            algorithm,
            access_token_expire,
            cors_origins,
            public_drafts,
            max_page_size,
            max_body_bytes,
            bcrypt_cost,
            registration,
            request_timeout,
            statement_timeout,
            acquire_timeout,
            shutdown_timeout,
            workers,
            database_connections,
            cache_bytes,
            accept_newer_database,
            log,
            log_format,
            warnings
        )
    }
}

#[cfg(test)]
mod tests;
