//! The settings of the process, in groups: read once at startup, validated as a whole, then plain typed
//! values.
//!
//! `declare.rs` explains how a setting is declared. The sources are the defaults (`config/default.toml`), the
//! defaults for production (`config/production.toml`), `.env` in the working directory and the environment;
//! later ones take precedence. Every value is text until it is validated, from whichever source it comes: a
//! secret that looks like a number stays unchanged, a list is JSON everywhere, and all errors are reported at
//! once.

mod app;
mod auth;
mod cache;
mod database;
mod database_url;
mod declare;
mod dotenv;
mod error;
mod http;
mod kind;
mod logging;
mod publishing;
mod reader;
mod secret_key;
mod value;

use std::path::Path;
use std::{env, fs};

pub use self::app::{AppSettings, Environment};
pub use self::auth::{Algorithm, AuthSettings, Registration};
pub use self::cache::CacheSettings;
pub use self::database::{DatabaseSettings, PgBouncer};
pub use self::database_url::{DatabaseUrl, Engine, InvalidDatabaseUrl};
use self::declare::settings;
pub use self::declare::{Declaration, DefaultValue, Group};
pub use self::error::SettingsError;
pub use self::http::{HttpSettings, Origins};
pub use self::logging::{LogFormat, LogSettings};
pub use self::publishing::PublishingSettings;
use self::reader::{RawSettings, Reader};
pub use self::secret_key::create_data_dir;

settings! {
    /// The whole application.
    app: AppSettings,
    /// The HTTP server and the limits on requests.
    http: HttpSettings,
    /// The database.
    database: DatabaseSettings,
    /// Accounts, passwords and access tokens.
    auth: AuthSettings,
    /// Articles.
    publishing: PublishingSettings,
    /// The response cache.
    cache: CacheSettings,
    /// The log.
    log: LogSettings,
}

impl Settings {
    /// The settings of this process, from `.env` in the working directory and the environment. May create the
    /// data directory and a secret key in it.
    ///
    /// # Errors
    /// If a setting is invalid; reports all of them.
    pub fn load() -> Result<Self, SettingsError> {
        let mut error = SettingsError::default();
        let environment =
            env::vars_os().filter_map(|(name, value)| reader::variable(&name, value, &mut error)).collect();
        let file = Path::new(".env");
        let dotenv = if file.is_file() { fs::read_to_string(file) } else { Ok(String::new()) };
        let dotenv = dotenv.unwrap_or_else(|why| {
            error.push_for(".env", why);
            String::new()
        });
        Self::check(environment, &dotenv, error)
    }

    /// The same from `environment` instead of the variables of the process, and from `dotenv`, the text of a
    /// `.env` file.
    ///
    /// # Errors
    /// If a setting is invalid; reports all of them.
    pub fn from_parts(
        environment: impl IntoIterator<Item = (String, String)>,
        dotenv: Option<&str>,
    ) -> Result<Self, SettingsError> {
        Self::check(environment.into_iter().collect(), dotenv.unwrap_or_default(), SettingsError::default())
    }

    /// What does not prevent a start but needs attention. Log each once.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Reads and validates all settings. `error` has the errors found before.
    fn check(
        environment: Vec<(String, String)>,
        dotenv: &str,
        mut error: SettingsError,
    ) -> Result<Self, SettingsError> {
        let (raw, warnings) = match RawSettings::collect(environment, dotenv) {
            Ok(collected) => collected,
            Err(why) => {
                error.push(why.to_string());
                return Err(error);
            }
        };
        let mut reader = Reader::new(&raw, error, warnings);
        let settings = Self::read(&mut reader);
        let database = database::valid_url(&reader).filter(|_| reader.is_production());
        let generates_key = reader.text("SECRET_KEY").is_none();
        let (mut error, warnings) = reader.finish();

        let Some(mut settings) = settings.filter(|_| error.is_empty()) else {
            error.set_database(database);
            return Err(error);
        };
        settings.warnings = warnings;
        // The last step, so that a start that fails creates no file.
        if generates_key {
            settings.auth.secret_key = secret_key::load_or_create(&settings.app.data_dir).map_err(|why| {
                let path = settings.app.data_dir.join("secret_key");
                error.push_for(
                    "SECRET_KEY",
                    format_args!("is not set, and {} cannot be used: {why}", path.display()),
                );
                error
            })?;
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests;
