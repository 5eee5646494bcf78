//! The migrations without the server: `cargo run -p migration -- status`.

use std::{io::Write, process::ExitCode};

use clap::Parser;
use migration::cli::{Command, Settings, run};

/// Byline's migrations.
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
    match run(&migration::kit(), command, &Settings { database_url, production }, &mut std::io::stdout())
        .await
    {
        Ok(code) => code.into(),
        Err(failure) => {
            // With standard error gone there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            ExitCode::FAILURE
        }
    }
}
