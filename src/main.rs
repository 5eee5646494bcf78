//! The binary: parses the command line, loads the settings, runs the command.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use byline::{
    cli::{self, Cli, Failure},
    config::{Flags, Settings},
};

/// The exit code if the reader of the output closed it, as `head` does: as if SIGPIPE had ended the process.
const CLOSED_PIPE: u8 = 128 + 13;

fn main() -> ExitCode {
    let (cli, flags) = Cli::parse_with_flags();
    let done = start(cli, &flags);
    done.unwrap_or_else(|failure| {
        if failure.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        {
            return ExitCode::from(CLOSED_PIPE);
        }
        // If standard error is closed, the exit code alone reports the failure.
        let _ = writeln!(io::stderr(), "byline: {}", flags.name_in(&failure.to_string()));
        ExitCode::FAILURE
    })
}

fn start(cli: Cli, flags: &Flags) -> Result<ExitCode, Failure> {
    if let Some(done) = cli.run_without_settings() {
        return done.map(|()| ExitCode::SUCCESS);
    }
    let system = actix_web::rt::System::new();
    match Settings::load(cli.purpose(), flags) {
        Ok(settings) => system.block_on(cli::run(cli, settings)),
        Err(errors) => {
            cli::print_warnings(errors.warnings());
            Err(system.block_on(cli::add_database_error(&cli, errors)).into())
        }
    }
}
