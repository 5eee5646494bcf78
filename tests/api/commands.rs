//! The commands of the binary, besides serving and migrating.

use std::{fs, os::unix::fs::PermissionsExt as _};

use actix_web::http::StatusCode;
use sea_orm::DbBackend;
use serde_json::{Value, json};

use crate::{
    document::document,
    support::{Installation, PASSWORD, Published, TestDatabase, stderr},
};

#[actix_web::test]
async fn an_operator_creates_accounts_where_registration_is_closed() {
    let installation = Installation::new().await.set(&[("REGISTRATION", "closed")]);
    let arguments = ["user", "create", "--email", "ann@example.com", "--username", "ann", "--json"];
    let output = installation.run_with_input(&arguments, PASSWORD);

    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("$2b$"), "the hash is printed");
    let mut account: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(account["username"], "ann");
    let server = installation.serve(&[]);
    let ann = server.client().sign_in("ann", PASSWORD).await;
    // Its owner does not see whether it is suspended: then there is no session.
    account.as_object_mut().unwrap().remove("is_active");
    assert_eq!(ann.get("/users/me").await.expect(StatusCode::OK), account);
}

#[actix_web::test]
async fn an_account_that_breaks_a_rule_is_refused_in_one_line() {
    let installation = Installation::new().await;
    let create = |email: &str, name: &str, password: &str| {
        installation.run_with_input(&["user", "create", "--email", email, "--username", name], password)
    };
    assert!(create("ann@example.com", "ann", PASSWORD).status.success());
    for (email, name, password, word) in [
        ("ann@example.com", "else", PASSWORD, "Email already registered"),
        ("else@example.com", "ann", PASSWORD, "Username already registered"),
        ("no address", "else", PASSWORD, "email"),
        ("else@example.com", "else ", PASSWORD, "username"),
        ("else@example.com", "else", "s3cr3t", "password"),
        ("else@example.com", "else", "", "password"),
        ("else@example.com", "else", &"x".repeat(73), "password"),
    ] {
        let output = create(email, name, password);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{email} {name}: {message}");
        assert!(message.contains(word) && message.lines().count() == 1, "{word}: {message}");
        assert!(output.stdout.is_empty() && !message.contains("s3cr3t"), "{message}");
    }
    let server = installation.serve(&[]);
    server.client().log_in("else", PASSWORD).await.expect(StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn the_printed_openapi_document_is_the_committed_one() {
    let printed = Installation::new().await.succeed(&["openapi"]);
    assert_eq!(
        printed,
        include_str!("../../openapi.json"),
        "openapi.json is outdated: cargo run -- openapi > openapi.json"
    );
    assert_eq!(&serde_json::from_str::<Value>(&printed).unwrap(), document());
}

#[actix_web::test]
async fn the_health_check_asks_the_server_that_the_settings_name() {
    let server = Installation::new().await.serve(&[]);
    let port = server.address.port().to_string();
    for host in ["127.0.0.1", "0.0.0.0"] {
        Installation::new().await.set(&[("PORT", &port), ("HOST", host)]).succeed(&["healthcheck"]);
    }
}

#[actix_web::test]
async fn the_health_check_fails_in_one_line_if_no_server_answers() {
    let server = Installation::new().await.serve(&[]);
    let port = server.address.port().to_string();
    server.kill();
    let message = Installation::new().await.set(&[("PORT", &port)]).fail(&["healthcheck"]);
    assert!(message.contains("/health/ready") && message.lines().count() == 1, "{message}");
}

#[actix_web::test]
async fn seed_creates_as_many_rows_as_it_is_asked_for() {
    let installation = Installation::new().await.set(&[("PUBLIC_DRAFTS", "true")]);
    let output = installation.succeed(&["seed", "--users", "3", "--articles", "50"]);
    assert!(output.contains("3 users and 50 articles"), "{output}");

    let server = installation.serve(&[]);
    let list = server.client().get("/articles/").await.expect(StatusCode::OK);
    let articles = list.as_array().unwrap();
    assert_eq!(articles.len(), 50);
    let mut authors: Vec<&Value> = articles.iter().map(|article| &article["author_id"]).collect();
    authors.sort_by_key(|id| id.as_i64());
    authors.dedup();
    assert_eq!(authors, [&json!(1), &json!(2), &json!(3)]);
}

#[actix_web::test]
async fn after_seed_new_rows_get_the_next_ids() {
    let installation = Installation::new().await;
    installation.succeed(&["seed", "--users", "3", "--articles", "50"]);
    let server = installation.serve(&[]);
    let ann = server.client().sign_up("ann").await;
    assert_eq!(ann.write(Published::Yes).await.id, 51);
}

#[actix_web::test]
async fn a_command_whose_output_is_closed_ends_without_a_message() {
    let installation = Installation::new().await;
    for arguments in [&["openapi"][..], &["migrate", "up", "--sql"], &["migrate", "status"]] {
        let output = installation.run_closed(arguments);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(141), ""), "{arguments:?}");
    }
}

#[actix_web::test]
async fn seed_needs_the_name_of_the_database_in_production() {
    let installation = Installation::production().await;
    installation.succeed(&["migrate", "up"]);
    let amount = ["seed", "--users", "1", "--articles", "2"];
    let name = match installation.database.engine() {
        DbBackend::Sqlite => "byline.db".to_owned(),
        _ => installation.database.url().rsplit('/').next().unwrap().to_owned(),
    };
    for refused in [&[][..], &["--confirm", "production"], &["--confirm", ""]] {
        let message = installation.fail(&[&amount[..], refused].concat());
        assert!(message.contains(&format!("--confirm {name}")), "{message}");
    }
    let server = installation.serve(&[]);
    assert_eq!(server.client().get("/articles/").await.expect(StatusCode::OK), json!([]));

    let output = installation.succeed(&[&amount[..], &["--confirm", &name]].concat());
    assert!(output.contains(&name) && output.contains("1 users and 2 articles"), "{output}");
}

#[actix_web::test]
async fn seed_reports_no_articles_that_have_no_author() {
    let installation = Installation::new().await;
    let message = installation.fail(&["seed", "--users", "0", "--articles", "5"]);
    assert!(message.contains("at least one user"), "{message}");
    let output = installation.succeed(&["seed", "--users", "0", "--articles", "0"]);
    assert!(output.contains("0 users and 0 articles"), "{output}");
}

#[actix_web::test]
async fn commands_that_only_read_create_nothing() {
    let installation = Installation::new().await;
    let before = installation.files();
    for arguments in [
        &["openapi"][..],
        &["migrate", "status"],
        &["migrate", "lint"],
        &["migrate", "check"],
        &["migrate", "history"],
        &["migrate", "up", "--dry-run"],
        &["migrate", "up", "--sql"],
        &["migrate", "show", "blog_tables"],
        &["migrate", "wait", "--timeout", "0"],
        &["healthcheck"],
        &["--help"],
    ] {
        installation.run(arguments);
        assert_eq!(installation.files(), before, "{arguments:?}");
    }
}

#[actix_web::test]
async fn commands_that_only_read_leave_a_database_in_use_as_it_is() {
    let installation = Installation::on(TestDatabase::sqlite());
    let mut server = installation.serve(&[]);
    server.terminate();
    server.wait().await;
    let before = installation.files();
    for arguments in [&["migrate", "status"][..], &["migrate", "check"], &["migrate", "history"]] {
        installation.succeed(arguments);
        assert_eq!(installation.files(), before, "{arguments:?}");
    }
}

#[actix_web::test]
async fn migrate_needs_no_secret_key() {
    let installation = Installation::production().await.unset("SECRET_KEY");
    installation.succeed(&["migrate", "up"]);
    installation.succeed(&["migrate", "status"]);
    installation.succeed(&["openapi"]);
    assert!(!installation.files().iter().any(|file| file.contains("secret_key")));
    assert!(installation.fail(&[]).starts_with("byline: SECRET_KEY: production requires a key"));
}

#[actix_web::test]
async fn every_command_creates_a_sqlite_file_for_its_owner_only() {
    for arguments in [&["migrate", "up"][..], &["seed", "--users", "1", "--articles", "1"], &["serve"]] {
        let url = "sqlite://./outside/of/data.db";
        let installation =
            Installation::on(TestDatabase::sqlite()).set(&[("DATABASE_URL", url), ("BCRYPT_COST", "4")]);
        let server = (arguments == ["serve"]).then(|| installation.serve(arguments));
        if server.is_none() {
            installation.succeed(arguments);
        }
        for entry in fs::read_dir(installation.path("outside/of")).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{arguments:?}: {}", entry.path().display());
        }
        let mode = fs::metadata(installation.path("outside")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{arguments:?}");
    }
}

#[actix_web::test]
async fn parameters_of_another_driver_are_reported_by_migrate() {
    let url = "postgresql+asyncpg://ann:s3cret@127.0.0.1:1/blog?command_timeout=60&ssl=disable";
    let message =
        Installation::on(TestDatabase::sqlite()).set(&[("DATABASE_URL", url)]).fail(&["migrate", "status"]);
    assert_eq!(message.lines().count(), 2, "{message}");
    assert!(
        message.starts_with("byline: warning: DATABASE_URL: the parameter command_timeout "),
        "{message}"
    );
    assert!(!message.contains("s3cret"), "{message}");
}
