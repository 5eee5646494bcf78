//! The command line: `status`, `up`, `down` and the other commands of a program with migrations.
//!
//! A program embeds [`Command`] as a clap subcommand and passes it to [`run`]. [`with_help`] replaces help
//! texts and adds the program's own examples.
//!
//! Exit codes: 0 for success and yes, 1 for an error, 2 for wrong usage, 3 for no, 141 if the reader of the
//! output closed it.

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
    connect::{Access, Target},
    help::{Help, with_help},
    output::prompt_for_name,
};
use crate::{Error, Migrator, Repair, close_pools_after};

/// What the commands need to know in addition to their arguments.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The URL of the database, in any form that [`DatabaseUrl`](crate::DatabaseUrl) reads.
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

/// The exit code of a program whose reader closed the pipe, as if SIGPIPE had ended it.
const CLOSED_PIPE: u8 = 128 + 13;

/// Runs one command and returns the exit code of the process. If the reader of the output closes it, as `head`
/// does, the command ends without an error.
pub async fn run(
    migrator: &Migrator,
    command: Command,
    settings: &Settings,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    match close_pools_after(Box::pin(run_command(migrator, command, settings, out))).await {
        Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(CLOSED_PIPE),
        result => result,
    }
}

async fn run_command(
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
        Command::Repair { name, done, undone, accept_checksum } => {
            let repair = match (done, undone, accept_checksum) {
                (true, ..) => Some(Repair::Done),
                (_, true, _) => Some(Repair::Undone),
                (.., accept) => accept.then_some(Repair::AcceptChecksum),
            };
            apply::repair(migrator, settings, name.as_deref(), repair, out).await
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

/// Why a command failed: one line, and for an error of PostgreSQL its details in further lines.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database, or a migration, failed.
    #[error("{0}{details}", details = .0.details())]
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
