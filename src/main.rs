//! The thin binary: parse, load the settings, do what was said.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use byline::{
    cli::{self, Cli, Failure},
    config::Settings,
};
use clap::Parser as _;

fn main() -> ExitCode {
    let done = start(Cli::parse());
    done.unwrap_or_else(|failure| {
        // Where standard error is gone, the exit code still tells.
        let _ = writeln!(io::stderr(), "byline: {failure}");
        ExitCode::FAILURE
    })
}

fn start(cli: Cli) -> Result<ExitCode, Failure> {
    let system = actix_web::rt::System::new();
    match Settings::load() {
        Ok(settings) => system.block_on(cli::run(cli, settings)),
        Err(problems) => Err(system.block_on(cli::complete(&cli, problems)).into()),
    }
}
