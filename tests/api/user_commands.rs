//! `byline user …`, also while a server uses the database.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Installation, PASSWORD, Published, ServerProcess, stderr, wait_until};

const OTHER_PASSWORD: &str = "another horse battery";

/// An installation with an administrator, root, and a running server.
async fn served() -> (Installation, ServerProcess) {
    let installation = Installation::new().await;
    create(&installation, "root", &["--admin"]);
    let server = installation.serve(&[]);
    (installation, server)
}

fn create(installation: &Installation, name: &str, further: &[&str]) -> Value {
    let email = format!("{name}@example.com");
    let arguments = ["user", "create", "--email", &email, "--username", name, "--json"];
    let output = installation.run_with_input(&[&arguments[..], further].concat(), PASSWORD);
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn show(installation: &Installation, name: &str) -> Value {
    serde_json::from_str(&installation.succeed(&["user", "show", name, "--json"])).unwrap()
}

#[actix_web::test]
async fn the_operator_creates_the_first_administrator() {
    let installation = Installation::new().await;
    let root = create(&installation, "root", &["--admin"]);
    let ann = create(&installation, "ann", &[]);
    assert_eq!((&root["is_admin"], &ann["is_admin"]), (&json!(true), &json!(false)));
    let server = installation.serve(&[]);
    let root = server.client().sign_in("root", PASSWORD).await;
    assert_eq!(root.log().await, ["user.create ann", "user.create root"]);
    let refused = server.client().sign_in("ann", PASSWORD).await.get("/admin/users").await;
    refused.expect_error(StatusCode::FORBIDDEN, "Only administrators may do this");
}

#[actix_web::test]
async fn an_account_is_named_by_its_name_or_by_its_id() {
    let installation = Installation::new().await;
    let ann = create(&installation, "ann", &[]);
    // A name can look like an id.
    let digits = create(&installation, &ann["id"].to_string(), &[]);
    let by_id = installation.succeed(&["user", "show", "--id", &ann["id"].to_string(), "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&by_id).unwrap(), ann);
    assert_eq!(show(&installation, "ann"), ann);
    assert_eq!(show(&installation, &ann["id"].to_string()), digits);
    for arguments in [&["user", "show", "Ann"][..], &["user", "show", "--id", "999"], &["user", "show", ""]] {
        assert_eq!(installation.fail(arguments), "byline: User not found\n");
    }
    for arguments in [&["user", "show"][..], &["user", "show", "ann", "--id", "1"]] {
        assert_eq!(installation.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[actix_web::test]
async fn accounts_are_shown_and_listed_for_people_and_as_json() {
    let installation = Installation::new().await;
    let (root, ann) = (create(&installation, "root", &["--admin"]), create(&installation, "ann", &[]));
    let list = installation.succeed(&["user", "list", "--json"]);
    let list: Vec<Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(list, [ann.clone(), root]);
    let lines = installation.succeed(&["user", "list"]);
    assert!(lines.lines().next().unwrap().contains("ann@example.com"), "{lines}");
    let found = installation.succeed(&["user", "list", "--search", "ro"]);
    assert!(
        found.contains("root") && found.contains("administrator") && found.lines().count() == 1,
        "{found}"
    );
    assert_eq!(installation.succeed(&["user", "list", "--search", "oot"]), "");
    assert!(installation.fail(&["user", "list", "--search", ""]).contains("search"));
    let shown = installation.succeed(&["user", "show", "ann"]);
    assert!(shown.contains("ann@example.com") && shown.contains("active"), "{shown}");
    assert!(!shown.contains("$2b$"), "{shown}");
}

#[actix_web::test]
async fn a_suspension_takes_effect_on_the_running_server() {
    let (installation, server) = served().await;
    create(&installation, "ann", &[]);
    let ann = server.client().sign_in("ann", PASSWORD).await;
    let path = ann.write(Published::Yes).await.path();
    let visitor = server.client();
    visitor.get(&path).await.expect(StatusCode::OK);

    installation.succeed(&["user", "suspend", "ann", "--hide-articles"]);
    ann.get("/users/me").await.expect_unauthorized("Could not validate credentials");
    let is = async |status| visitor.get(&path).await.status == status;
    wait_until("the article is hidden", async || is(StatusCode::NOT_FOUND).await).await;
    installation.succeed(&["user", "reinstate", "ann"]);
    wait_until("the article is published", async || is(StatusCode::OK).await).await;
    let ann = server.client().sign_in("ann", PASSWORD).await;
    installation.succeed(&["user", "suspend", "ann"]);
    ann.get("/users/me").await.expect_unauthorized("Could not validate credentials");
    visitor.get(&path).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn the_last_administrator_is_not_removed_by_commands_either() {
    let (installation, server) = served().await;
    create(&installation, "ann", &[]);
    for command in [&["demote", "root"][..], &["suspend", "root"], &["delete", "root", "--yes"]] {
        let message = installation.fail(&[&["user"], command].concat());
        assert_eq!(message, "byline: The last administrator cannot be removed\n");
    }
    installation.succeed(&["user", "promote", "ann"]);
    installation.succeed(&["user", "demote", "root"]);
    assert_eq!(show(&installation, "root")["is_admin"], false);
    server.client().sign_in("ann", PASSWORD).await.get("/admin/users").await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn a_password_that_the_operator_sets_ends_all_sessions_and_tokens() {
    let (installation, server) = served().await;
    create(&installation, "ann", &[]);
    let ann = server.client().sign_in("ann", PASSWORD).await;
    let script = ann.with_scopes(&["profile:read"]).await;
    let set = |password| installation.run_with_input(&["user", "set-password", "ann"], password);

    let refused = set("short");
    assert_eq!(refused.status.code(), Some(1));
    let message = stderr(&refused);
    assert!(
        message.contains("password: String should have at least 8") && !message.contains("short"),
        "{message}"
    );
    ann.get("/users/me").await.expect(StatusCode::OK);

    assert!(set(OTHER_PASSWORD).status.success());
    for client in [&ann, &script] {
        client.get("/users/me").await.expect_unauthorized("Could not validate credentials");
    }
    server.client().log_in("ann", PASSWORD).await.expect(StatusCode::UNAUTHORIZED);
    server.client().sign_in("ann", OTHER_PASSWORD).await;
}

#[actix_web::test]
async fn no_command_takes_a_password_as_an_argument() {
    let installation = Installation::new().await;
    create(&installation, "ann", &[]);
    for arguments in [
        &["user", "set-password", "ann", "a password"][..],
        &["user", "set-password", "ann", "--password", "a password"],
        &["user", "create", "--email", "b@example.com", "--username", "bob", "--password", "a password"],
    ] {
        assert_eq!(installation.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[actix_web::test]
async fn deleting_an_account_needs_a_confirmation() {
    let (installation, server) = served().await;
    create(&installation, "ann", &[]);
    let ann = server.client().sign_in("ann", PASSWORD).await;
    let path = ann.write(Published::Yes).await.path();
    server.client().get(&path).await.expect(StatusCode::OK);

    let message = installation.fail(&["user", "delete", "ann"]);
    assert!(message.contains("--yes") && message.lines().count() == 1, "{message}");
    // An answer that is piped is none: scripts say --yes.
    let piped = installation.run_with_input(&["user", "delete", "ann"], "y");
    assert_eq!(piped.status.code(), Some(1));
    ann.get("/users/me").await.expect(StatusCode::OK);

    installation.succeed(&["user", "delete", "ann", "--yes"]);
    ann.get("/users/me").await.expect_unauthorized("Could not validate credentials");
    let gone = async || server.client().get(&path).await.status == StatusCode::NOT_FOUND;
    wait_until("the article is gone", gone).await;
    assert_eq!(installation.fail(&["user", "show", "ann"]), "byline: User not found\n");
}

#[actix_web::test]
async fn the_operator_lists_and_ends_sessions() {
    let (installation, server) = served().await;
    create(&installation, "ann", &[]);
    let (one, two) =
        (server.client().sign_in("ann", PASSWORD).await, server.client().sign_in("ann", PASSWORD).await);
    let script = one.with_scopes(&["profile:read"]).await;
    let listed = installation.succeed(&["user", "sessions", "ann", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let own = one.get("/users/me/sessions").await.json();
    let ids = |list: &Value| -> Vec<Value> {
        list.as_array().unwrap().iter().map(|row| row["id"].clone()).collect()
    };
    assert_eq!(ids(&listed), ids(&own));
    assert_eq!(installation.succeed(&["user", "sessions", "ann"]).lines().count(), 2);

    assert_eq!(installation.succeed(&["user", "sessions", "ann", "--end"]), "");
    for client in [&one, &two] {
        client.get("/users/me").await.expect_unauthorized("Could not validate credentials");
    }
    script.get("/users/me").await.expect(StatusCode::OK);
    assert_eq!(installation.succeed(&["user", "sessions", "ann"]), "");
}

#[actix_web::test]
async fn every_command_is_an_entry_without_an_actor() {
    let (installation, server) = served().await;
    create(&installation, "ann", &[]);
    for command in [
        &["promote", "ann"][..],
        &["promote", "ann"],
        &["demote", "ann"],
        &["suspend", "ann"],
        &["reinstate", "ann"],
        &["reinstate", "ann"],
        &["sessions", "ann", "--end"],
        &["delete", "ann", "--yes"],
    ] {
        installation.succeed(&[&["user"], command].concat());
    }
    let log = server.client().sign_in("root", PASSWORD).await.get("/admin/log").await.expect(StatusCode::OK);
    let entries = log.as_array().unwrap();
    let actions: Vec<&str> = entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        [
            "user.delete",
            "user.end_sessions",
            "user.reinstate",
            "user.suspend",
            "user.demote",
            "user.promote",
            "user.create",
            "user.create"
        ]
    );
    for entry in entries {
        assert_eq!([&entry["actor_id"], &entry["actor"], &entry["address"]], [&Value::Null; 3], "{entry}");
    }
}
