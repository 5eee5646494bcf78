//! Checks the sources of the settings for values that would be lost: misspelt names, lines that cannot be
//! read, quotes; and reads secrets from the files that `NAME_FILE` names.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::dotenv::Dotenv;
use super::{Settings, SettingsError, similar, text_file};

/// The names and the report with which sources are checked.
pub(super) struct SourceCheck<'a> {
    is_production: bool,
    /// The names of all settings, and those with `_FILE`.
    known: Vec<String>,
    secrets: Vec<&'static str>,
    report: &'a mut SettingsError,
}

impl<'a> SourceCheck<'a> {
    pub(super) fn new(is_production: bool, report: &'a mut SettingsError) -> Self {
        let mut known = Vec::new();
        let mut secrets = Vec::new();
        for setting in Settings::groups().into_iter().flat_map(|group| group.settings) {
            known.push(setting.name.to_owned());
            if let Some(file) = setting.file_name() {
                known.push(file);
                secrets.push(setting.name);
            }
        }
        Self { is_production, known, secrets, report }
    }

    /// Whether a variable is a setting, or names the file of one.
    pub(super) fn knows(name: &str) -> bool {
        SourceCheck::new(false, &mut SettingsError::default()).is_known(name)
    }

    fn is_known(&self, name: &str) -> bool {
        self.known.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Reports names that are probably misspelt, as warnings: the environment is not only for Byline. Reports
    /// values in quotes.
    pub(super) fn environment(&mut self, variables: &HashMap<String, String>) {
        for (name, meant) in self.misspelt(variables.keys()) {
            self.report.warn_for(&name, format_args!("is not a setting; did you mean {meant}?"));
        }
        let mut quoted: Vec<String> = variables
            .iter()
            .filter(|(name, value)| self.is_known(name) && is_quoted(value))
            .map(|(name, _)| name.to_uppercase())
            .filter(|name| self.report.flags().get(name).is_none())
            .collect();
        quoted.sort_unstable();
        for name in quoted {
            self.report.warn_for(
                &name,
                "the value begins and ends with a quote, which is part of it: `docker run --env-file` does \
                 not remove quotes",
            );
        }
    }

    /// Reports names that are probably misspelt, as errors in production, and what else would be lost. A name
    /// that other values of the file use is not misspelt.
    pub(super) fn dotenv(&mut self, file: &Dotenv, is_writable_by_others: bool) {
        if is_writable_by_others {
            let path = self.report.flags().env_file().unwrap_or(Path::new(".env")).to_owned();
            self.report_permissions(".env", &path);
        }
        for line in &file.skipped {
            let sets = if self.is_known(&line.first_word) {
                format!(", which sets {},", line.first_word.to_uppercase())
            } else {
                String::new()
            };
            let number = line.number;
            self.report.warn_for(".env", format_args!("line {number}{sets} cannot be read and is skipped"));
        }
        let names: BTreeSet<&String> = file.without_value.iter().filter(|name| self.is_known(name)).collect();
        for name in names {
            let name = name.to_uppercase();
            self.report.warn_for(".env", format_args!("{name} has no value; write {name}=VALUE"));
        }
        let used: Vec<String> = file.used.iter().map(|name| name.to_lowercase()).collect();
        let names = file.values.keys().chain(&file.without_value).filter(|name| !used.contains(name));
        for (name, meant) in self.misspelt(names) {
            let what = format!("{name} is not a setting; did you mean {meant}?");
            self.report.push_in_production(self.is_production, ".env", what);
        }
    }

    /// Replaces each `NAME_FILE` by the content of the file. One line break at its end is not part of the
    /// value.
    pub(super) fn read_secret_files(&mut self, variables: &mut HashMap<String, String>) {
        for name in self.secrets.clone() {
            let file_name = format!("{name}_FILE");
            let Some(path) = variables.remove(&file_name.to_lowercase()) else { continue };
            if variables.contains_key(&name.to_lowercase()) {
                self.report.push_for(name, format_args!("is set, and so is {file_name}; remove one of them"));
                continue;
            }
            match text_file::read(Path::new(&path)) {
                Ok(file) => {
                    if file.is_writable_by_others {
                        self.report_permissions(&file_name, Path::new(&path));
                    }
                    let value = file
                        .text
                        .strip_suffix('\n')
                        .map_or(&*file.text, |value| value.strip_suffix('\r').unwrap_or(value));
                    variables.insert(name.to_lowercase(), value.to_owned());
                }
                Err(why) => {
                    self.report.push_for(name, format_args!("the file of {file_name}, {path:?}, {why}"));
                }
            }
        }
    }

    fn report_permissions(&mut self, name: &str, path: &Path) {
        let path = path.display();
        self.report.push_in_production(
            self.is_production,
            name,
            format_args!("every user of this machine can change the file; run `chmod o-w {path}`"),
        );
    }

    /// The names in upper case that are similar to one of ours, and the names that were meant.
    fn misspelt<'n>(&self, names: impl Iterator<Item = &'n String>) -> BTreeSet<(String, String)> {
        names
            .filter(|name| !self.is_known(name))
            .filter_map(|name| Some((name.to_uppercase(), similar::meant_by(name, &self.known)?.to_owned())))
            .collect()
    }
}

fn is_quoted(value: &str) -> bool {
    ['"', '\''].iter().any(|quote| value.len() > 1 && value.starts_with(*quote) && value.ends_with(*quote))
}
