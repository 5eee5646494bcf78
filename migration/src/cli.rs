//! `byline migrate …`: the kit's command line with Byline's migrations, paths and help texts.

use std::io::Write;

use clap::{ArgMatches, FromArgMatches, Subcommand};
pub use migration_kit::cli::{Access, Target, prompt_for_name};
use migration_kit::{
    DatabaseUrl, Error,
    cli::{self, Failure, Help, SourcePaths},
};

/// What the commands need to know in addition to their arguments.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The database.
    pub database_url: DatabaseUrl,
    /// In production no table is dropped unless the database's name is typed.
    pub production: bool,
    /// Further messages when a database is adopted.
    pub adoption_notices: Vec<String>,
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
  up --sql                 print the SQL instead of running it
  up --sql --from users_email_key
                           print it for a database that has this migration",
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
        about: "Record migrations as applied in a database that the FastAPI blog created, if the tables match; complete lost records",
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
///
/// # Errors
/// Why the command failed, in one line that names the database if the reason is there.
pub async fn run(command: Command, settings: &Settings, out: &mut impl Write) -> Result<u8, String> {
    let migrator = crate::migrator_with(settings.adoption_notices.clone());
    let settings = cli::Settings {
        database_url: settings.database_url.expose().to_owned(),
        production: settings.production,
        source: SourcePaths { crate_directory: "migration".into(), migrations: "src/migrations".into() },
    };
    let finished = cli::run(&migrator, command.0, &settings, out).await;
    finished.map_err(|failure| match (&failure, Target::parse(&settings.database_url, "byline")) {
        (Failure::Kit(error), Ok(target)) if is_about_the_database(error) => format!("{target}: {failure}"),
        _ => failure.to_string(),
    })
}

/// Whether the reason is in the database, and not in the arguments or in a migration.
fn is_about_the_database(error: &Error) -> bool {
    !matches!(
        error,
        Error::UnknownName { .. }
            | Error::Destructive(_)
            | Error::NotStatic(_)
            | Error::NotRendered { .. }
            | Error::Snapshot { .. }
    )
}
