//! The settings of the process, in groups: read once at startup, validated as a whole, then plain typed
//! values.
//!
//! `declare.rs` explains how a setting is declared. The sources are the defaults (`config/default.toml`), the
//! defaults for production (`config/production.toml`), `.env` in the working directory, the environment and the
//! flags of the command line; later ones take precedence. Every value is text until it is validated, from whichever source it comes: a
//! secret that looks like a number stays unchanged, a list is JSON everywhere, and all errors are reported at
//! once. A value that cannot be read is never replaced silently by a default.

mod app;
mod auth;
mod cache;
mod database;
mod declare;
mod dotenv;
mod error;
mod flags;
mod host;
mod http;
mod kind;
mod logging;
mod mail;
mod monitoring;
mod origins;
mod publishing;
mod reader;
mod secret_key;
mod similar;
mod source_check;
mod text_file;
mod tls;
mod value;

use std::path::Path;
use std::{env, fs};

pub use migration::{DatabaseUrl, Engine};

pub use self::app::{AppSettings, Environment};
pub use self::auth::{Algorithm, AuthSettings, Registration};
pub use self::cache::CacheSettings;
pub use self::database::{DatabaseSettings, PgBouncer};
use self::declare::settings;
pub use self::declare::{Declaration, DefaultValue, Group};
pub use self::error::SettingsError;
pub use self::flags::Flags;
pub use self::host::Host;
pub use self::http::HttpSettings;
pub use self::logging::{LogFormat, LogSettings};
pub use self::mail::{EmailVerification, LinkTemplate, MailSettings};
pub use self::monitoring::MonitoringSettings;
pub use self::origins::{Origin, Origins};
pub use self::publishing::{ArticleUrl, ContentFormat, PublicUrl, PublishingSettings};
use self::reader::{RawSettings, Reader};
pub use self::secret_key::{create_data_dir, rotate as rotate_secret_key};
use self::text_file::TextFile;
pub use self::tls::Identity;

/// What the settings are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A server, which signs and verifies tokens. Production requires a secret key; development generates one
    /// in the data directory.
    Server,
    /// A command that serves nothing. Reading its settings creates nothing, and its secret key, if none is
    /// set, is a random one that is not stored.
    Command,
}

settings! {
    /// The whole application.
    app: AppSettings,
    /// The HTTP server and the limits on requests.
    http: HttpSettings,
    /// The database.
    database: DatabaseSettings,
    /// Accounts, passwords and access tokens.
    auth: AuthSettings,
    /// E-mail.
    mail: MailSettings,
    /// Articles.
    publishing: PublishingSettings,
    /// The response cache.
    cache: CacheSettings,
    /// The log.
    log: LogSettings,
    /// Metrics.
    monitoring: MonitoringSettings,
}

impl Settings {
    /// The settings of this process, from `.env` in the working directory or the file that `flags` names instead,
    /// the environment, and `flags`. For a server, may create the data directory and a secret key in it.
    ///
    /// # Errors
    /// If a setting is invalid; reports all of them.
    pub fn load(purpose: Purpose, flags: &Flags) -> Result<Self, SettingsError> {
        let mut report = SettingsError::new(flags.clone());
        let environment =
            env::vars_os().filter_map(|(name, value)| reader::variable(&name, value, &mut report)).collect();
        let path = flags.env_file().unwrap_or(Path::new(".env"));
        // A link to a file that does not exist is not an absent file: its settings are lost.
        let exists = flags.env_file().is_some() || fs::symlink_metadata(path).is_ok();
        let dotenv = if exists { text_file::read(path) } else { Ok(TextFile::default()) };
        match dotenv {
            Ok(dotenv) => Self::check(environment, &dotenv, purpose, report),
            Err(why) => {
                report.push_for(".env", why);
                Err(report)
            }
        }
    }

    /// The same for a server, from `environment` instead of the variables of the process, and from `dotenv`,
    /// the text of a `.env` file.
    ///
    /// # Errors
    /// If a setting is invalid; reports all of them.
    pub fn from_parts(
        environment: impl IntoIterator<Item = (String, String)>,
        dotenv: Option<&str>,
    ) -> Result<Self, SettingsError> {
        let dotenv = dotenv.unwrap_or_default().to_owned().into();
        Self::check(environment.into_iter().collect(), &dotenv, Purpose::Server, SettingsError::default())
    }

    /// What does not prevent a start but needs attention. Report each once.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether no key is set, so that the server uses the one that it generated.
    pub fn has_generated_key(&self) -> bool {
        self.has_generated_key
    }

    /// Reads and validates all settings. `report` has the errors found before.
    fn check(
        environment: Vec<(String, String)>,
        dotenv: &TextFile,
        purpose: Purpose,
        mut report: SettingsError,
    ) -> Result<Self, SettingsError> {
        let raw = match RawSettings::collect(environment, dotenv, &mut report) {
            Ok(raw) => raw,
            Err(why) => {
                report.push(why.to_string());
                return Err(report);
            }
        };
        let mut reader = Reader::new(&raw, purpose, report);
        let settings = Self::read(&mut reader);
        let database = database::valid_url(&reader).filter(|_| reader.is_production());
        let generates_key = reader.text("SECRET_KEY").is_none();
        if let Some(settings) = settings.as_ref().filter(|_| purpose == Purpose::Server) {
            secret_key::check_permissions(&settings.app.data_dir, &mut reader);
        }
        let mut report = reader.finish();

        let Some(mut settings) = settings.filter(|_| report.is_empty()) else {
            report.set_database(database);
            return Err(report);
        };
        if generates_key {
            // The last step, so that a start that fails creates no file.
            match secret_key::generate(&settings.app.data_dir, purpose) {
                Ok(key) => settings.auth.secret_key = key,
                Err((name, why)) => {
                    report.push_for(name, why);
                    return Err(report);
                }
            }
            if settings.auth.previous_secret_key.is_none() {
                match secret_key::previous(&settings.app.data_dir) {
                    Ok(key) => settings.auth.previous_secret_key = key,
                    Err(why) => {
                        report.push_for("SECRET_KEY_PREVIOUS", why);
                        return Err(report);
                    }
                }
            }
        }
        settings.has_generated_key = generates_key;
        settings.warnings = report.into_warnings();
        Ok(settings)
    }
}

#[cfg(test)]
mod tests;
