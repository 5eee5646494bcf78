//! The command line: `status`, `up`, `down` and the other commands of a program with migrations.
//!
//! A program embeds [`Command`] as a clap subcommand and passes it to [`run`]. [`with_help`] replaces help
//! texts and adds the program's own examples.
//!
//! Exit codes: 0 for success and yes, 1 for an error, 2 for wrong usage, 3 for no.

mod apply;
mod args;
mod connect;
mod erase;
mod help;
mod inspect;
mod output;
mod report;
mod source;

use std::{io::Write, path::PathBuf, time::Duration};

pub use self::{
    args::{Command, DiffArgs, DownArgs, EngineArg, EraseArgs, FormatArgs, SourceArgs, TimeoutArgs, UpArgs},
    connect::redacted,
    help::{Help, with_help},
    report::read_state,
};
use crate::{Error, Migrator, close_pools_after};

/// What the commands need to know in addition to their arguments.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `postgres://…` or `sqlite://…`, in the format of SeaORM.
    pub database_url: String,
    /// In production no table is dropped unless the database's name is typed.
    pub production: bool,
    /// Where `new` and `diff --write` write migrations.
    pub source: SourcePaths,
}

/// The directories of the migrations' source code.
#[derive(Clone, Debug)]
pub struct SourcePaths {
    /// The directory of the crate, relative to the working directory. `--source` overrides it.
    pub crate_directory: PathBuf,
    /// The directory of the migrations and of the `mod.rs` that lists them, relative to the crate.
    pub migrations: PathBuf,
}

/// Runs one command and returns the exit code of the process.
pub async fn run(
    migrator: &Migrator,
    command: Command,
    settings: &Settings,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    close_pools_after(Box::pin(dispatch(migrator, command, settings, out))).await
}

async fn dispatch(
    migrator: &Migrator,
    command: Command,
    settings: &Settings,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    match command {
        Command::Status { format } => report::status(migrator, settings, format, out).await,
        Command::History { format } => report::history(migrator, settings, format, out).await,
        Command::Show { name, format } => report::show(migrator, settings, &name, format, out).await,
        Command::Up(args) => apply::up(migrator, settings, &args, out).await,
        Command::Down(args) => apply::down(migrator, settings, &args, out).await,
        Command::Adopt { at, timeouts } => {
            apply::adopt(migrator, settings, at.as_deref(), timeouts, out).await
        }
        Command::Repair { name, done, undone } => {
            apply::repair(migrator, settings, name.as_deref(), done, undone, out).await
        }
        Command::Wait { timeout } => {
            report::wait(migrator, settings, Duration::from_secs(timeout), out).await
        }
        Command::Fresh(args) => erase::fresh(migrator, settings, &args, out).await,
        Command::Reset(args) => erase::reset(migrator, settings, &args, out).await,
        Command::Check { format } => inspect::check(migrator, settings, format, out).await,
        Command::Diff(args) => inspect::diff(migrator, settings, &args, out).await,
        Command::Lint { all, format } => inspect::lint(migrator, all, format, out).await,
        Command::New { name, source } => source::new(&settings.source, &source, &name, out),
    }
}

/// Why a command failed, in one line.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database, or a migration, failed.
    #[error(transparent)]
    Kit(#[from] Error),
    /// The database can't be reached, or its URL is invalid.
    #[error("{0}")]
    Unreachable(String),
    /// The command needs a confirmation or another argument.
    #[error("{0}")]
    Refused(String),
    /// A source file can't be read or written.
    #[error("{path}: {source}")]
    Source {
        /// The file.
        path: String,
        /// The reason.
        source: std::io::Error,
    },
    /// The output can't be written.
    #[error("the output can't be written: {0}")]
    Output(#[from] std::io::Error),
}
