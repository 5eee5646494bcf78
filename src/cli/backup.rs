//! `byline backup FILE`: writes a consistent copy of a SQLite database, also while a server uses it.

use std::{io::Write, path::PathBuf};

use clap::Args;

use super::Failure;
use crate::{
    config::{DatabaseUrl, Engine, Settings},
    db::sqlite_file::{self, directory_of},
};

/// What the secret key is needed for, and where it is.
pub(super) const SECRET_KEY: &str = "the secret key is not included: copy SECRET_KEY, or secret_key in \
     DATA_DIR, as well; without it, access tokens become invalid";

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The file to write; it must not exist
    file: PathBuf,
}

pub(super) async fn run(
    settings: &Settings,
    arguments: &Arguments,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let file = &arguments.file;
    let url = settings.database.session_url().unwrap_or(&settings.database.url);
    let database = file_of(url, |url| {
        format!(
            "pg_dump --format=custom --file={} --dbname={}",
            quote(&file.display().to_string()),
            quote(url)
        )
    })?;
    if file.exists() {
        return Err(sqlite_file::SqliteFileError::Exists(file.clone()).into());
    }
    let copy = sqlite_file::copy(&database, directory_of(file)).await?;
    let bytes = copy.as_file().metadata()?.len();
    sqlite_file::save_as(copy, file)?;
    writeln!(out, "copied {} to {} ({bytes} bytes)", database.display(), file.display())?;
    writeln!(out, "{SECRET_KEY}")?;
    Ok(())
}

/// The file of a SQLite database. The error for PostgreSQL is `command` with its URL without the password.
pub(super) fn file_of(url: &DatabaseUrl, command: impl FnOnce(&str) -> String) -> Result<PathBuf, Failure> {
    if url.engine() == Engine::Postgres {
        let command = command(&url.to_string().replace(":[redacted]", ""));
        return Err(format!("this command is for SQLite; for PostgreSQL, use: {command}").into());
    }
    sqlite_file::sqlite_file(url).ok_or_else(|| "a database in memory has no file".into())
}

/// An argument for a POSIX shell.
pub(super) fn quote(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
