//! Combines the sources of settings, and collects errors and warnings while values are read.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;

use config::{Config, ConfigError, File, FileFormat};
use serde::Deserialize;

use super::source_check::SourceCheck;
use super::text_file::TextFile;
use super::{Purpose, Settings, SettingsError, dotenv};

/// The command that writes the files which follow from the declarations.
pub(super) const GENERATE: &str = "UPDATE_SNAPSHOTS=1 cargo test --test api generated_files";

const DEFAULT: &str = include_str!("../../config/default.toml");
const PRODUCTION: &str = include_str!("../../config/production.toml");

const APP_ENV: &str = "app_env";

/// The text of every setting, from all sources. Names are in lower case.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct RawSettings(HashMap<String, String>);

impl RawSettings {
    /// Combines the defaults, those for production, a `.env` file, the environment, and the flags that `report`
    /// has; later sources take precedence. Adds to `report` what is wrong with the sources themselves.
    pub(super) fn collect(
        environment: Vec<(String, String)>,
        dotenv: &TextFile,
        report: &mut SettingsError,
    ) -> Result<Self, ConfigError> {
        let lower: HashMap<_, _> =
            environment.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
        let file = dotenv::parse(&dotenv.text, &environment.into_iter().collect());
        let flags = report.flags().clone();
        let set = lower.get(APP_ENV).or_else(|| file.values.get(APP_ENV)).map(String::as_str);
        let mode = flags.get("APP_ENV").or(set);
        let mut check = SourceCheck::new(mode == Some("production"), report);
        check.environment(&lower);
        check.dotenv(&file, dotenv.is_writable_by_others);
        let mut variables = file.values;
        variables.extend(lower);
        for (name, value) in flags.values() {
            let name = name.to_lowercase();
            variables.remove(&format!("{name}_file"));
            variables.insert(name, value.to_owned());
        }
        check.read_secret_files(&mut variables);
        Self::layered(DEFAULT, variables)
    }

    /// Combines `default`, a TOML file, and variables, whose names are in lower case. An unknown name is an
    /// error in the file; a variable may belong to another program.
    pub(super) fn layered(
        default: &str,
        mut variables: HashMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let names = names();
        variables.retain(|name, _| names.contains(name));
        let is_production = variables.get(APP_ENV).is_some_and(|mode| mode == "production");
        let file = |text| File::from_str(text, FileFormat::Toml);

        let mut layers = Config::builder().add_source(file(default));
        if is_production {
            layers = layers.add_source(file(PRODUCTION));
        }
        let variables = config::Environment::default().source(Some(variables));
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

/// An environment variable as text. A value that is not Unicode is an error if the variable is a setting that no
/// flag sets.
pub(super) fn variable(name: &OsStr, value: OsString, error: &mut SettingsError) -> Option<(String, String)> {
    let name = name.to_str()?;
    let value = value.into_string().ok();
    let setting = name.to_uppercase();
    if value.is_none() && SourceCheck::knows(name) && error.flags().get(&setting).is_none() {
        error.push_for(&setting, "is not valid UTF-8");
    }
    Some((name.to_owned(), value?))
}

/// What groups read their settings from. Collects errors and warnings.
pub(super) struct Reader<'a> {
    raw: &'a RawSettings,
    purpose: Purpose,
    report: SettingsError,
}

impl<'a> Reader<'a> {
    /// Continues with the errors and warnings that were found before.
    pub(super) fn new(raw: &'a RawSettings, purpose: Purpose, report: SettingsError) -> Self {
        Self { raw, purpose, report }
    }

    /// The text of a setting, if it is set or has a default.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.raw.get(name)
    }

    /// Whether `APP_ENV` is `production`.
    pub(super) fn is_production(&self) -> bool {
        self.text("APP_ENV") == Some("production")
    }

    /// What the settings are for.
    pub(super) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Whether a flag of the command line sets it.
    pub(super) fn is_flag(&self, name: &str) -> bool {
        self.report.flags().get(name).is_some()
    }

    /// Reports an error. `why` is the predicate of a sentence, and contains no secret.
    pub(super) fn error(&mut self, name: &str, why: impl Display) {
        self.report.push_for(name, why);
    }

    /// Whether an error about the setting was reported.
    pub(super) fn has_error(&self, name: &str) -> bool {
        self.report.is_about(name)
    }

    /// Reports a warning. `what` contains no secret.
    pub(super) fn warning(&mut self, name: &str, what: impl Display) {
        self.report.warn_for(name, what);
    }

    /// The errors and the warnings.
    pub(super) fn finish(self) -> SettingsError {
        self.report
    }
}
