//! The command line: `byline migrate …`.

use std::io::Write;

use clap::Subcommand;
use sea_orm::{ConnectOptions, Database};

use crate::{
    kit,
    kit::{Error, Options, State},
};

/// What the commands need to know of their surroundings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `postgres://…` or `sqlite://…`, as SeaORM reads it.
    pub database_url: String,
    /// In production nothing is dropped without the database's name typed.
    pub production: bool,
}

/// What can be done with the schema.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Show what is applied, pending, changed or unknown; exit 3 when not up to date
    Status,
    /// Apply what is pending, all or nothing
    Up {
        /// Stop after this migration
        #[arg(long, value_name = "NAME")]
        to: Option<String>,
    },
    /// Revert the newest migration
    Down {
        /// Keep this one and all before it
        #[arg(long, value_name = "NAME", conflicts_with = "steps")]
        to: Option<String>,
        /// How many to revert
        #[arg(short = 'n', value_name = "N", default_value_t = 1)]
        steps: usize,
    },
}

/// Runs one command and answers with the process's exit code.
pub async fn run(command: Command, settings: &Settings, out: &mut impl Write) -> Result<u8, Failure> {
    let mut options = ConnectOptions::new(settings.database_url.clone());
    options.sqlx_logging(false);
    let db = Database::connect(options).await.map_err(Error::from)?;
    let kit = kit();
    match command {
        Command::Status => {
            let standing = match kit.state(&db).await? {
                State::Ours(standing) => standing,
                State::Empty => {
                    writeln!(out, "empty database")?;
                    return Ok(3);
                }
                State::Foreign { tables } => {
                    writeln!(out, "not a database of {}: {}", kit.program, tables.join(", "))?;
                    return Ok(3);
                }
            };
            for record in &standing.records {
                writeln!(out, "applied  {}", record.name)?;
            }
            for name in &standing.pending {
                writeln!(out, "pending  {name}")?;
            }
            Ok(if standing.is_current() { 0 } else { 3 })
        }
        Command::Up { to } => {
            let options = Options { to: to.as_deref(), ..Options::default() };
            let outcome = kit.up(&db, &options).await?;
            for name in outcome.adopted {
                writeln!(out, "adopted  {name}")?;
            }
            for name in outcome.applied {
                writeln!(out, "applied  {name}")?;
            }
            for notice in outcome.notices {
                writeln!(out, "{notice}")?;
            }
            Ok(0)
        }
        Command::Down { to, steps } => {
            let steps = if to.is_some() { None } else { Some(steps) };
            let options = Options { to: to.as_deref(), steps, ..Options::default() };
            for name in kit.down(&db, &options).await?.applied {
                writeln!(out, "reverted {name}")?;
            }
            Ok(0)
        }
    }
}

/// Why a command failed, in one line.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database, or what is asked of it.
    #[error(transparent)]
    Kit(#[from] Error),
    /// The output can't be written.
    #[error("the output can't be written: {0}")]
    Output(#[from] std::io::Error),
}
