//! The command line: `byline migrate …`. Exit codes: 0 yes, 1 failed, 2 wrong usage, 3 the answer is no.

mod change;
mod connect;
mod inspect;
mod output;
mod source;
mod story;

use std::{io::Write, path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};

pub use self::connect::redacted;
use crate::{Engine, Error, Kit, Limits};

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
    Status {
        /// Table or JSON.
        #[command(flatten)]
        format: Format,
    },
    /// Apply what is pending, under a lock, all or nothing; adopts the old blog's tables if they fit
    Up(Up),
    /// Revert the newest migration, or back to another
    Down(Down),
    /// List what was applied: when, how long it took, by which release
    History {
        /// Table or JSON.
        #[command(flatten)]
        format: Format,
    },
    /// Show one migration: its marks, its SQL, and what the database remembers of it
    Show {
        /// The migration
        name: String,
        /// Table or JSON.
        #[command(flatten)]
        format: Format,
    },
    /// For CI: nothing pending, entities = migrations, database = migrations; exit 3 when not
    Check {
        /// Table or JSON.
        #[command(flatten)]
        format: Format,
    },
    /// Show what separates the entities from the database
    Diff(Diff),
    /// Record migrations as applied in a database that holds their tables already, if these fit
    Adopt {
        /// As far as this migration; without it, as far as the tables fit
        #[arg(long, value_name = "NAME")]
        at: Option<String>,
        /// How long to wait.
        #[command(flatten)]
        waits: Waits,
    },
    /// Look for dangerous steps in the migrations; exit 3 when one is not covered by a mark
    Lint {
        /// Show also what marks cover
        #[arg(long)]
        all: bool,
        /// Table or JSON.
        #[command(flatten)]
        format: Format,
    },
    /// Write an empty migration and register it
    New {
        /// In words: `add_slugs`
        name: String,
        /// Where the source is.
        #[command(flatten)]
        tree: Tree,
    },
    /// Show migrations that stopped half-way outside a transaction, or say how one was put right
    Repair {
        /// The migration
        name: Option<String>,
        /// Its work was finished by hand: record it as applied
        #[arg(long, requires = "name", conflicts_with = "undone")]
        done: bool,
        /// What it did was undone by hand: it is pending again
        #[arg(long, requires = "name")]
        undone: bool,
    },
    /// Return when the database is reachable and up to date; exit 3 when it is not in time
    Wait {
        /// Seconds
        #[arg(long, value_name = "S", default_value_t = 60)]
        timeout: u64,
    },
    /// Drop the tables with all rows and make them anew
    Fresh(Erase),
    /// Revert everything and remove the records
    Reset(Erase),
}

/// How to answer.
#[derive(Clone, Copy, Debug, Args)]
pub struct Format {
    /// For programs
    #[arg(long)]
    json: bool,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, Args)]
pub struct Waits {
    /// Seconds to wait for another process that is migrating
    #[arg(long = "lock-timeout", value_name = "S", default_value_t = 60)]
    runner: u64,
    /// Seconds to wait for a lock on a table (PostgreSQL); 0 waits for ever
    #[arg(long = "table-lock-timeout", value_name = "S", default_value_t = 5)]
    table: u64,
    /// Seconds a statement may take (PostgreSQL); 0 sets no limit
    #[arg(long = "statement-timeout", value_name = "S", default_value_t = 0)]
    statement: u64,
}

impl Waits {
    fn limits(self) -> Limits {
        Limits {
            lock: Duration::from_secs(self.runner),
            table_lock: Duration::from_secs(self.table),
            statement: Duration::from_secs(self.statement),
        }
    }
}

/// A database engine, for SQL that is only printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Dialect {
    /// PostgreSQL
    Postgres,
    /// SQLite
    Sqlite,
}

impl From<Dialect> for Engine {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Postgres => Self::Postgres,
            Dialect::Sqlite => Self::Sqlite,
        }
    }
}

/// `up`
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Clone, Debug, Args)]
pub struct Up {
    /// Stop after this migration
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// Say what would be applied, and change nothing
    #[arg(long, conflicts_with_all = ["sql", "rehearse"])]
    dry_run: bool,
    /// Print the whole script, from an empty database on, without asking one
    #[arg(long, conflicts_with = "rehearse")]
    sql: bool,
    /// For `--sql`: the engine, if not that of the database URL
    #[arg(long, requires = "sql")]
    engine: Option<Dialect>,
    /// Run it on the live data, then roll back
    #[arg(long)]
    rehearse: bool,
    /// Run migrations that are marked as losing data
    #[arg(long)]
    allow_destructive: bool,
    /// How long to wait.
    #[command(flatten)]
    waits: Waits,
}

/// `down`
#[derive(Clone, Debug, Args)]
pub struct Down {
    /// Keep this one and all before it
    #[arg(long, value_name = "NAME", conflicts_with = "steps")]
    to: Option<String>,
    /// How many to revert
    #[arg(short = 'n', value_name = "N", default_value_t = 1)]
    steps: usize,
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// Print the script from the newest migration back, without asking a database
    #[arg(long)]
    sql: bool,
    /// For `--sql`: the engine, if not that of the database URL
    #[arg(long, requires = "sql")]
    engine: Option<Dialect>,
    /// How long to wait.
    #[command(flatten)]
    waits: Waits,
}

/// `diff`
#[derive(Clone, Debug, Args)]
pub struct Diff {
    /// As SQL
    #[arg(long, conflicts_with_all = ["write", "json"])]
    sql: bool,
    /// As a migration, registered and ready to compile
    #[arg(long, value_name = "NAME", conflicts_with = "json")]
    write: Option<String>,
    /// For `--write`: a PostgreSQL to ask as well, where the database is SQLite; nothing stays in it
    #[arg(long, value_name = "URL", requires = "write")]
    postgres_url: Option<String>,
    /// Where the source is.
    #[command(flatten)]
    tree: Tree,
    /// Table or JSON.
    #[command(flatten)]
    format: Format,
}

/// Where the source is, for commands that write a migration.
#[derive(Clone, Debug, Args)]
pub struct Tree {
    /// The folder of the migration crate
    #[arg(long, value_name = "DIR", default_value = "migration")]
    source: PathBuf,
}

/// `fresh` and `reset`
#[derive(Clone, Debug, Args)]
pub struct Erase {
    /// Don't ask; enough for an embedded or loopback database outside production
    #[arg(long)]
    yes: bool,
    /// The database's name, for any other
    #[arg(long, value_name = "DATABASE")]
    confirm: Option<String>,
    /// How long to wait.
    #[command(flatten)]
    waits: Waits,
}

/// Runs one command and answers with the process's exit code.
pub async fn run(
    kit: &Kit,
    command: Command,
    settings: &Settings,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    match command {
        Command::Status { format } => story::status(kit, settings, format, out).await,
        Command::History { format } => story::history(kit, settings, format, out).await,
        Command::Show { name, format } => story::show(kit, settings, &name, format, out).await,
        Command::Up(up) => change::up(kit, settings, &up, out).await,
        Command::Down(down) => change::down(kit, settings, &down, out).await,
        Command::Adopt { at, waits } => change::adopt(kit, settings, at.as_deref(), waits, out).await,
        Command::Repair { name, done, undone } => {
            change::repair(kit, settings, name.as_deref(), done, undone, out).await
        }
        Command::Wait { timeout } => change::wait(kit, settings, Duration::from_secs(timeout), out).await,
        Command::Fresh(erase) => change::fresh(kit, settings, &erase, out).await,
        Command::Reset(erase) => change::reset(kit, settings, &erase, out).await,
        Command::Check { format } => inspect::check(kit, settings, format, out).await,
        Command::Diff(diff) => inspect::diff(kit, settings, &diff, out).await,
        Command::Lint { all, format } => inspect::lint(kit, all, format, out).await,
        Command::New { name, tree } => source::new(&tree.source, &name, out),
    }
}

/// Why a command failed, in one line.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database, or what is asked of it.
    #[error(transparent)]
    Kit(#[from] Error),
    /// The database can't be reached, or its URL read.
    #[error("{0}")]
    Unreachable(String),
    /// What is asked for is not done without more words.
    #[error("{0}")]
    Refused(String),
    /// The source tree can't be written.
    #[error("{path}: {source}")]
    Source {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The output can't be written.
    #[error("the output can't be written: {0}")]
    Output(#[from] std::io::Error),
}
