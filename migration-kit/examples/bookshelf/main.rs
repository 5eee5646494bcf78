//! A program with two tables and the kit's command line.
//!
//! From the root of the repository: `cargo run -p migration-kit --example bookshelf -- up`, then `status` or
//! `check`.

mod schema;

use std::{io::Write, process::ExitCode};

use clap::Parser;
use migration_kit::cli::{self, Settings};

/// The migrations of a bookshelf
#[derive(Parser)]
struct Arguments {
    /// The database
    #[arg(long, env, hide_env_values = true, default_value = "sqlite://./target/bookshelf.db?mode=rwc")]
    database_url: String,
    #[command(subcommand)]
    command: cli::Command,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Arguments { database_url, command } = Arguments::parse();
    let settings = Settings { database_url, production: false, source: schema::source() };
    match cli::run(&schema::migrator(), command, &settings, &mut std::io::stdout()).await {
        Ok(code) => code.into(),
        Err(failure) => {
            // If standard error is closed, the exit code is the only report.
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            ExitCode::FAILURE
        }
    }
}
