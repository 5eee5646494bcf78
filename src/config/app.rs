//! Settings of the whole application.

use std::path::PathBuf;

use super::declare::settings_group;
use super::kind::{choice, text};

/// The environment that the process runs in: `APP_ENV`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Convenient defaults. A secret key is generated if none is set.
    Development,
    /// Unsafe settings are errors.
    Production,
}

settings_group! {
    /// Application
    AppSettings {
        /// Mode of operation. `production` refuses unsafe settings and a database with pending migrations.
        APP_ENV => environment: Environment = choice(&[
            ("development", Environment::Development),
            ("production", Environment::Production),
        ]).default("development");

        /// Title of the API documentation.
        APP_NAME => name: String = text().default("Byline");

        /// Whether `/docs`, `/redoc` and `/openapi.json` are served.
        DOCS => docs: bool = choice(&[("on", true), ("off", false)]).default("on");

        /// Directory of the SQLite file and of the generated secret key. Byline creates it with mode 0700.
        DATA_DIR => data_dir: PathBuf = text().map(PathBuf::from).default("./data");
    }
}
