//! Sessions: refresh tokens, ends of sessions, and what they mean for access tokens.

use actix_web::http::StatusCode;
use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Client, PASSWORD, Response, TestApp, now, sign_token};

const BAD_CREDENTIALS: &str = "Could not validate credentials";

/// A signed-in client and its refresh token.
struct Session {
    client: Client,
    refresh_token: String,
}

impl Session {
    fn of(app: &TestApp, tokens: &Value) -> Self {
        let client = app.anonymous().with_token(tokens["access_token"].as_str().unwrap());
        Self { client, refresh_token: tokens["refresh_token"].as_str().unwrap().to_owned() }
    }

    async fn start(app: &TestApp, name: &str) -> Self {
        Self::of(app, &app.anonymous().log_in(name, PASSWORD).await.expect(StatusCode::OK))
    }

    async fn is_valid(&self) -> bool {
        is_valid(&self.client).await
    }
}

async fn is_valid(client: &Client) -> bool {
    let response = client.get("/users/me").await;
    if response.status == StatusCode::OK {
        return true;
    }
    response.expect_unauthorized(BAD_CREDENTIALS);
    false
}

async fn refresh(app: &TestApp, token: &str) -> Response {
    app.anonymous().post("/auth/refresh", &json!({ "refresh_token": token })).await
}

async fn sessions(client: &Client) -> Vec<Value> {
    client.get("/users/me/sessions").await.expect(StatusCode::OK).as_array().unwrap().clone()
}

/// An access token as the FastAPI blog issued it.
fn legacy(app: &TestApp, client: &Client) -> Client {
    let expires = (now() + TimeDelta::hours(1)).timestamp();
    let token = sign_token(&json!({ "sub": client.id.to_string(), "exp": expires }));
    app.anonymous().with_token(&token)
}

#[actix_web::test]
async fn a_login_returns_the_lifetimes_of_both_tokens() {
    let app = TestApp::with(&[("ACCESS_TOKEN_EXPIRE_MINUTES", "5"), ("SESSION_IDLE_DAYS", "2")]).await;
    app.sign_up("ann").await;
    let tokens = app.anonymous().log_in("ann", PASSWORD).await.expect(StatusCode::OK);
    assert_eq!(tokens["token_type"], "bearer");
    assert_eq!((&tokens["expires_in"], &tokens["refresh_expires_in"]), (&json!(300), &json!(172_800)));
}

#[actix_web::test]
async fn a_refresh_returns_new_tokens_of_the_same_session() {
    let app = TestApp::stopped(&[]).await;
    app.sign_up("ann").await;
    let first = Session::start(&app, "ann").await;
    app.advance(TimeDelta::minutes(20));
    let second = Session::of(&app, &refresh(&app, &first.refresh_token).await.expect(StatusCode::OK));
    assert_ne!(second.refresh_token, first.refresh_token);
    assert!(first.is_valid().await && second.is_valid().await);
    let current: Vec<_> =
        sessions(&second.client).await.into_iter().filter(|session| session["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_ne!(current[0]["last_used_at"], current[0]["created_at"]);
    app.advance(TimeDelta::minutes(15));
    assert!(!first.is_valid().await, "the access token has expired");
    assert!(second.is_valid().await);
}

#[actix_web::test]
async fn a_client_that_lost_the_response_gets_the_same_successor_for_ten_seconds() {
    let app = TestApp::stopped(&[]).await;
    app.sign_up("ann").await;
    let first = Session::start(&app, "ann").await;
    let second = Session::of(&app, &refresh(&app, &first.refresh_token).await.expect(StatusCode::OK));
    app.advance(TimeDelta::seconds(10));
    let again = Session::of(&app, &refresh(&app, &first.refresh_token).await.expect(StatusCode::OK));
    assert_eq!(again.refresh_token, second.refresh_token);
    assert!(again.is_valid().await);
}

#[actix_web::test]
async fn a_refresh_token_that_is_used_again_later_ends_the_session() {
    let app = TestApp::stopped(&[]).await;
    app.sign_up("ann").await;
    let (first, other) = (Session::start(&app, "ann").await, Session::start(&app, "ann").await);
    let second = Session::of(&app, &refresh(&app, &first.refresh_token).await.expect(StatusCode::OK));
    app.advance(TimeDelta::seconds(11));
    refresh(&app, &first.refresh_token).await.expect_unauthorized(BAD_CREDENTIALS);
    assert!(!second.is_valid().await && !first.is_valid().await);
    refresh(&app, &second.refresh_token).await.expect_unauthorized(BAD_CREDENTIALS);
    assert!(other.is_valid().await, "another session is not affected");
}

#[actix_web::test]
async fn a_refresh_token_before_the_previous_one_ends_the_session_at_once() {
    let app = TestApp::stopped(&[]).await;
    app.sign_up("ann").await;
    let first = Session::start(&app, "ann").await;
    let second = Session::of(&app, &refresh(&app, &first.refresh_token).await.expect(StatusCode::OK));
    let third = Session::of(&app, &refresh(&app, &second.refresh_token).await.expect(StatusCode::OK));
    refresh(&app, &first.refresh_token).await.expect_unauthorized(BAD_CREDENTIALS);
    assert!(!third.is_valid().await);
}

#[actix_web::test]
async fn a_forged_refresh_token_of_a_known_session_does_not_end_it() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    let session = Session::start(&app, "ann").await;
    let (signed, signature) = session.refresh_token.rsplit_once('.').unwrap();
    for forged in
        [format!("{signed}0.{signature}"), format!("{signed}.{signature}0"), signed.to_owned(), String::new()]
    {
        refresh(&app, &forged).await.expect_unauthorized(BAD_CREDENTIALS);
    }
    assert!(session.is_valid().await);
    refresh(&app, &session.refresh_token).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn a_refresh_token_and_an_access_token_are_not_exchangeable() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    let session = Session::start(&app, "ann").await;
    refresh(&app, session.client.token.as_ref().unwrap()).await.expect_unauthorized(BAD_CREDENTIALS);
    assert!(!is_valid(&app.anonymous().with_token(&session.refresh_token)).await);
}

#[actix_web::test]
async fn concurrent_refreshes_of_one_token_on_two_servers_yield_one_family() {
    let app = TestApp::start().await;
    let other = app.another(&[]);
    app.sign_up("ann").await;
    for _ in 0..5 {
        let session = Session::start(&app, "ann").await;
        let token = &session.refresh_token;
        let requests = (0..8).map(|number| refresh(if number % 2 == 0 { &app } else { &other }, token));
        let mut successors: Vec<String> = join_all(requests)
            .await
            .iter()
            .map(|response| response.expect(StatusCode::OK)["refresh_token"].as_str().unwrap().to_owned())
            .collect();
        successors.dedup();
        assert_eq!(successors.len(), 1, "one family");
    }
}

#[actix_web::test]
async fn a_session_ends_without_use_and_at_its_maximum_age() {
    let app = TestApp::stopped(&[("SESSION_IDLE_DAYS", "2"), ("SESSION_MAX_DAYS", "3")]).await;
    app.sign_up("ann").await;
    let idle = Session::start(&app, "ann").await;
    app.advance(TimeDelta::days(2));
    refresh(&app, &idle.refresh_token).await.expect_unauthorized(BAD_CREDENTIALS);

    let used = Session::start(&app, "ann").await;
    app.advance(TimeDelta::hours(40));
    let renewed = refresh(&app, &used.refresh_token).await.expect(StatusCode::OK);
    assert_eq!(renewed["refresh_expires_in"], 32 * 60 * 60, "the maximum age comes first");
    app.advance(TimeDelta::hours(32));
    let token = renewed["refresh_token"].as_str().unwrap();
    refresh(&app, token).await.expect_unauthorized(BAD_CREDENTIALS);
}

#[actix_web::test]
async fn an_access_token_is_valid_for_its_lifetime_although_its_session_is_idle() {
    let year = (365 * 24 * 60).to_string();
    let app = TestApp::stopped(&[("ACCESS_TOKEN_EXPIRE_MINUTES", &year), ("SESSION_IDLE_DAYS", "1")]).await;
    let ann = app.sign_up("ann").await;
    app.advance(TimeDelta::days(364));
    app.delete_expired().await;
    assert!(is_valid(&ann).await);
}

#[actix_web::test]
async fn the_task_deletes_expired_sessions_only() {
    let app = TestApp::stopped(&[("SESSION_IDLE_DAYS", "1")]).await;
    app.sign_up("ann").await;
    app.advance(TimeDelta::hours(23));
    let second = Session::start(&app, "ann").await;
    app.advance(TimeDelta::hours(2));
    assert_eq!(app.number("SELECT COUNT(*) FROM sessions").await, 2);
    app.delete_expired().await;
    assert_eq!(app.number("SELECT COUNT(*) FROM sessions").await, 1);
    refresh(&app, &second.refresh_token).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn a_logout_ends_the_session_at_once_on_every_server() {
    let app = TestApp::start().await;
    let other = app.another(&[]);
    app.sign_up("ann").await;
    let (one, two) = (Session::start(&app, "ann").await, Session::start(&app, "ann").await);
    let elsewhere = other.anonymous().with_token(one.client.token.as_ref().unwrap());
    assert!(is_valid(&elsewhere).await);
    let response = one.client.post("/auth/logout", &json!({})).await;
    assert_eq!(response.status, StatusCode::NO_CONTENT);
    assert!(!is_valid(&elsewhere).await && !one.is_valid().await);
    refresh(&other, &one.refresh_token).await.expect_unauthorized(BAD_CREDENTIALS);
    one.client.post("/auth/logout", &json!({})).await.expect_unauthorized(BAD_CREDENTIALS);
    assert!(two.is_valid().await);
}

#[actix_web::test]
async fn a_token_of_an_ended_session_hides_its_owners_drafts_with_an_error() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    ann.post("/auth/logout", &json!({})).await;
    ann.get("/articles/").await.expect_unauthorized(BAD_CREDENTIALS);
}

#[actix_web::test]
async fn the_list_shows_device_address_and_the_current_session() {
    let app = TestApp::with(&[("TRUSTED_PROXIES", r#"["127.0.0.1"]"#)]).await;
    let ann = app.sign_up("ann").await;
    let login = app.anonymous();
    let form = format!("username=ann&password={}", PASSWORD.replace(' ', "+"));
    let agent = format!("Browser {}", "x".repeat(300));
    login
        .request(actix_web::http::Method::POST, "/auth/login")
        .header("x-forwarded-for", "2001:db8::7")
        .header("user-agent", &agent)
        .body("application/x-www-form-urlencoded", form)
        .send()
        .await
        .expect(StatusCode::OK);
    let listed = sessions(&ann).await;
    assert_eq!(listed.len(), 2);
    assert_eq!((&listed[0]["address"], &listed[0]["current"]), (&json!("2001:db8::7"), &json!(false)));
    assert_eq!(listed[0]["device"], agent[..200], "cut");
    assert_eq!(listed[1]["current"], true);
}

#[actix_web::test]
async fn a_user_ends_one_of_their_sessions_but_none_of_others() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let other = Session::start(&app, "ann").await;
    let listed = sessions(&ann).await;
    let id = listed.iter().find(|session| session["current"] == false).unwrap()["id"].as_str().unwrap();
    let path = format!("/users/me/sessions/{id}");
    bob.delete(&path).await.expect_error(StatusCode::NOT_FOUND, "Session not found");
    assert!(other.is_valid().await);
    assert_eq!(ann.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert!(!other.is_valid().await && is_valid(&ann).await);
    for unknown in [path.as_str(), "/users/me/sessions/%00"] {
        ann.delete(unknown).await.expect_error(StatusCode::NOT_FOUND, "Session not found");
    }
}

#[actix_web::test]
async fn ending_all_other_sessions_rejects_tokens_without_a_session_too() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let (other, old, old_of_bob) =
        (Session::start(&app, "ann").await, legacy(&app, &ann), legacy(&app, &bob));
    assert!(other.is_valid().await && is_valid(&old).await);
    assert_eq!(ann.delete("/users/me/sessions").await.status, StatusCode::NO_CONTENT);
    assert!(!other.is_valid().await && !is_valid(&old).await);
    assert!(is_valid(&ann).await && is_valid(&old_of_bob).await);
    assert_eq!(sessions(&ann).await.len(), 1);
    app.anonymous().sign_in("ann", PASSWORD).await;
}

#[actix_web::test]
async fn a_logout_with_a_token_without_a_session_ends_all_such_tokens_of_the_account() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let old = legacy(&app, &ann);
    assert_eq!(old.post("/auth/logout", &json!({})).await.status, StatusCode::NO_CONTENT);
    assert!(!is_valid(&old).await && is_valid(&ann).await);
}

#[actix_web::test]
async fn a_token_with_the_session_of_another_account_is_rejected() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let id = sessions(&ann).await[0]["id"].as_str().unwrap().to_owned();
    let expires = (now() + TimeDelta::hours(1)).timestamp();
    let token = sign_token(&json!({ "sub": bob.id.to_string(), "exp": expires, "sid": id }));
    assert!(!is_valid(&app.anonymous().with_token(&token)).await);
}

#[actix_web::test]
async fn an_account_has_at_most_a_hundred_sessions_and_the_least_recently_used_ends_first() {
    let app = TestApp::stopped(&[]).await;
    let ann = app.sign_up("ann").await;
    let mut second = Session::start(&app, "ann").await;
    for _ in 0..97 {
        app.advance(TimeDelta::seconds(1));
        Session::start(&app, "ann").await;
    }
    app.advance(TimeDelta::seconds(1));
    second = Session::of(&app, &refresh(&app, &second.refresh_token).await.expect(StatusCode::OK));
    app.advance(TimeDelta::seconds(1));
    let newest = Session::start(&app, "ann").await;
    assert!(is_valid(&ann).await, "a hundred");
    app.advance(TimeDelta::seconds(1));
    Session::start(&app, "ann").await;
    assert!(!is_valid(&ann).await, "the least recently used");
    assert!(second.is_valid().await && newest.is_valid().await);
    assert_eq!(sessions(&newest.client).await.len(), 100);
}

#[actix_web::test]
async fn a_new_key_accepts_tokens_of_the_previous_one_until_it_is_removed() {
    const NEW_KEY: &str = "another key of the tests, 32 bytes and more";

    let app = TestApp::start().await;
    app.sign_up("ann").await;
    let session = Session::start(&app, "ann").await;
    let on = |server: &TestApp, session: &Session| {
        server.anonymous().with_token(session.client.token.as_ref().unwrap())
    };
    let rotated =
        app.another(&[("SECRET_KEY", NEW_KEY), ("SECRET_KEY_PREVIOUS", crate::support::SECRET_KEY)]);
    assert!(is_valid(&on(&rotated, &session)).await);
    let renewed =
        Session::of(&rotated, &refresh(&rotated, &session.refresh_token).await.expect(StatusCode::OK));
    let removed = app.another(&[("SECRET_KEY", NEW_KEY)]);
    assert!(!is_valid(&on(&removed, &session)).await);
    assert!(is_valid(&on(&removed, &renewed)).await);
    refresh(&removed, &renewed.refresh_token).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn concurrent_logins_succeed_although_one_of_them_renews_the_hash() {
    let app = TestApp::with(&[("BCRYPT_COST", "5")]).await;
    for number in 0..5 {
        let (name, hash) = (format!("user{number}"), bcrypt::hash(PASSWORD, 4).unwrap());
        app.insert_user(&format!("{name}@example.com"), &name, None, &hash).await;
        let client = app.anonymous();
        for response in join_all((0..6).map(|_| client.log_in(&name, PASSWORD))).await {
            response.expect(StatusCode::OK);
        }
    }
}
