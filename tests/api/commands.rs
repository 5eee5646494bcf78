//! The commands of the binary, besides serving and migrating.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    document::document,
    support::{Installation, PASSWORD, Published, stderr},
};

#[actix_web::test]
async fn an_operator_creates_accounts_where_registration_is_closed() {
    let installation = Installation::new().await.set(&[("REGISTRATION", "closed")]);
    let arguments = ["user", "create", "--email", "ann@example.com", "--username", "ann"];
    let output = installation.run_with_input(&arguments, PASSWORD);

    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("$2b$"), "the hash is printed");
    let account: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(account["username"], "ann");
    let server = installation.serve(&[]);
    let ann = server.client().sign_in("ann", PASSWORD).await;
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
