//! The error for invalid settings.

use std::fmt::Display;

use super::DatabaseUrl;

/// Everything that is wrong with the settings. Each line starts with the name of a setting; none contains a
/// secret.
#[derive(Debug, Default, thiserror::Error)]
#[error("{}", lines.join("\n"))]
pub struct SettingsError {
    lines: Vec<String>,
    database: Option<DatabaseUrl>,
}

impl SettingsError {
    /// The database, if the settings are for production and their database URL is valid, so that the caller
    /// can check the database too and report everything at once.
    pub fn database(&self) -> Option<&DatabaseUrl> {
        self.database.as_ref()
    }

    /// Adds a line.
    pub fn push(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// Adds a line about one setting.
    pub(super) fn push_for(&mut self, name: &str, why: impl Display) {
        self.push(format!("{name}: {why}"));
    }

    /// Whether a line is about the setting.
    pub(super) fn is_about(&self, name: &str) -> bool {
        self.lines.iter().any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')))
    }

    pub(super) fn set_database(&mut self, database: Option<DatabaseUrl>) {
        self.database = database;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}
