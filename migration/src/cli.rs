//! `byline migrate …`: the kit's command line with Byline's migrations, paths and help texts.

use std::io::Write;

use clap::{ArgMatches, FromArgMatches, Subcommand};
pub use migration_kit::cli::Failure;
use migration_kit::{
    DatabaseState,
    cli::{self, Help, SourcePaths},
};

/// What the commands need to know in addition to their arguments.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `postgres://…` or `sqlite://…`, in the format of SeaORM.
    pub database_url: String,
    /// In production no table is dropped unless the database's name is typed.
    pub production: bool,
}

/// One of the kit's commands.
#[derive(Clone, Debug)]
pub struct Command(cli::Command);

const HELP: [Help; 5] = [
    Help {
        command: "up",
        about: "Apply pending migrations under a lock, in one transaction; adopt the FastAPI blog's tables first if they match",
        examples: "Examples:
  up --rehearse            run everything on the live data, then roll back
  up --to users_email_key  stop after one migration
  up --sql                 print the SQL instead of running it",
    },
    Help {
        command: "down",
        about: "",
        examples: "Examples:
  down                   revert the newest migration
  down --to blog_tables  return to the tables of the FastAPI blog",
    },
    Help {
        command: "adopt",
        about: "Record migrations as applied in a database that the FastAPI blog created, if the tables match",
        examples: "",
    },
    Help {
        command: "diff",
        about: "Show how the database differs from the entities",
        examples: "Example:
  diff --write add_slugs --postgres-url postgres://localhost/byline",
    },
    Help {
        command: "new",
        about: "",
        examples: "Example:
  new add_slugs    writes migration/src/migrations/m…_add_slugs.rs",
    },
];

impl Subcommand for Command {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        cli::with_help(cli::Command::augment_subcommands(command), &HELP)
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        cli::with_help(cli::Command::augment_subcommands_for_update(command), &HELP)
    }

    fn has_subcommand(name: &str) -> bool {
        cli::Command::has_subcommand(name)
    }
}

impl FromArgMatches for Command {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        cli::Command::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// Runs one command and returns the exit code of the process.
pub async fn run(command: Command, settings: &Settings, out: &mut impl Write) -> Result<u8, Failure> {
    let settings = cli::Settings {
        database_url: settings.database_url.clone(),
        production: settings.production,
        source: SourcePaths { crate_directory: "migration".into(), migrations: "src/migrations".into() },
    };
    cli::run(&crate::migrator(), command.0, &settings, out).await
}

/// The state of the database at `url`, read without creating any file.
pub async fn read_state(url: &str) -> Result<DatabaseState, Failure> {
    cli::read_state(&crate::migrator(), url).await
}
