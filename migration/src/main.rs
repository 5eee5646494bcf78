//! The command line without the server: `cargo run -p migration -- status`.

use std::{io::Write, process::ExitCode};

use clap::Parser;
use migration::cli::{Command, Settings, run};

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
    let Arguments { database_url, command } = Arguments::parse();
    let production = std::env::var("APP_ENV").is_ok_and(|env| env == "production");
    match run(command, &Settings { database_url, production }, &mut std::io::stdout()).await {
        Ok(code) => code.into(),
        Err(failure) => {
            // If standard error is closed, the exit code is the only report.
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            ExitCode::FAILURE
        }
    }
}
