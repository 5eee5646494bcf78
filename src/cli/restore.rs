//! `byline restore FILE`: replaces a SQLite database by a backup, while no server runs.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use migration::{DatabaseState, SchemaStatus, cli::Target};

use super::{
    Failure,
    backup::{SECRET_KEY, file_of, quote},
    schema,
};
use crate::{
    config::{DatabaseUrl, Settings},
    db::sqlite_file::{self, directory_of},
};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The backup; it is not changed
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
        let file = quote(&file.display().to_string());
        format!("pg_restore --clean --if-exists --single-transaction --dbname={} {file}", quote(url))
    })?;
    schema::create_directory(settings)?;
    // A copy, because the backup may be on another file system and may have a log of its own.
    let copy = sqlite_file::copy(file, directory_of(&database)).await?;
    sqlite_file::check_integrity(copy.path()).await?;
    let status = status_of(copy.path(), file).await?;
    sqlite_file::replace(copy, &database)?;
    writeln!(out, "replaced {} by {}", database.display(), file.display())?;
    if !status.is_current() {
        writeln!(out, "its schema is not that of this release: run `byline migrate status`")?;
    }
    writeln!(out, "{SECRET_KEY}")?;
    Ok(())
}

/// The migrations of the copy. A database without any is not Byline's.
async fn status_of(copy: &Path, file: &Path) -> Result<SchemaStatus, Failure> {
    let path = copy.to_str().ok_or("the name of the directory is not UTF-8")?;
    match schema::state_of(&Target::parse(DatabaseUrl::sqlite_file(path).expose(), "byline")?).await? {
        DatabaseState::Managed(status) if !status.records.is_empty() => Ok(status),
        _ => Err(format!("{} is not a database of Byline; nothing was changed", file.display()).into()),
    }
}
