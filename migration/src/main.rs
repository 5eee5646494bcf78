//! The command line without the server: `cargo run -p migration -- status`.

use std::{io::Write, process::ExitCode};

use clap::Parser;
use migration::{
    DatabaseUrl,
    cli::{Command, Settings, run},
};

/// Byline's migrations
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The database
    #[arg(long, env, hide_env_values = true, default_value = "sqlite://./data/byline.db?mode=rwc")]
    database_url: String,
    #[command(subcommand)]
    command: Command,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match start(Arguments::parse()).await {
        Ok(code) => code.into(),
        Err(failure) => {
            print(&format!("error: {failure}"));
            ExitCode::FAILURE
        }
    }
}

async fn start(arguments: Arguments) -> Result<u8, String> {
    // clap would print an invalid URL with its password.
    let database_url: DatabaseUrl =
        arguments.database_url.parse().map_err(|error| format!("the database URL {error}"))?;
    for parameter in database_url.ignored() {
        print(&format!(
            "warning: the parameter {parameter} of the database URL belongs to another driver and is ignored"
        ));
    }
    let production = std::env::var("APP_ENV").is_ok_and(|env| env == "production");
    let settings = Settings { database_url, production, adoption_notices: Vec::new() };
    run(arguments.command, &settings, &mut std::io::stdout()).await
}

/// If standard error is closed, the exit code is the only report.
fn print(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
