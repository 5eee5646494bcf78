//! The commands and their arguments, as clap parses them.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};

use crate::{Engine, Timeouts};

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List the migrations that are applied, pending, changed or unknown; exit 3 if the database is not up to
    /// date
    Status {
        /// The output format.
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Apply pending migrations under a lock, in one transaction; adopt existing tables first if they match
    Up(UpArgs),
    /// Revert the newest migration, or all migrations after another one
    Down(DownArgs),
    /// List the applied migrations: when, how long they took, and which release applied them
    History {
        /// The output format.
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Show the attributes, the SQL and the record of one migration
    Show {
        /// The migration
        name: String,
        /// The output format.
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Check that nothing is pending and that models, migrations and database agree; exit 3 if not
    Check {
        /// The output format.
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Show how the database differs from the models
    Diff(DiffArgs),
    /// Record migrations as applied in a database that already has their tables, if the tables match; complete
    /// lost records
    Adopt {
        /// Up to this migration; without it, as many as match
        #[arg(long, value_name = "NAME")]
        at: Option<String>,
        /// The timeouts.
        #[command(flatten)]
        timeouts: TimeoutArgs,
    },
    /// Find dangerous steps in the migrations; exit 3 if one is not accepted by its migration
    Lint {
        /// Include accepted findings
        #[arg(long)]
        all: bool,
        /// The output format.
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Write an empty migration and register it
    New {
        /// In lower case with underscores, for example `add_slugs`
        name: String,
        /// Where the source code is.
        #[command(flatten)]
        source: SourceArgs,
    },
    /// List incomplete and changed migrations, or record how one was repaired
    Repair {
        /// The migration
        name: Option<String>,
        /// Its statements were completed by hand: record it as applied
        #[arg(long, requires = "name", conflicts_with = "undone")]
        done: bool,
        /// Its statements were undone by hand: make it pending again
        #[arg(long, requires = "name")]
        undone: bool,
        /// It changed since it was applied and builds the same: record its present checksum, and that it was
        /// accepted
        #[arg(long, requires = "name", conflicts_with_all = ["done", "undone"])]
        accept_checksum: bool,
    },
    /// Wait until the database is reachable and up to date; exit 3 on timeout
    Wait {
        /// The timeout in seconds
        #[arg(long, value_name = "S", default_value_t = 60)]
        timeout: u64,
    },
    /// Drop all tables with their rows and create them again
    Fresh(EraseArgs),
    /// Revert all migrations and delete the records
    Reset(EraseArgs),
}

/// The output format.
#[derive(Clone, Copy, Debug, Args)]
pub struct FormatArgs {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// How long a run waits.
#[derive(Clone, Copy, Debug, Args)]
pub struct TimeoutArgs {
    /// Seconds to wait for another process that is migrating
    #[arg(long = "lock-timeout", value_name = "S", default_value_t = 60)]
    lock: u64,
    /// Seconds to wait for a lock on a table (PostgreSQL); 0 for no limit
    #[arg(long = "table-lock-timeout", value_name = "S", default_value_t = 5)]
    table_lock: u64,
    /// Seconds that a statement may take (PostgreSQL); 0 for no limit
    #[arg(long = "statement-timeout", value_name = "S", default_value_t = 0)]
    statement: u64,
}

impl From<TimeoutArgs> for Timeouts {
    fn from(args: TimeoutArgs) -> Self {
        Self {
            lock: Duration::from_secs(args.lock),
            table_lock: Duration::from_secs(args.table_lock),
            statement: Duration::from_secs(args.statement),
        }
    }
}

/// A database engine, for SQL that is only printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum EngineArg {
    /// PostgreSQL
    Postgres,
    /// SQLite
    Sqlite,
}

impl From<EngineArg> for Engine {
    fn from(engine: EngineArg) -> Self {
        match engine {
            EngineArg::Postgres => Self::Postgres,
            EngineArg::Sqlite => Self::Sqlite,
        }
    }
}

/// Arguments of `up`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Clone, Debug, Args)]
pub struct UpArgs {
    /// Stop after this migration
    #[arg(long, value_name = "NAME")]
    pub(super) to: Option<String>,
    /// List the migrations that would be applied; change nothing
    #[arg(long, conflicts_with_all = ["sql", "rehearse"])]
    pub(super) dry_run: bool,
    /// Print the SQL from an empty database on; needs no database
    #[arg(long, conflicts_with = "rehearse")]
    pub(super) sql: bool,
    /// For `--sql`: print the SQL for a database that has this migration and those before it
    #[arg(long, value_name = "NAME", requires = "sql")]
    pub(super) from: Option<String>,
    /// For `--sql`: the engine, if it is not that of the database URL
    #[arg(long, requires = "sql")]
    pub(super) engine: Option<EngineArg>,
    /// Run everything on the live data, then roll back
    #[arg(long)]
    pub(super) rehearse: bool,
    /// Run migrations that are marked as destructive
    #[arg(long)]
    pub(super) allow_destructive: bool,
    /// The timeouts.
    #[command(flatten)]
    pub(super) timeouts: TimeoutArgs,
}

/// Arguments of `down`.
#[derive(Clone, Debug, Args)]
pub struct DownArgs {
    /// Revert all migrations after this one
    #[arg(long, value_name = "NAME", conflicts_with = "steps")]
    pub(super) to: Option<String>,
    /// How many migrations to revert
    #[arg(short = 'n', value_name = "N", default_value_t = 1)]
    pub(super) steps: usize,
    /// Do not ask for confirmation
    #[arg(long)]
    pub(super) yes: bool,
    /// Print the SQL from the newest migration down; needs no database
    #[arg(long)]
    pub(super) sql: bool,
    /// For `--sql`: the engine, if it is not that of the database URL
    #[arg(long, requires = "sql")]
    pub(super) engine: Option<EngineArg>,
    /// The timeouts.
    #[command(flatten)]
    pub(super) timeouts: TimeoutArgs,
}

/// Arguments of `diff`.
#[derive(Clone, Debug, Args)]
pub struct DiffArgs {
    /// Print SQL
    #[arg(long, conflicts_with_all = ["write", "json"])]
    pub(super) sql: bool,
    /// Write a migration and register it
    #[arg(long, value_name = "NAME", conflicts_with = "json")]
    pub(super) write: Option<String>,
    /// For `--write` on SQLite: a PostgreSQL server for the other half of the migration; it is not changed
    #[arg(long, value_name = "URL", requires = "write")]
    pub(super) postgres_url: Option<String>,
    /// Where the source code is.
    #[command(flatten)]
    pub(super) source: SourceArgs,
    /// The output format.
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// Where the source code is, for commands that write a migration.
#[derive(Clone, Debug, Args)]
pub struct SourceArgs {
    /// The directory of the crate that holds the migrations, if it is not the default
    #[arg(long = "source", value_name = "DIR")]
    pub(super) crate_directory: Option<PathBuf>,
}

/// Arguments of `fresh` and `reset`.
#[derive(Clone, Debug, Args)]
pub struct EraseArgs {
    /// Do not ask for confirmation; only for an embedded or loopback database outside production
    #[arg(long)]
    pub(super) yes: bool,
    /// The database's name, as confirmation for any other database
    #[arg(long, value_name = "DATABASE")]
    pub(super) confirm: Option<String>,
    /// The timeouts.
    #[command(flatten)]
    pub(super) timeouts: TimeoutArgs,
}
