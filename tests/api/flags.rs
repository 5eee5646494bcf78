//! Flags of the command line that set settings.

use std::net::TcpListener;

use actix_web::http::StatusCode;

use crate::support::{Installation, TestDatabase, stderr};

fn on_sqlite() -> Installation {
    Installation::on(TestDatabase::sqlite()).set(&[("BCRYPT_COST", "4")])
}

/// Runs a command line that clap refuses.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let output = on_sqlite().run(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    stderr(&output)
}

#[actix_web::test]
async fn a_server_reads_flags_before_the_environment_and_the_environment_before_dotenv() {
    let installation = on_sqlite().set(&[("APP_NAME", "environment"), ("DATA_DIR", "elsewhere")]);
    installation.write(".env", "APP_NAME=file\nDOCS=off\nREGISTRATION=closed\n");
    let flags = ["--app-name", "flag", "--data-dir=chosen", "--docs", "on"];
    for arguments in [&[&["serve"][..], &flags].concat(), &flags.to_vec(), &[&flags[..], &["serve"]].concat()]
    {
        let server = installation.serve(arguments);
        assert!(server.output().contains("flag serves the API"), "{arguments:?}: {}", server.output());
        server.client().get("/openapi.json").await.expect(StatusCode::OK);
        let registered = server.client().post("/auth/register", &crate::support::registration("eve")).await;
        registered.expect(StatusCode::FORBIDDEN);
    }
    assert!(installation.path("chosen/byline.db").exists() && !installation.path("elsewhere").exists());
}

#[test]
fn commands_reach_the_database_of_a_server_with_the_same_flags() {
    let installation = on_sqlite();
    let flags = ["--data-dir", "chosen"];
    installation.succeed(&[&["migrate", "up"][..], &flags].concat());
    installation.succeed(&[&flags[..], &["seed", "--users", "1", "--articles", "1"]].concat());
    let status = installation.succeed(&[&["migrate"][..], &flags, &["status"]].concat());
    assert!(status.contains("chosen/byline.db"), "{status}");
    assert_eq!(installation.files(), ["chosen"]);
}

#[test]
fn a_file_that_is_named_replaces_dotenv() {
    let installation = on_sqlite();
    installation.write(".env", "DATA_DIR=wrong\nPORT=x\n");
    installation.write("byline.env", "DATA_DIR=right\n");
    installation.succeed(&["migrate", "up", "--env-file", "byline.env"]);
    assert!(installation.path("right/byline.db").exists());
    let message = installation.fail(&["migrate", "status", "--env-file", "missing.env"]);
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.starts_with("byline: missing.env: cannot be read: No such file"), "{message}");
}

#[test]
fn the_failure_of_a_start_names_the_flag() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let message = on_sqlite().fail(&["serve", "--port", &port]);
    assert!(message.starts_with("byline: --port: another program listens on 127.0.0.1:"), "{message}");
    let message = on_sqlite().set(&[("PORT", &port)]).fail(&["serve", "--host", "127.0.0.1"]);
    assert!(message.starts_with("byline: PORT: another program listens on 127.0.0.1:"), "{message}");
    let message = on_sqlite().fail(&["serve", "--database-url", "postgres://u@127.0.0.1:1/d"]);
    assert!(message.starts_with("byline: --database-url: PostgreSQL at 127.0.0.1:1"), "{message}");
}

#[test]
fn a_password_on_the_command_line_is_refused() {
    for arguments in [&["serve"][..], &["migrate", "up"], &[], &["user", "list"]] {
        let url = ["--database-url", "postgres://ann:s3cret@db.invalid/blog"];
        let message = on_sqlite().fail(&[arguments, &url].concat());
        assert!(
            message.starts_with("byline: --database-url: contains a password"),
            "{arguments:?}: {message}"
        );
        assert!(!message.contains("s3cret") && message.lines().count() == 1, "{message}");
    }
}

#[test]
fn secrets_have_no_flag() {
    for flag in ["--secret-key", "--secret-key-previous", "--smtp-url"] {
        let message = refused(&["serve", flag, "s3cret"]);
        assert!(message.contains("unexpected argument") && !message.contains("s3cret"), "{message}");
    }
}

#[test]
fn flags_that_are_unknown_misspelt_repeated_or_without_a_value_are_refused() {
    for (arguments, word) in [
        (&["serve", "--prot", "1"][..], "unexpected argument '--prot'"),
        (&["serve", "--PORT", "1"], "unexpected argument"),
        (&["serve", "--data_dir", "x"], "--data-dir"),
        (&["serve", "--port", "1", "--port", "2"], "cannot be used multiple times"),
        (&["migrate", "up", "--debug"], "a value is required"),
        (&["serve", "--port"], "a value is required"),
        (&["seed", "--database", "x"], "unexpected argument"),
    ] {
        let message = refused(arguments);
        assert!(message.contains(word), "{arguments:?}: {message}");
    }
}

#[test]
fn other_commands_do_not_list_the_flags_but_the_program_names_the_place() {
    let installation = on_sqlite();
    for arguments in [&["--help"][..], &["migrate", "up", "--help"], &["openapi", "--help"]] {
        assert!(!installation.succeed(arguments).contains("--bcrypt-cost"), "{arguments:?}");
    }
    assert!(installation.succeed(&["--help"]).contains("`byline serve --help` lists the flags"));
    let short = installation.succeed(&["serve", "-h"]);
    assert!(short.contains("--bcrypt-cost") && !short.contains("[env:"), "{short}");
}
