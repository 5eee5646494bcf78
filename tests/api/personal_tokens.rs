//! Personal access tokens: scopes, expiry, revocation, and what they cannot do.

use actix_web::http::StatusCode;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{Client, PASSWORD, Published, TestApp, article_body};

const BAD_CREDENTIALS: &str = "Could not validate credentials";

async fn create(client: &Client, scopes: &[&str], seconds: i64) -> Value {
    let body = json!({ "name": "script", "scopes": scopes, "expires_in": seconds });
    client.post("/users/me/tokens", &body).await.expect(StatusCode::CREATED)
}

/// A client that sends a new token with these scopes.
async fn script(client: &Client, scopes: &[&str]) -> Client {
    client.with_token(create(client, scopes, 3600).await["token"].as_str().unwrap())
}

#[actix_web::test]
async fn a_token_is_shown_once_and_stored_as_a_hash() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let created = create(&ann, &["articles:write", "articles:read", "articles:read"], 60).await;
    let token = created["token"].as_str().unwrap();
    assert!(token.starts_with("blp_") && token.len() == 76, "{token}");
    let description = &created["description"];
    assert_eq!(description["scopes"], json!(["articles:read", "articles:write"]));
    assert_eq!(description["last_used_at"], Value::Null);
    let listed = ann.get("/users/me/tokens").await.expect(StatusCode::OK);
    assert_eq!(&listed[0], description);
    assert!(listed[0].get("token").is_none() && !listed.to_string().contains(token));
    assert_ne!(app.text("SELECT hash FROM personal_tokens").await, token);
}

#[actix_web::test]
async fn a_token_acts_for_its_owner_within_its_scopes() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let draft = ann.write(Published::No).await;
    let reader = script(&ann, &["articles:read"]).await;
    reader.get(&draft.path()).await.expect(StatusCode::OK);
    assert_eq!(reader.get("/articles/").await.expect(StatusCode::OK).as_array().unwrap().len(), 1);
    let writer = script(&ann, &["articles:write"]).await;
    let article = writer.post("/articles/", &article_body("By a script")).await.expect(StatusCode::CREATED);
    assert_eq!(article["author_id"], ann.id);
    let profile = script(&ann, &["profile:read", "profile:write"]).await;
    assert_eq!(profile.get("/users/me").await.expect(StatusCode::OK)["username"], "ann");
    profile.patch("/users/me", &json!({ "bio": "Writes." })).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn a_token_without_the_scope_is_told_which_one_it_needs() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let wrong = script(&ann, &["profile:read"]).await;
    for (response, scope) in [
        (wrong.get("/articles/").await, "articles:read"),
        (wrong.get(&article.path()).await, "articles:read"),
        (wrong.post("/articles/", &article_body("No")).await, "articles:write"),
        (wrong.patch(&article.path(), &json!({ "title": "No" })).await, "articles:write"),
        (wrong.delete(&article.path()).await, "articles:write"),
        (wrong.patch("/users/me", &json!({ "bio": "No" })).await, "profile:write"),
    ] {
        response.expect_error(StatusCode::FORBIDDEN, &format!("The token does not have the scope {scope}"));
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
        assert_eq!(response.header("www-authenticate"), Some(challenge.as_str()));
    }
}

#[actix_web::test]
async fn no_token_manages_sessions_tokens_passwords_or_the_account() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let all = ["articles:read", "articles:write", "profile:read", "profile:write"];
    let script = script(&ann, &all).await;
    let password = json!({ "password": PASSWORD });
    for response in [
        script.get("/users/me/sessions").await,
        script.delete("/users/me/sessions").await,
        script.post("/auth/logout", &json!({})).await,
        script.get("/users/me/tokens").await,
        script.post("/users/me/tokens", &json!({ "name": "x", "scopes": all, "expires_in": 60 })).await,
        script.delete("/users/me/tokens/1").await,
        script.post("/users/me/delete", &password).await,
    ] {
        response.expect_error(StatusCode::FORBIDDEN, "A personal access token cannot be used here");
        assert_eq!(response.header("www-authenticate"), Some("Bearer error=\"insufficient_scope\""));
    }
}

#[actix_web::test]
async fn a_token_expires_and_is_listed_for_a_while() {
    let app = TestApp::stopped(&[("ACCESS_TOKEN_EXPIRE_MINUTES", "1000000")]).await;
    let ann = app.sign_up("ann").await;
    let script = script(&ann, &["articles:read"]).await;
    app.advance(TimeDelta::seconds(3599));
    script.get("/articles/").await.expect(StatusCode::OK);
    app.advance(TimeDelta::seconds(1));
    script.get("/articles/").await.expect_unauthorized(BAD_CREDENTIALS);
    app.delete_expired().await;
    assert_eq!(app.number("SELECT COUNT(*) FROM personal_tokens").await, 1);
    app.advance(TimeDelta::days(31));
    app.delete_expired().await;
    assert_eq!(app.number("SELECT COUNT(*) FROM personal_tokens").await, 0);
}

#[actix_web::test]
async fn a_revoked_token_is_rejected_at_once_on_every_server() {
    let app = TestApp::start().await;
    let other = app.another(&[]);
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let created = create(&ann, &["articles:read"], 3600).await;
    let script = other.anonymous().with_token(created["token"].as_str().unwrap());
    script.get("/articles/").await.expect(StatusCode::OK);
    let path = format!("/users/me/tokens/{}", created["description"]["id"]);
    bob.delete(&path).await.expect_error(StatusCode::NOT_FOUND, "Personal access token not found");
    script.get("/articles/").await.expect(StatusCode::OK);
    assert_eq!(ann.delete(&path).await.status, StatusCode::NO_CONTENT);
    script.get("/articles/").await.expect_unauthorized(BAD_CREDENTIALS);
}

#[actix_web::test]
async fn the_last_use_is_written_at_most_once_a_minute() {
    let app = TestApp::stopped(&[]).await;
    let ann = app.sign_up("ann").await;
    let script = script(&ann, &["articles:read"]).await;
    let last_use = async || ann.get("/users/me/tokens").await.json()[0]["last_used_at"].clone();
    script.get("/articles/").await.expect(StatusCode::OK);
    let first = last_use().await;
    assert_ne!(first, Value::Null);
    app.advance(TimeDelta::seconds(59));
    script.get("/articles/").await.expect(StatusCode::OK);
    assert_eq!(last_use().await, first);
    app.advance(TimeDelta::seconds(1));
    script.get("/articles/").await.expect(StatusCode::OK);
    assert_ne!(last_use().await, first);
}

#[actix_web::test]
async fn a_request_for_a_token_names_each_error() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let post = async |body: Value| ann.post("/users/me/tokens", &body).await;
    let missing = |name: &str| ("missing", json!(["body", name]));
    post(json!({})).await.expect_invalid([missing("name"), missing("scopes"), missing("expires_in")]);
    post(json!({ "name": "", "scopes": [], "expires_in": 0 })).await.expect_invalid([
        ("string_too_short", json!(["body", "name"])),
        ("too_short", json!(["body", "scopes"])),
        ("greater_than_equal", json!(["body", "expires_in"])),
    ]);
    let unknown = json!({ "name": "x", "scopes": ["articles:read", "root"], "expires_in": 31_622_401 });
    post(unknown).await.expect_invalid([
        ("literal_error", json!(["body", "scopes", 1])),
        ("less_than_equal", json!(["body", "expires_in"])),
    ]);
    post(json!({ "name": "x", "scopes": ["admin"], "expires_in": 60 }))
        .await
        .expect_error(StatusCode::FORBIDDEN, "Only administrators may do this");
}

#[actix_web::test]
async fn an_account_has_at_most_a_hundred_tokens() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for _ in 0..100 {
        create(&ann, &["articles:read"], 60).await;
    }
    let body = json!({ "name": "one more", "scopes": ["articles:read"], "expires_in": 60 });
    ann.post("/users/me/tokens", &body).await.expect_error(
        StatusCode::CONFLICT,
        "The account has too many personal access tokens; revoke one first",
    );
    let ids = ann.get("/users/me/tokens").await.expect(StatusCode::OK);
    assert_eq!(ids.as_array().unwrap().len(), 100);
}

#[actix_web::test]
async fn text_that_only_resembles_a_token_is_rejected() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let created = create(&ann, &["articles:read"], 3600).await;
    let token = created["token"].as_str().unwrap();
    let end = if token.ends_with('0') { "1" } else { "0" };
    for other in
        ["blp_".to_owned(), token[..75].to_owned(), format!("{}{end}", &token[..75]), token.to_uppercase()]
    {
        ann.with_token(&other).get("/articles/").await.expect_unauthorized(BAD_CREDENTIALS);
    }
}
