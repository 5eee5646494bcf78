//! Administrators manage accounts: they list, suspend, reinstate, promote, demote and delete them.

use actix_web::http::{Method, StatusCode};
use futures_util::future::join;
use serde_json::{Value, json};

use crate::support::{Client, PASSWORD, Published, TestApp, now, percent_encoded, sign_token, wait_until};

const LAST: &str = "The last administrator cannot be removed";

fn names(page: &Value) -> Vec<&str> {
    page.as_array().unwrap().iter().map(|account| account["username"].as_str().unwrap()).collect()
}

async fn search(admin: &Client, prefix: &str) -> Vec<String> {
    let page = admin.get(&format!("/admin/users?q={}", percent_encoded(prefix))).await.expect(StatusCode::OK);
    names(&page).into_iter().map(ToOwned::to_owned).collect()
}

/// Every route of the administration, for the account with this id.
fn routes(id: i64) -> Vec<(Method, String)> {
    let actions = ["suspend", "reinstate", "promote", "demote"];
    let actions = actions.map(|action| (Method::POST, format!("/admin/users/{id}/{action}")));
    let account = format!("/admin/users/{id}");
    let mut routes = vec![
        (Method::GET, "/admin/users".to_owned()),
        (Method::GET, "/admin/log".to_owned()),
        (Method::GET, account.clone()),
        (Method::DELETE, account),
    ];
    routes.extend(actions);
    routes
}

async fn send(client: &Client, method: &Method, path: &str) -> crate::support::Response {
    let request = client.request(method.clone(), path);
    if *method == Method::POST {
        request.json(&json!({ "articles": "keep" })).send().await
    } else {
        request.send().await
    }
}

#[actix_web::test]
async fn nobody_but_administrators_uses_the_administration() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let script =
        root.with_scopes(&["articles:read", "articles:write", "profile:read", "profile:write"]).await;
    for (method, path) in routes(ann.id) {
        send(&app.anonymous(), &method, &path).await.expect_unauthorized("Not authenticated");
        let forbidden = send(&ann, &method, &path).await;
        forbidden.expect_error(StatusCode::FORBIDDEN, "Only administrators may do this");
        let response = send(&script, &method, &path).await;
        assert_eq!(response.status, StatusCode::FORBIDDEN, "{method} {path}");
        let challenge = "Bearer error=\"insufficient_scope\", scope=\"admin\"";
        assert_eq!(response.header("www-authenticate"), Some(challenge), "{method} {path}");
    }
    assert_eq!(root.log().await, [""; 0]);
}

#[actix_web::test]
async fn a_token_with_the_scope_admin_loses_its_rights_with_its_account() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up_admin("ann").await);
    let script = ann.with_scopes(&["admin"]).await;
    script.get("/admin/users").await.expect(StatusCode::OK);
    root.act(&format!("/admin/users/{}/demote", ann.id)).await.expect(StatusCode::OK);
    for client in [&script, &ann] {
        let refused = client.get("/admin/users").await;
        refused.expect_error(StatusCode::FORBIDDEN, "Only administrators may do this");
    }
    let scopes = json!({ "name": "x", "scopes": ["admin"], "expires_in": 60 });
    let refused = ann.post("/users/me/tokens", &scopes).await;
    refused.expect_error(StatusCode::FORBIDDEN, "Only administrators may do this");
}

#[actix_web::test]
async fn accounts_are_listed_page_by_page_the_newest_first() {
    let app = TestApp::start().await;
    let root = app.sign_up_admin("root").await;
    for name in ["a", "b", "c", "d"] {
        app.sign_up(name).await;
    }
    let first = root.get("/admin/users?limit=2").await;
    assert_eq!(names(&first.expect(StatusCode::OK)), ["d", "c"]);
    assert_eq!(first.linked("prev"), None);
    let second = root.get(&first.linked("next").unwrap()).await;
    // An account that is created in the meantime does not shift the pages.
    app.sign_up("e").await;
    let third = root.get(&second.linked("next").unwrap()).await;
    assert_eq!(names(&second.expect(StatusCode::OK)), ["b", "a"]);
    assert_eq!(names(&third.expect(StatusCode::OK)), ["root"]);
    assert_eq!(third.linked("next"), None);
    let back = root.get(&third.linked("prev").unwrap()).await;
    assert_eq!(names(&back.expect(StatusCode::OK)), ["b", "a"]);
    let start = root.get(&back.linked("prev").unwrap()).await;
    assert_eq!(names(&start.expect(StatusCode::OK)), ["d", "c"]);
    assert!(start.linked("prev").is_some(), "e comes before");
    assert_eq!(names(&root.get("/admin/users?limit=0").await.expect(StatusCode::OK)), [""; 0]);
    root.get("/admin/users?limit=1001").await.expect(StatusCode::UNPROCESSABLE_ENTITY);
}

#[actix_web::test]
async fn an_account_shows_its_role_its_state_and_no_secret() {
    let app = TestApp::start().await;
    let root = app.sign_up_admin("root").await;
    let response = root.get(&format!("/admin/users/{}", root.id)).await;
    let account = response.expect(StatusCode::OK);
    assert_eq!((&account["is_admin"], &account["is_active"]), (&json!(true), &json!(true)));
    assert_eq!((&account["username"], &account["email"]), (&json!("root"), &json!("root@example.com")));
    assert!(!response.text().contains("$2b$") && !response.text().contains("password"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

#[actix_web::test]
async fn accounts_are_searched_by_the_start_of_their_names_and_addresses() {
    let app = TestApp::start().await;
    let root = app.sign_up_admin("root").await;
    app.insert_user("Zoe@Example.com", "an_a", Some("zoe@example.com"), "x").await;
    app.insert_user("yves@example.com", "ann%", Some("yves@example.com"), "x").await;
    app.insert_user("YVES@example.com", "Ángel", None, "x").await;
    app.sign_up("anna").await;
    for (prefix, found) in [
        ("an", &["anna", "ann%", "an_a"][..]),
        ("ann", &["anna", "ann%"]),
        // Neither is a wildcard.
        ("an_", &["an_a"]),
        ("ann%", &["ann%"]),
        ("%", &[]),
        ("a\\", &[]),
        // Case matters for names only.
        ("An", &["anna"]),
        ("AN_", &[]),
        ("ZOE@e", &["an_a"]),
        ("yves@", &["Ángel", "ann%"]),
        ("Á", &["Ángel"]),
        ("á", &[]),
        // The start only.
        ("nna", &[]),
        ("example.com", &[]),
        (&"a".repeat(255), &[]),
    ] {
        assert_eq!(search(&root, prefix).await, found, "{prefix}");
    }
    let invalid = root.get("/admin/users?q=").await;
    invalid.expect_invalid([("string_too_short", json!(["query", "q"]))]);
    let invalid = root.get("/admin/users?q=a%00").await;
    invalid.expect_invalid([("string_pattern_mismatch", json!(["query", "q"]))]);
    let invalid = root.get(&format!("/admin/users?q={}", "a".repeat(256))).await;
    invalid.expect_invalid([("string_too_long", json!(["query", "q"]))]);
}

#[actix_web::test]
async fn a_cursor_belongs_to_its_list() {
    let app = TestApp::start().await;
    let root = app.sign_up_admin("root").await;
    for name in ["ann", "anna"] {
        let client = app.sign_up(name).await;
        client.write(Published::Yes).await;
        root.act(&format!("/admin/users/{}/promote", client.id)).await.expect(StatusCode::OK);
    }
    let accounts = root.get("/admin/users?limit=1&q=ann").await.next_cursor();
    let log = root.get("/admin/log?limit=1").await.next_cursor();
    let articles = root.get("/articles/?limit=1").await.next_cursor();
    let all = root.get("/admin/users?limit=1").await.next_cursor();

    let next = root.get(&format!("/admin/users?cursor={accounts}")).await;
    assert_eq!(names(&next.expect(StatusCode::OK)), ["ann"]);
    root.get(&format!("/admin/users?q=ann&cursor={accounts}")).await.expect(StatusCode::OK);
    for query in [
        format!("/admin/users?cursor={log}"),
        format!("/admin/users?cursor={articles}"),
        format!("/admin/users?cursor={accounts}x"),
        format!("/admin/users?q=a&cursor={accounts}"),
        format!("/admin/users?q=ann&cursor={all}"),
        format!("/admin/log?cursor={accounts}"),
        format!("/admin/log?cursor={all}"),
        format!("/articles/?cursor={log}"),
        "/admin/log?cursor=".to_owned(),
        format!("/admin/log?cursor={}", "A".repeat(3000)),
    ] {
        let refused = root.get(&query).await;
        refused.expect_invalid([("value_error", json!(["query", "cursor"]))]);
    }
}

#[actix_web::test]
async fn a_suspended_account_stops_at_once_on_every_server() {
    let app = TestApp::start().await;
    let other = app.another(&[]);
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let session = other.anonymous().sign_in("ann", PASSWORD).await;
    let login = other.anonymous().log_in("ann", PASSWORD).await.json();
    let script = session.with_scopes(&["profile:read"]).await;
    let legacy = sign_token(&json!({ "sub": ann.id.to_string(), "exp": now().timestamp() + 600 }));
    let legacy = other.anonymous().with_token(&legacy);
    for client in [&session, &script, &legacy] {
        client.get("/users/me").await.expect(StatusCode::OK);
    }
    let suspended = root.suspend(ann.id, "keep").await.expect(StatusCode::OK);
    assert_eq!(suspended["is_active"], false);
    for client in [&session, &script, &legacy, &ann] {
        client.get("/users/me").await.expect_unauthorized("Could not validate credentials");
    }
    let refresh = json!({ "refresh_token": login["refresh_token"] });
    let refused = other.anonymous().post("/auth/refresh", &refresh).await;
    refused.expect_unauthorized("Could not validate credentials");
    // Only after the correct password.
    let refused = other.anonymous().log_in("ann", PASSWORD).await;
    refused.expect_error(StatusCode::FORBIDDEN, "The account is suspended");
    let untold = other.anonymous().log_in("ann", "a wrong password").await;
    untold.expect_unauthorized("Incorrect username or password");

    root.act(&format!("/admin/users/{}/reinstate", ann.id)).await.expect(StatusCode::OK);
    // What was ended does not come back.
    for client in [&session, &script, &legacy] {
        client.get("/users/me").await.expect_unauthorized("Could not validate credentials");
    }
    other.anonymous().sign_in("ann", PASSWORD).await.get("/users/me").await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn a_suspension_keeps_the_published_articles_if_asked_to() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let article = ann.write(Published::Yes).await;
    root.suspend(ann.id, "keep").await.expect(StatusCode::OK);
    let read = app.anonymous().get(&article.path()).await;
    assert_eq!((read.expect(StatusCode::OK), read.tag()), (article.json, article.tag));
}

#[actix_web::test]
async fn a_suspension_hides_published_articles_and_its_end_publishes_exactly_those() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let bob = app.sign_up("bob").await;
    let (one, draft, two) =
        (ann.write(Published::Yes).await, ann.write(Published::No).await, ann.write(Published::Yes).await);
    let others = bob.write(Published::Yes).await;
    let visitor = app.anonymous();
    // The cache has both before.
    assert_eq!(visitor.list_ids("").await, [others.id, two.id, one.id]);
    visitor.get(&one.path()).await.expect(StatusCode::OK);

    root.suspend(ann.id, "hide").await.expect(StatusCode::OK);
    assert_eq!(visitor.list_ids("").await, [others.id]);
    visitor.get(&one.path()).await.expect_error(StatusCode::NOT_FOUND, "Article not found");
    let hidden = root.get(&one.path()).await;
    let mut expected = one.json.clone();
    expected["published"] = json!(false);
    assert_eq!(hidden.expect(StatusCode::OK), expected, "updated_at is unchanged");
    assert_ne!(hidden.tag(), one.tag);

    root.act(&format!("/admin/users/{}/reinstate", ann.id)).await.expect(StatusCode::OK);
    assert_eq!(visitor.list_ids("").await, [others.id, two.id, one.id]);
    let shown = visitor.get(&one.path()).await;
    assert_eq!(shown.expect(StatusCode::OK), one.json);
    assert_ne!(shown.tag(), one.tag);
    visitor.get(&draft.path()).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(root.get(&draft.path()).await.tag(), draft.tag);
}

#[actix_web::test]
async fn another_server_hides_the_articles_of_a_suspended_account() {
    let app = TestApp::start().await;
    let other = app.another(&[]);
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let path = ann.write(Published::Yes).await.path();
    other.anonymous().get(&path).await.expect(StatusCode::OK);
    root.suspend(ann.id, "hide").await.expect(StatusCode::OK);
    let hidden = async || other.anonymous().get(&path).await.status == StatusCode::NOT_FOUND;
    wait_until("the other server hides it", hidden).await;
}

#[actix_web::test]
async fn the_articles_of_a_suspended_account_can_be_hidden_later() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let article = ann.write(Published::Yes).await;
    root.suspend(ann.id, "keep").await.expect(StatusCode::OK);
    root.suspend(ann.id, "hide").await.expect(StatusCode::OK);
    app.anonymous().get(&article.path()).await.expect(StatusCode::NOT_FOUND);
    // They stay as they are.
    root.suspend(ann.id, "keep").await.expect(StatusCode::OK);
    app.anonymous().get(&article.path()).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(root.log().await, ["user.suspend ann", "user.suspend ann"]);
}

#[actix_web::test]
async fn a_suspension_says_what_happens_to_the_articles() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let path = format!("/admin/users/{}/suspend", ann.id);
    root.post(&path, &json!({})).await.expect_invalid([("missing", json!(["body", "articles"]))]);
    for wrong in [json!("delete"), json!(null), json!(true), json!("HIDE")] {
        let refused = root.post(&path, &json!({ "articles": wrong })).await;
        refused.expect_invalid([("literal_error", json!(["body", "articles"]))]);
    }
    ann.get("/users/me").await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn a_promoted_account_administers_until_it_is_demoted() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let promoted = root.act(&format!("/admin/users/{}/promote", ann.id)).await.expect(StatusCode::OK);
    assert_eq!(promoted["is_admin"], true);
    ann.get("/admin/users").await.expect(StatusCode::OK);
    let demoted = ann.act(&format!("/admin/users/{}/demote", root.id)).await.expect(StatusCode::OK);
    assert_eq!(demoted["is_admin"], false);
    root.get("/admin/users").await.expect(StatusCode::FORBIDDEN);
    // The session goes on.
    root.get("/users/me").await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn a_deleted_account_takes_its_articles_along() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let article = ann.write(Published::Yes).await;
    app.anonymous().get(&article.path()).await.expect(StatusCode::OK);
    let path = format!("/admin/users/{}", ann.id);
    assert_eq!(root.delete(&path).await.expect(StatusCode::NO_CONTENT), Value::Null);
    app.anonymous().get(&article.path()).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(app.anonymous().list_ids("").await, [0; 0]);
    ann.get("/users/me").await.expect_unauthorized("Could not validate credentials");
    root.delete(&path).await.expect_error(StatusCode::NOT_FOUND, "User not found");
}

#[actix_web::test]
async fn an_unknown_account_is_404() {
    let app = TestApp::start().await;
    let root = app.sign_up_admin("root").await;
    for id in [0, -1, 999_999, 3_000_000_000] {
        for (method, path) in routes(id).into_iter().skip(2) {
            send(&root, &method, &path).await.expect_error(StatusCode::NOT_FOUND, "User not found");
        }
    }
    let refused = root.get("/admin/users/root").await;
    refused.expect_invalid([("int_parsing", json!(["path", "user_id"]))]);
    assert_eq!(root.log().await, [""; 0]);
}

#[actix_web::test]
async fn the_last_administrator_is_not_removed() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up_admin("ann").await);
    app.sign_up("bob").await;
    // A suspended administrator does not count.
    root.suspend(ann.id, "keep").await.expect(StatusCode::OK);
    let account = format!("/admin/users/{}", root.id);
    root.act(&format!("{account}/demote")).await.expect_error(StatusCode::CONFLICT, LAST);
    root.suspend(root.id, "hide").await.expect_error(StatusCode::CONFLICT, LAST);
    root.delete(&account).await.expect_error(StatusCode::CONFLICT, LAST);
    root.get("/admin/users").await.expect(StatusCode::OK);
    // The suspended one can be removed.
    root.delete(&format!("/admin/users/{}", ann.id)).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(root.log().await, ["user.delete ann", "user.suspend ann"]);
}

#[actix_web::test]
async fn an_administrator_may_remove_themselves_if_another_remains() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up_admin("ann").await);
    root.act(&format!("/admin/users/{}/demote", root.id)).await.expect(StatusCode::OK);
    root.get("/admin/users").await.expect(StatusCode::FORBIDDEN);
    ann.get("/admin/users").await.expect(StatusCode::OK);
}

/// Two administrators remove each other at the same time, each on a server of its own. One of them must remain.
#[actix_web::test]
async fn two_requests_at_once_leave_an_administrator() {
    let app = TestApp::start().await;
    let other = app.another(&[]);
    let watcher = app.sign_up("watcher").await;
    for (round, actions) in
        [["demote", "demote"], ["suspend", "demote"], ["DELETE", "suspend"], ["DELETE", "DELETE"]]
            .iter()
            .cycle()
            .take(12)
            .enumerate()
    {
        let one = app.sign_up_admin(&format!("one{round}")).await;
        let two = app.sign_up_admin(&format!("two{round}")).await;
        let on_other = other.anonymous().with_token(two.token.as_ref().unwrap());
        let remove = async |client: &Client, id: i64, action: &str| {
            let (method, path) = match action {
                "DELETE" => (Method::DELETE, format!("/admin/users/{id}")),
                action => (Method::POST, format!("/admin/users/{id}/{action}")),
            };
            send(client, &method, &path).await.status
        };
        let statuses = join(remove(&one, two.id, actions[0]), remove(&on_other, one.id, actions[1])).await;
        let done = [statuses.0, statuses.1].iter().filter(|status| status.is_success()).count();
        assert_eq!(done, 1, "{actions:?}: {statuses:?}");
        let left = app.number("SELECT count(*) FROM users WHERE is_admin AND is_active").await;
        assert_eq!(left, 1, "{actions:?}");
        app.sql(&format!("DELETE FROM users WHERE id <> {}", watcher.id)).await;
    }
}

#[actix_web::test]
async fn an_action_that_changes_nothing_writes_nothing() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let read = async || root.get(&format!("/admin/users/{}", ann.id)).await.json();
    let before = read().await;
    for action in ["reinstate", "demote"] {
        root.act(&format!("/admin/users/{}/{action}", ann.id)).await.expect(StatusCode::OK);
    }
    assert_eq!(read().await, before);
    ann.get("/users/me").await.expect(StatusCode::OK);
    assert_eq!(root.log().await, [""; 0]);

    root.suspend(ann.id, "hide").await.expect(StatusCode::OK);
    let suspended = read().await;
    assert_ne!(suspended["updated_at"], before["updated_at"]);
    for articles in ["keep", "hide"] {
        assert_eq!(root.suspend(ann.id, articles).await.expect(StatusCode::OK), suspended);
    }
    assert_eq!(root.log().await, ["user.suspend ann"]);
}
