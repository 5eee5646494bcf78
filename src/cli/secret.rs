//! `byline secret …`: manages the key that the server generated.

use std::io::Write;

use clap::Subcommand;

use super::Failure;
use crate::config::{Settings, rotate_secret_key};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Replace the generated key. Restart every server afterwards
    Rotate,
}

pub(super) fn run(settings: &Settings, command: &Command, out: &mut impl Write) -> Result<(), Failure> {
    let Command::Rotate = command;
    if !settings.has_generated_key() {
        return Err("SECRET_KEY is set: set its value as SECRET_KEY_PREVIOUS and a new one as SECRET_KEY, then restart every server".into());
    }
    let data_dir = &settings.app.data_dir;
    rotate_secret_key(data_dir).map_err(|error| {
        format!("the generated key in {} cannot be replaced: {error}", data_dir.display())
    })?;
    writeln!(
        out,
        "the key was replaced; restart every server. What the old key signed stays valid until it expires or \
         {} is deleted",
        data_dir.join("secret_key.previous").display()
    )?;
    Ok(())
}
