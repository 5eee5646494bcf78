//! What packages contain in addition to the binary, and what it says about itself.

use std::{fs, path::Path};

use actix_web::http::StatusCode;
use regex::Regex;
use serde_json::Value;

use crate::support::{Installation, TestDatabase, stderr};

fn installation() -> Installation {
    Installation::on(TestDatabase::sqlite())
}

#[test]
fn the_version_is_an_object_for_programs() {
    let version: Value = serde_json::from_str(&installation().succeed(&["version", "--json"])).unwrap();
    let members: Vec<&str> = version.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["name", "version", "commit", "date", "features", "target"]);
    assert_eq!(
        (&version["name"], &version["version"]),
        (&"byline".into(), &env!("CARGO_PKG_VERSION").into())
    );
    let features: Vec<&str> = if cfg!(feature = "long-tests") { vec!["long-tests"] } else { vec![] };
    assert_eq!(version["features"], Value::from(features));
    assert!(version["target"].as_str().unwrap().split('-').count() >= 3, "{version}");
    // Debug builds have neither; `.ci/package` checks those of a release.
    for (member, form) in [("commit", "^[0-9a-f]{40}$"), ("date", r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")] {
        let value = version[member].as_str();
        assert!(value.is_none_or(|value| Regex::new(form).unwrap().is_match(value)), "{version}");
    }
}

#[test]
fn the_version_for_people_starts_with_the_one_of_the_flag() {
    let flag = installation().succeed(&["--version"]);
    assert_eq!(flag, concat!("byline ", env!("CARGO_PKG_VERSION"), "\n"));
    assert!(installation().succeed(&["version"]).starts_with(flag.trim_end()));
}

#[test]
fn completions_of_each_shell_contain_commands_and_flags() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = installation().succeed(&["completions", shell]);
        for word in ["migrate", "healthcheck", "data-dir", "env-file", "confirm"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let output = installation().run(&["completions", "cmd"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let installation = installation();
    installation.succeed(&["man", "share/man1"]);
    for page in
        ["byline", "byline-serve", "byline-migrate", "byline-migrate-up", "byline-user-create", "byline-man"]
    {
        let text = fs::read_to_string(installation.path(&format!("share/man1/{page}.1"))).unwrap();
        assert!(text.contains(".TH "), "{page}");
    }
    installation.write("file", "");
    let message = installation.fail(&["man", "file"]);
    assert!(message.starts_with("byline: file: ") && message.lines().count() == 1, "{message}");
}

#[test]
fn commands_about_the_binary_need_no_settings_and_create_none() {
    let installation = installation().set(&[("PORT", "x"), ("APP_ENV", "nonsense")]);
    installation.write(".env", "DATABASE_URL=nonsense\n");
    for arguments in [&["version"][..], &["version", "--json"], &["completions", "bash"], &["man", "manual"]]
    {
        let output = installation.run(arguments);
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {}", stderr(&output));
    }
    assert_eq!(installation.files(), [".env", "manual"]);
}

#[test]
fn completions_whose_reader_is_gone_end_without_a_message() {
    for arguments in [&["completions", "zsh"][..], &["version"], &["version", "--json"]] {
        let output = installation().run_closed(arguments);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(141), ""), "{arguments:?}");
    }
}

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[actix_web::test]
async fn the_settings_of_the_package_start_a_server_in_production_on_a_new_database() {
    let installation = installation();
    let packaged = file("deploy/debian/byline.env").replace("/var/lib/byline", "state");
    installation.write("byline.env", &packaged);
    let message = installation.fail(&["serve", "--env-file", "byline.env"]);
    assert!(message.contains("SECRET_KEY"), "{message}");
    fs::create_dir(installation.path("state")).unwrap();
    installation.write("state/secret_key", "f3b1c7d92e8a4f60b5d81c3e7a9260f4\n");
    let server = installation.serve(&["serve", "--migrate", "--env-file", "byline.env"]);
    server.client().get("/articles/").await.expect(StatusCode::OK);
    let closed = server.client().post("/auth/register", &crate::support::registration("eve")).await;
    closed.expect(StatusCode::FORBIDDEN);
}

#[test]
fn the_unit_waits_for_readiness_and_uses_the_files_of_the_package() {
    let unit = file("deploy/systemd/byline.service");
    for line in [
        "Type=notify",
        "User=byline",
        "StateDirectory=byline",
        "ExecStart=/usr/bin/byline serve --migrate --env-file /etc/byline/byline.env",
    ] {
        assert!(unit.lines().any(|known| known == line), "{line}");
    }
}
