//! The files that describe the settings follow from their declarations in `src/config/`.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --test api generated_files` writes them after a declaration has changed.

use std::{env, fs, path::Path};

use byline::config::{Declaration, DefaultValue, Registration, Settings};
use regex::Regex;
use tempfile::tempdir;

use crate::support::{Installation, TestDatabase};

const UPDATE: &str = "UPDATE_SNAPSHOTS=1 cargo test --test api generated_files";

/// Settings that docker-compose.yml sets itself, secrets as files.
const SET_BY_COMPOSE: [&str; 4] = ["APP_ENV", "DATABASE_URL", "SECRET_KEY", "TRUSTED_PROXIES"];

/// Settings that the image sets, or that must stay at their default because nginx.conf depends on it.
const SET_BY_IMAGE: [&str; 5] = ["HOST", "PORT", "TLS_CERT", "TLS_KEY", "DATA_DIR"];

/// A file that is generated as a whole, or between two lines that contain these texts.
struct Generated {
    path: &'static str,
    between: Option<(&'static str, &'static str)>,
    text: String,
}

fn generated() -> [Generated; 5] {
    let markers = ("<!-- settings: generated", "<!-- end of settings -->");
    let compose = ("# Generated list of settings", "# End of the generated list");
    [
        Generated { path: "config/default.toml", between: None, text: default_toml() },
        Generated { path: "config/production.toml", between: None, text: production_toml() },
        Generated { path: ".env.example", between: None, text: env_example() },
        Generated { path: "README.md", between: Some(markers), text: readme_table() },
        Generated { path: "docker-compose.yml", between: Some(compose), text: compose_list() },
    ]
}

impl Generated {
    /// The file with its generated part replaced.
    fn expected(&self, actual: &str) -> String {
        let Some((start, end)) = self.between else { return self.text.clone() };
        let start = actual.find(start).unwrap_or_else(|| panic!("{} has no line {start:?}", self.path));
        let end =
            start + actual[start..].find(end).unwrap_or_else(|| panic!("{} has no line {end:?}", self.path));
        let start = start + actual[start..].find('\n').unwrap() + 1;
        let end = actual[..end].rfind('\n').unwrap() + 1;
        format!("{}{}{}", &actual[..start], self.text, &actual[end..])
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn declarations() -> Vec<Declaration> {
    Settings::groups().into_iter().flat_map(|group| group.settings).collect()
}

/// The comment above a setting: meaning, values, and a default that the line below does not show.
fn comment(setting: &Declaration) -> String {
    let default = match setting.default {
        DefaultValue::Text { production: None, .. } => String::new(),
        DefaultValue::Text { production: Some(value), .. } => format!(" Default in production: `{value}`."),
        DefaultValue::Computed { description, .. } => format!(" Default: {description}."),
    };
    let file = setting.file_name().map(|name| format!("# `{name}` names a file with the value instead.\n"));
    format!("# {}\n# Values: {}.{default}\n{}", setting.meaning, setting.values, file.unwrap_or_default())
}

/// A TOML value: numbers and booleans as they are, everything else as a string.
fn toml(text: &str) -> String {
    if text.parse::<i64>().is_ok() || text.parse::<bool>().is_ok() {
        text.to_owned()
    } else if text.contains('"') {
        format!("'{text}'")
    } else {
        format!("\"{text}\"")
    }
}

/// The groups with their settings, each written as by `line` below its comment.
fn in_groups(line: impl Fn(&Declaration) -> String) -> String {
    let mut parts = Vec::new();
    for group in Settings::groups() {
        parts.push(format!("\n# --- {} ---\n", group.title));
        parts.extend(
            group.settings.iter().map(|setting| format!("\n{}{}\n", comment(setting), line(setting))),
        );
    }
    parts.concat()
}

fn default_toml() -> String {
    let settings = in_groups(|setting| {
        let name = setting.name.to_lowercase();
        match setting.default {
            DefaultValue::Text { value, .. } => format!("{name} = {}", toml(value)),
            DefaultValue::Computed { example, .. } => format!("# {name} = {}", toml(example)),
        }
    });
    format!(
        "# All settings with their defaults, compiled into the binary.\n\
         # To change one, set the environment variable of the same name in upper case, or write it to `.env`.\n\
         # Generated from src/config/ by `{UPDATE}`.\n{settings}"
    )
}

fn production_toml() -> String {
    let settings: Vec<String> = declarations()
        .iter()
        .filter_map(|setting| match setting.default {
            DefaultValue::Text { production: Some(value), .. } => {
                Some(format!("{} = {}\n", setting.name.to_lowercase(), toml(value)))
            }
            _ => None,
        })
        .collect();
    format!(
        "# The defaults that differ if APP_ENV is production, compiled into the binary.\n\
         # Generated from src/config/ by `{UPDATE}`.\n\n{}",
        settings.concat()
    )
}

fn env_example() -> String {
    let settings = in_groups(|setting| {
        let (DefaultValue::Text { value, .. } | DefaultValue::Computed { example: value, .. }) =
            setting.default;
        format!("#{}={value}", setting.name)
    });
    format!(
        "# Copy this file to `.env`. To change a setting, remove the `#` before its name and edit the value.\n\
         # Each value is the default, or an example if the comment describes the default.\n{settings}"
    )
}

fn readme_table() -> String {
    let mut rows = Vec::new();
    for group in Settings::groups() {
        rows.push(format!("| **{}** | | | |\n", group.title));
        for setting in &group.settings {
            let Declaration { name, meaning, values, default, .. } = setting;
            let file =
                setting.file_name().map(|name| format!(" `{name}` names a file with the value instead."));
            let file = file.unwrap_or_default();
            rows.push(format!("| `{name}` | {default} | {values} | {meaning}{file} |\n"));
        }
    }
    format!("\n| variable | default | values | meaning |\n|---|---|---|---|\n{}\n", rows.concat())
}

fn compose_list() -> String {
    let names: Vec<String> = declarations()
        .iter()
        .filter(|setting| !SET_BY_COMPOSE.contains(&setting.name) && !SET_BY_IMAGE.contains(&setting.name))
        .map(|setting| format!("    {}:\n", setting.name))
        .collect();
    names.concat()
}

/// `.env.example` with the `#` removed from the settings that `wanted` accepts.
fn uncommented(wanted: impl Fn(&Declaration) -> bool) -> String {
    let mut text = read(".env.example");
    for setting in declarations().into_iter().filter(wanted) {
        text = text.replace(&format!("\n#{}=", setting.name), &format!("\n{}=", setting.name));
    }
    text
}

/// The settings with `dotenv` as `.env`, in a data directory of their own, as `Debug` shows them.
fn settings(dotenv: Option<&str>) -> String {
    let directory = tempdir().unwrap();
    let data = ("DATA_DIR".to_owned(), directory.path().display().to_string());
    let settings = Settings::from_parts([data], dotenv).unwrap();
    format!("{settings:?}").replace(&directory.path().display().to_string(), "DATA_DIR")
}

#[test]
fn generated_files_follow_from_the_declarations() {
    for file in generated() {
        let actual = read(file.path);
        let expected = file.expected(&actual);
        if env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(file.path), expected).unwrap();
        } else if actual != expected {
            let line = actual.lines().zip(expected.lines()).position(|(actual, expected)| actual != expected);
            let line = line.unwrap_or_else(|| actual.lines().count().min(expected.lines().count()));
            panic!(
                "{}, line {}: {:?} is not {:?}, which follows from the declarations in src/config/. \
                 Edit a declaration and run `{UPDATE}`",
                file.path,
                line + 1,
                actual.lines().nth(line).unwrap_or_default(),
                expected.lines().nth(line).unwrap_or_default(),
            );
        }
    }
}

#[test]
fn every_declaration_is_complete_and_its_name_is_unique() {
    let name = Regex::new("^[A-Z][A-Z0-9_]*$").unwrap();
    let declarations = declarations();
    for Declaration { name: this, meaning, .. } in &declarations {
        assert!(name.is_match(this), "{this}");
        assert_eq!(declarations.iter().filter(|other| other.name == *this).count(), 1, "{this}");
        assert!(meaning.ends_with('.'), "{this}: {meaning:?} is not a sentence");
    }
}

#[test]
fn every_secret_is_marked() {
    let secrets: Vec<&str> =
        declarations().iter().filter(|setting| setting.is_secret).map(|setting| setting.name).collect();
    assert_eq!(
        secrets,
        ["DATABASE_URL", "DATABASE_DIRECT_URL", "SECRET_KEY", "SECRET_KEY_PREVIOUS", "SMTP_URL"]
    );
}

#[test]
fn only_a_setting_that_is_never_a_secret_or_refuses_one_has_a_flag() {
    let without: Vec<&str> = declarations()
        .iter()
        .filter(|setting| setting.flag().is_none())
        .map(|setting| setting.name)
        .collect();
    assert_eq!(without, ["SECRET_KEY", "SECRET_KEY_PREVIOUS", "SMTP_URL"]);
}

#[test]
fn the_help_of_serve_lists_each_setting_in_its_group_with_meaning_values_and_default() {
    let help = Installation::on(TestDatabase::sqlite()).succeed(&["serve", "--help"]);
    let mut rest = help.as_str();
    for group in Settings::groups() {
        let title = format!("\n{}:\n", group.title);
        for (number, setting) in group.settings.iter().filter(|setting| setting.has_flag).enumerate() {
            if number == 0 {
                rest = rest.split_once(&title).unwrap_or_else(|| panic!("no heading {title}")).1;
            }
            let Declaration { name, meaning, values, default, .. } = setting;
            let flag = format!("\n      --{} <{name}>\n          {meaning}\n", setting.flag().unwrap());
            let (before, after) = format!("\n{rest}").split_once(&flag).map_or_else(
                || panic!("{name} is not listed: {rest}"),
                |(before, after)| (before.to_owned(), after.to_owned()),
            );
            assert!(!before.contains("--"), "{name} is not in its place: {before}");
            let details = format!("Values: {values}. Default: {default}. [env: {name}]");
            assert!(after.lines().take(3).any(|line| line.trim() == details), "{name}: {after}");
            rest = &help[help.find(&details).unwrap()..];
        }
    }
    for secret in declarations().iter().filter(|setting| !setting.has_flag) {
        assert!(
            !help.contains(&format!("--{}", secret.name.to_lowercase().replace('_', "-"))),
            "{}",
            secret.name
        );
        assert!(rest.contains(&format!("\n{}\n", secret.name)), "{} is not listed", secret.name);
    }
}

#[test]
fn every_command_takes_the_flag_of_every_setting_before_and_after_its_name() {
    let installation = Installation::on(TestDatabase::sqlite());
    for setting in declarations().iter().filter(|setting| setting.has_flag) {
        // An empty value is an error for most settings. A line of the message names the flag.
        let flag = format!("--{}", setting.flag().unwrap());
        let wrong = match setting.name {
            "ROOT_PATH" => "x/",
            "LOG" => "a=b=c",
            "METRICS_BIND" | "OTEL_EXPORTER_OTLP_ENDPOINT" => "x",
            _ => "",
        };
        for arguments in [&[&*flag, wrong, "openapi"][..], &["openapi", &flag, wrong]] {
            let message = installation.fail(arguments);
            let start = format!("{flag}: ");
            let is_named = |line: &str| line.trim_start_matches("byline: ").starts_with(&start);
            assert!(message.lines().any(is_named), "{arguments:?}: {message}");
        }
    }
}

#[test]
fn the_manual_names_every_setting() {
    let installation = Installation::on(TestDatabase::sqlite());
    installation.succeed(&["man", "manual"]);
    let page = fs::read_to_string(installation.path("manual/byline-serve.1")).unwrap();
    for setting in declarations() {
        assert!(page.contains(setting.name), "{}", setting.name);
    }
}

#[test]
fn copying_the_example_file_changes_nothing() {
    let example = read(".env.example");
    for line in example.lines() {
        assert!(line.is_empty() || line.starts_with('#'), "{line}");
    }
    assert_eq!(settings(Some(&example)), settings(None));
}

#[test]
fn copying_the_example_file_opens_nothing_in_production() {
    let production = [("APP_ENV", "production"), ("SECRET_KEY", "f3b1c7d92e8a4f60b5d81c3e7a9260f4")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let copied = Settings::from_parts(production.clone(), Some(&read(".env.example"))).unwrap();
    assert_eq!(copied.auth.registration, Registration::Closed);
    assert_eq!(copied.warnings(), Vec::<String>::new());
    assert_eq!(format!("{copied:?}"), format!("{:?}", Settings::from_parts(production, None).unwrap()));
}

#[test]
fn the_values_of_the_example_file_are_the_defaults() {
    let defaults = uncommented(|setting| matches!(setting.default, DefaultValue::Text { .. }));
    assert_ne!(defaults, read(".env.example"));
    assert_eq!(settings(Some(&defaults)), settings(None));
}

#[test]
fn the_complete_example_file_starts_in_development_only() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/tls");
    let example = uncommented(|_| true).replace("/etc/byline/tls", directory);
    let assigned = example.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
    assert_eq!(assigned, declarations().len());

    let settings = Settings::from_parts(None, Some(&example)).unwrap();
    let warnings = [
        "DATABASE_DIRECT_URL: is ignored, because DATABASE_URL is not a URL of PostgreSQL",
        "SECRET_KEY: is a placeholder; production would not start with it; generate a key with \
         `openssl rand -hex 32`",
    ];
    // Whether others can read the key of the tests depends on the umask.
    let found = settings.warnings().iter().filter(|warning| !warning.starts_with("TLS_KEY: every user"));
    assert_eq!(found.collect::<Vec<_>>(), warnings);
    let production = [("APP_ENV".to_owned(), "production".to_owned())];
    let error = Settings::from_parts(production, Some(&example)).unwrap_err().to_string();
    assert!(error.starts_with("SECRET_KEY: is a placeholder"), "{error}");
}

#[test]
fn settings_that_compose_does_not_pass_on_are_set_by_it_or_by_the_image() {
    let (compose, image) = (read("docker-compose.yml"), read("Dockerfile"));
    for setting in declarations().into_iter().filter(|setting| SET_BY_COMPOSE.contains(&setting.name)) {
        let name = setting.file_name().unwrap_or_else(|| setting.name.to_owned());
        assert!(compose.contains(&format!("\n    {name}: ")), "{name}");
    }
    assert!(image.contains("\nENV HOST=0.0.0.0 DATA_DIR=/data\n"));
    let port = declarations().into_iter().find(|setting| setting.name == "PORT").unwrap().default;
    let DefaultValue::Text { value: port, .. } = port else { panic!("PORT has no fixed default") };
    let nginx = read("deploy/nginx.conf");
    for replica in ["byline-1", "byline-2"] {
        assert!(compose.contains(&format!("\n  {replica}:\n")), "{replica}");
        assert!(nginx.contains(&format!("server {replica}:{port} ")), "{replica}");
    }
}
