//! The error for invalid settings, and the warnings about settings.

use std::fmt::Display;

use super::{DatabaseUrl, Flags};

/// Everything that is wrong with the settings. Each line starts with the name of a setting, or with the flag that
/// set it; none contains a secret.
#[derive(Debug, Default, thiserror::Error)]
#[error("{}", lines.join("\n"))]
pub struct SettingsError {
    lines: Vec<String>,
    warnings: Vec<String>,
    flags: Flags,
    database: Option<Box<DatabaseUrl>>,
}

impl SettingsError {
    /// No errors yet. Settings that `flags` set are named like there.
    pub(super) fn new(flags: Flags) -> Self {
        Self { flags, ..Self::default() }
    }

    /// What needs attention in addition to the errors, and may explain them.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The database, if the settings are for production and their database URL is valid, so that the caller
    /// can check the database too and report everything at once.
    pub fn database(&self) -> Option<&DatabaseUrl> {
        self.database.as_deref()
    }

    /// Adds a line.
    pub fn push(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// Adds a line about one setting.
    pub(super) fn push_for(&mut self, name: &str, why: impl Display) {
        self.push(format!("{}: {why}", self.flags.label(name)));
    }

    /// Adds a warning about one setting.
    pub(super) fn warn_for(&mut self, name: &str, what: impl Display) {
        self.warnings.push(format!("{}: {what}", self.flags.label(name)));
    }

    /// Adds an error in production, a warning in development.
    pub(super) fn push_in_production(&mut self, is_production: bool, name: &str, what: impl Display) {
        if is_production {
            self.push_for(name, what);
        } else {
            self.warn_for(name, what);
        }
    }

    /// Whether a line is about the setting.
    pub(super) fn is_about(&self, name: &str) -> bool {
        let label = self.flags.label(name);
        self.lines.iter().any(|line| line.strip_prefix(&*label).is_some_and(|rest| rest.starts_with(':')))
    }

    /// The flags of the command line.
    pub(super) fn flags(&self) -> &Flags {
        &self.flags
    }

    pub(super) fn set_database(&mut self, database: Option<DatabaseUrl>) {
        self.database = database.map(Box::new);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn into_warnings(self) -> Vec<String> {
        self.warnings
    }
}
