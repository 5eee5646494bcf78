//! The commands of the binary, one file each, and the flags that they share.

mod about;
mod backup;
mod flags;
mod healthcheck;
mod mail;
mod restore;
mod schema;
mod secret;
pub mod seed;
mod serve;
mod user;

use std::{
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::{
    config::{Environment, Flags, Purpose, Settings, SettingsError},
    db::NO_SESSION,
    server::app,
};

/// An error that ends a command. It is printed in one line.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Byline, a self-hosted blog and publishing API.
#[derive(Debug, Parser)]
#[command(name = "byline", version, about, after_help = flags::ON_EVERY_COMMAND)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API (default)
    Serve(serve::Arguments),
    /// Manage the database schema
    #[command(subcommand)]
    Migrate(migration::cli::Command),
    /// Manage user accounts
    #[command(subcommand)]
    User(user::Command),
    /// Manage the key that the server generated
    #[command(subcommand)]
    Secret(secret::Command),
    /// Manage the queue of e-mail
    #[command(subcommand)]
    Mail(mail::Command),
    /// Print the OpenAPI document
    Openapi,
    /// Check whether a running server is ready, for container health checks
    Healthcheck,
    /// Add generated users and articles to the database
    Seed(seed::Arguments),
    /// Copy the SQLite database to a file, also while a server uses it
    Backup(backup::Arguments),
    /// Replace the SQLite database by a backup, while no server runs
    Restore(restore::Arguments),
    #[command(flatten)]
    About(about::Command),
}

impl Cli {
    /// Reads the arguments of the process. Ends it after `--help`, `--version` and errors.
    pub fn parse_with_flags() -> (Self, Flags) {
        let matches = flags::accept_on_every_command(Self::command()).get_matches();
        let cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        (cli, flags::given(&matches))
    }

    /// Runs a command about the binary itself, which needs no settings. `None` for the others.
    pub fn run_without_settings(&self) -> Option<Result<(), Failure>> {
        match &self.command {
            Some(Command::About(command)) => Some(about::run(command, &mut io::stdout())),
            _ => None,
        }
    }

    /// What the command needs the settings for.
    pub fn purpose(&self) -> Purpose {
        match self.command {
            None | Some(Command::Serve(_)) => Purpose::Server,
            Some(_) => Purpose::Command,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// The reason why the command failed, in one line.
pub async fn run(cli: Cli, settings: Settings) -> Result<ExitCode, Failure> {
    let mut out = io::stdout();
    if cli.purpose() == Purpose::Command {
        print_warnings(settings.warnings());
    }
    match cli.command.unwrap_or(Command::Serve(serve::Arguments::default())) {
        // The warnings are log lines.
        Command::Serve(arguments) => serve::run(settings, &arguments).await?,
        Command::Migrate(command) => {
            let kit = migration::cli::Settings {
                database_url: settings.database.session_url().ok_or(NO_SESSION)?.clone(),
                production: settings.app.environment == Environment::Production,
                adoption_notices: vec![settings.auth.registration.resolve(true).message().to_owned()],
            };
            return Ok(ExitCode::from(migration::cli::run(command, &kit, &mut out).await?));
        }
        Command::User(command) => user::run(&settings, command, &mut out).await?,
        Command::Secret(command) => secret::run(&settings, &command, &mut out)?,
        Command::Mail(command) => mail::run(&settings, command, &mut out).await?,
        Command::Openapi => writeln!(out, "{}", app::document(&settings).to_pretty_json()?)?,
        Command::Healthcheck => healthcheck::run(&settings).await?,
        Command::Seed(arguments) => seed::run_command(&settings, &arguments, &mut out).await?,
        Command::Backup(arguments) => backup::run(&settings, &arguments, &mut out).await?,
        Command::Restore(arguments) => restore::run(&settings, &arguments, &mut out).await?,
        Command::About(command) => about::run(&command, &mut out)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints warnings to standard error. If it is closed, they are lost.
pub fn print_warnings(warnings: &[String]) {
    for warning in warnings {
        let _ = writeln!(io::stderr(), "byline: warning: {warning}");
    }
}

/// Adds the reason why a server could not use its database to the errors of its settings, so that the
/// operator sees all errors at once.
pub async fn add_database_error(cli: &Cli, mut errors: SettingsError) -> SettingsError {
    let serves = match &cli.command {
        None => true,
        Some(Command::Serve(arguments)) => !arguments.migrate,
        Some(_) => false,
    };
    if let Some(database) = errors.database().filter(|_| serves)
        && let Err(error) = schema::check(database).await
    {
        errors.push(error.to_string());
    }
    errors
}
