//! Commands about the binary itself: its version, and its manual and completions, for packages.

use std::{fs, io::Write, path::PathBuf};

use chrono::{DateTime, SecondsFormat};
use clap::{CommandFactory as _, Subcommand};
use clap_complete::Shell;
use serde_json::json;

use super::{Cli, Failure, flags};

/// The commit that the binary was built from. Debug builds have none (`build.rs`).
const COMMIT: Option<&str> = option_env!("BYLINE_COMMIT");

/// The time of that commit, or `SOURCE_DATE_EPOCH`, in seconds since 1970.
const DATE: Option<&str> = option_env!("BYLINE_DATE");

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the version, the commit and its date
    Version {
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual, one page for each command
    Man {
        /// The directory, which is created if it does not exist
        directory: PathBuf,
    },
}

pub(super) fn run(command: &Command, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        Command::Version { json } => version(*json, out),
        Command::Completions { shell } => {
            // Into memory, because `generate` panics if the output is closed.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut flags::list(Cli::command()), "byline", &mut script);
            Ok(out.write_all(&script)?)
        }
        Command::Man { directory } => {
            let cause = |error| format!("{}: {error}", directory.display());
            fs::create_dir_all(directory).map_err(cause)?;
            Ok(clap_mangen::generate_to(flags::list(Cli::command()), directory).map_err(cause)?)
        }
    }
}

fn version(json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    let date = DATE.and_then(|seconds| DateTime::from_timestamp(seconds.parse().ok()?, 0));
    let date = date.map(|date| date.to_rfc3339_opts(SecondsFormat::Secs, true));
    if json {
        let features: Vec<&str> = env!("BYLINE_FEATURES").split_terminator(',').collect();
        let version = json!({
            "name": "byline",
            "version": version,
            "commit": COMMIT,
            "date": date,
            "features": features,
            "target": env!("BYLINE_TARGET"),
        });
        return Ok(writeln!(out, "{version:#}")?);
    }
    let commit = COMMIT.and_then(|commit| commit.get(..12)).map(|commit| format!("commit {commit}"));
    let details: Vec<String> = commit.into_iter().chain(date).collect();
    match details.as_slice() {
        [] => writeln!(out, "byline {version}")?,
        details => writeln!(out, "byline {version} ({})", details.join(", "))?,
    }
    Ok(())
}
