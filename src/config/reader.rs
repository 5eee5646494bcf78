//! Combines the sources of settings, and collects errors and warnings while values are read.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;

use config::{Config, ConfigError, File, FileFormat};
use serde::Deserialize;

use super::{Settings, SettingsError, dotenv};

/// The command that writes the files which follow from the declarations.
pub(super) const GENERATE: &str = "UPDATE_SNAPSHOTS=1 cargo test --test api generated_files";

const DEFAULT: &str = include_str!("../../config/default.toml");
const PRODUCTION: &str = include_str!("../../config/production.toml");

/// The text of every setting, from all sources. Names are in lower case.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct RawSettings(HashMap<String, String>);

impl RawSettings {
    /// Combines the defaults, those for production, the text of a `.env` file and the environment; later
    /// sources take precedence. The second result is the warnings.
    pub(super) fn collect(
        environment: Vec<(String, String)>,
        dotenv: &str,
    ) -> Result<(Self, Vec<String>), ConfigError> {
        let lower = environment.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
        let (dotenv, unreadable) = dotenv::parse(dotenv, &environment.into_iter().collect());
        let warning = |line| format!(".env: line {line} cannot be read and is skipped");
        Ok((Self::layered(DEFAULT, dotenv, lower)?, unreadable.into_iter().map(warning).collect()))
    }

    /// Combines the sources with `default`, a TOML file. Names are in lower case. An unknown name is an error
    /// in a file; elsewhere it is ignored, because the environment and `.env` also have variables of other
    /// programs.
    pub(super) fn layered(
        default: &str,
        dotenv: HashMap<String, String>,
        environment: HashMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let names = names();
        let known = |mut source: HashMap<String, String>| {
            source.retain(|name, _| names.contains(name));
            config::Environment::default().source(Some(source))
        };
        let file = |text| File::from_str(text, FileFormat::Toml);
        let variables = Config::builder().add_source(known(dotenv)).add_source(known(environment)).build()?;

        let mut layers = Config::builder().add_source(file(default));
        if variables.get_string("app_env").is_ok_and(|name| name == "production") {
            layers = layers.add_source(file(PRODUCTION));
        }
        let settings: Self = layers.add_source(variables).build()?.try_deserialize()?;
        match settings.0.keys().find(|name| !names.contains(name)) {
            None => Ok(settings),
            Some(name) => Err(ConfigError::Message(format!(
                "{name} in config/*.toml is not a setting; run `{GENERATE}`"
            ))),
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_lowercase()).map(String::as_str)
    }
}

/// The names of all settings, in lower case.
pub(super) fn names() -> Vec<String> {
    Settings::groups()
        .into_iter()
        .flat_map(|group| group.settings)
        .map(|setting| setting.name.to_lowercase())
        .collect()
}

/// An environment variable as text. A value that is not Unicode is an error if the variable is a setting.
pub(super) fn variable(name: &OsStr, value: OsString, error: &mut SettingsError) -> Option<(String, String)> {
    let name = name.to_str()?;
    let value = value.into_string().ok();
    if value.is_none() && names().contains(&name.to_lowercase()) {
        error.push_for(&name.to_uppercase(), "is not valid UTF-8");
    }
    Some((name.to_owned(), value?))
}

/// What groups read their settings from. Collects errors and warnings.
pub(super) struct Reader<'a> {
    raw: &'a RawSettings,
    error: SettingsError,
    warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Continues with the errors and warnings that were found before.
    pub(super) fn new(raw: &'a RawSettings, error: SettingsError, warnings: Vec<String>) -> Self {
        Self { raw, error, warnings }
    }

    /// The text of a setting, if it is set or has a default.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.raw.get(name)
    }

    /// Whether `APP_ENV` is `production`.
    pub(super) fn is_production(&self) -> bool {
        self.text("APP_ENV") == Some("production")
    }

    /// Reports an error. `why` is the predicate of a sentence, and contains no secret.
    pub(super) fn error(&mut self, name: &str, why: impl Display) {
        self.error.push_for(name, why);
    }

    /// Whether an error about the setting was reported.
    pub(super) fn has_error(&self, name: &str) -> bool {
        self.error.is_about(name)
    }

    /// Reports a warning. `what` contains no secret.
    pub(super) fn warning(&mut self, name: &str, what: impl Display) {
        self.warnings.push(format!("{name}: {what}"));
    }

    /// The errors and the warnings.
    pub(super) fn finish(self) -> (SettingsError, Vec<String>) {
        (self.error, self.warnings)
    }
}
