//! Help texts that a program supplies for the commands.

/// A program's own help for one command.
#[derive(Clone, Copy, Debug)]
pub struct Help {
    /// The command's name, for example `up`.
    pub command: &'static str,
    /// The description, in place of the general one; empty to use the general one.
    pub about: &'static str,
    /// What follows the options, for example a list of invocations; empty for nothing.
    pub examples: &'static str,
}

/// Adds help texts to a clap command that has the kit's commands as subcommands. Texts for other names are
/// ignored.
#[must_use]
pub fn with_help(mut command: clap::Command, texts: &[Help]) -> clap::Command {
    for text in texts {
        if command.find_subcommand(text.command).is_none() {
            continue;
        }
        command = command.mut_subcommand(text.command, |mut subcommand| {
            if !text.about.is_empty() {
                subcommand = subcommand.about(text.about);
            }
            if !text.examples.is_empty() {
                subcommand = subcommand.after_help(text.examples);
            }
            subcommand
        });
    }
    command
}

#[cfg(test)]
mod tests {
    use clap::Subcommand;

    use super::*;
    use crate::cli::Command;

    fn help(command: &str, texts: &[Help]) -> String {
        let mut all = with_help(Command::augment_subcommands(clap::Command::new("shop")), texts);
        all.find_subcommand_mut(command).unwrap().render_help().to_string()
    }

    #[test]
    fn a_program_replaces_the_description_and_adds_examples() {
        let texts = [Help { command: "up", about: "Migrate the shop", examples: "Example:\n  shop up" }];
        let text = help("up", &texts);
        assert!(text.starts_with("Migrate the shop\n"), "{text}");
        assert!(text.contains("--rehearse"), "{text}");
        assert!(text.trim_end().ends_with("Example:\n  shop up"), "{text}");
    }

    #[test]
    fn empty_texts_and_unknown_commands_change_nothing() {
        let texts = [
            Help { command: "up", about: "", examples: "" },
            Help { command: "unknown", about: "x", examples: "x" },
        ];
        assert_eq!(help("up", &texts), help("up", &[]));
    }
}
