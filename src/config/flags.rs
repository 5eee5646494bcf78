//! The settings that flags of the command line set, and how messages name them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// The flags of a command line that concern settings. `Debug` shows the names only, because a value may contain
/// a password until it is refused.
#[derive(Clone, Default)]
pub struct Flags {
    /// By environment variable, in upper case.
    values: BTreeMap<String, String>,
    env_file: Option<PathBuf>,
}

impl Flags {
    /// `values` are texts by environment variable. `env_file` replaces `.env` in the working directory.
    pub fn new(values: impl IntoIterator<Item = (String, String)>, env_file: Option<PathBuf>) -> Self {
        Self { values: values.into_iter().collect(), env_file }
    }

    /// Names the source of a setting in a message whose lines may start with the name of one.
    pub fn name_in(&self, message: &str) -> String {
        let line = |line: &str| match line.split_once(": ") {
            Some((name, why)) => format!("{}: {why}", self.label(name)),
            None => line.to_owned(),
        };
        message.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The text of the setting with this environment variable.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The texts by environment variable.
    pub(super) fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The file that replaces `.env`.
    pub(super) fn env_file(&self) -> Option<&Path> {
        self.env_file.as_deref()
    }

    /// What the operator wrote to set this environment variable, or to choose `.env`.
    pub(super) fn label<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match &self.env_file {
            Some(file) if name == ".env" => file.display().to_string().into(),
            _ if self.values.contains_key(name) => format!("--{}", flag(name)).into(),
            _ => name.into(),
        }
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// The flag of an environment variable, without the hyphens before it.
pub(super) fn flag(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}
