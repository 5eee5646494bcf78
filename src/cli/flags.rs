//! The flags that set settings: one for each setting that is not a secret, on every command.

use std::{path::PathBuf, sync::LazyLock};

use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};

use crate::config::{Declaration, Flags, Group, Settings};

/// The end of the help of the program.
pub(super) const ON_EVERY_COMMAND: &str = "Every command reads the settings from the environment, from `.env` in the \
     working directory, and from flags such as `--data-dir`, which take precedence. `byline serve --help` lists the \
     flags.";

/// The argument that replaces `.env`.
const ENV_FILE: &str = "ENV_FILE";

/// A setting and what its flag needs for as long as the process runs.
struct Flag {
    name: &'static str,
    long: String,
    heading: String,
    meaning: String,
    details: String,
}

static FLAGS: LazyLock<Vec<Flag>> = LazyLock::new(|| {
    let flags = |Group { title, settings }: Group| {
        settings.into_iter().filter_map(move |setting| {
            let details = details(&setting);
            let Declaration { name, meaning, .. } = &setting;
            let (name, meaning) = (*name, meaning.clone());
            Some(Flag { name, long: setting.flag()?, heading: title.clone(), meaning, details })
        })
    };
    Settings::groups().into_iter().flat_map(flags).collect()
});

/// The help of a flag.
fn details(setting: &Declaration) -> String {
    let Declaration { name, meaning, values, default, .. } = setting;
    format!("{meaning}\n\nValues: {values}. Default: {default}. [env: {name}]")
}

/// The settings without a flag, for the end of the help.
fn without_flag() -> String {
    let groups = Settings::groups();
    let secrets = groups.iter().flat_map(|group| &group.settings).filter(|setting| setting.flag().is_none());
    let secrets = secrets.map(|setting| {
        let Declaration { name, meaning, default, .. } = setting;
        format!("\n\n{name}\n    {meaning}\n    Default: {default}.")
    });
    format!(
        "Secrets have no flag, because every user of a machine sees the command lines of all processes. Set them in \
         the environment or in `.env`, or name a file that contains the value by the variable with `_FILE` at its \
         end. The same holds for the URL of a database that contains a password.{}",
        secrets.collect::<String>()
    )
}

/// The flags of all settings.
fn arguments() -> impl Iterator<Item = Arg> {
    FLAGS.iter().map(|flag| {
        let Flag { name, long, heading, meaning, details } = flag;
        Arg::new(*name)
            .long(long.as_str())
            .value_name(*name)
            .help_heading(heading.as_str())
            .help(meaning.as_str())
            .long_help(details.as_str())
    })
}

fn env_file() -> Arg {
    Arg::new(ENV_FILE)
        .long("env-file")
        .value_name("PATH")
        .value_parser(value_parser!(PathBuf))
        .value_hint(ValueHint::FilePath)
        .help("Read the settings from this file instead of `.env` in the working directory")
}

/// Adds the flags to `serve`, whose help is the place where they are listed.
pub(super) fn list(command: Command) -> Command {
    command.mut_subcommand("serve", |serve| {
        serve
            .override_usage("byline serve [OPTIONS]")
            .arg(env_file())
            .args(arguments())
            .after_long_help(without_flag())
    })
}

/// The same, and adds the flags to all other commands without listing them: an operator who serves the data of one
/// directory must reach it with each command.
pub(super) fn accept_on_every_command(command: Command) -> Command {
    let hidden = arguments().chain([env_file()]).map(|argument| argument.global(true).hide(true));
    list(command).args(hidden)
}

/// The flags of a command line, from the matches of the program.
pub(super) fn given(matches: &ArgMatches) -> Flags {
    let value = |flag: &Flag| {
        matches.get_one::<String>(flag.name).map(|value| (flag.name.to_owned(), value.to_owned()))
    };
    Flags::new(FLAGS.iter().filter_map(value), matches.get_one::<PathBuf>(ENV_FILE).cloned())
}
