//! Signing in, and the tokens that prove it.

use std::time::Instant;

use actix_web::http::{Method, StatusCode};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    Client, PASSWORD, Published, Response, TestApp, article_body, now, sign_token, sign_token_with,
};

const FORM: &str = "application/x-www-form-urlencoded";
const WRONG_LOGIN: &str = "Incorrect username or password";
const NO_TOKEN: &str = "Not authenticated";
const BAD_TOKEN: &str = "Could not validate credentials";

#[actix_web::test]
async fn an_account_is_shown_to_its_owner() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let me = ann.get("/users/me").await.expect(StatusCode::OK);
    let names: Vec<&String> = me.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "id",
            "email",
            "username",
            "created_at",
            "updated_at",
            "display_name",
            "bio",
            "image",
            "is_admin",
            "is_email_confirmed"
        ]
    );
    assert_eq!((&me["id"], &me["username"]), (&json!(ann.id), &json!("ann")));
    assert_eq!(me["email"], "ann@example.com");
    assert_eq!(me["created_at"], me["updated_at"]);
}

#[actix_web::test]
async fn every_login_that_fails_gets_the_same_response() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    let long = "x".repeat(5000);
    for (name, password) in [
        ("ann", "wrong password"),
        ("nobody", PASSWORD),
        ("Ann", PASSWORD),
        ("ann ", PASSWORD),
        ("ann@example.com", PASSWORD),
        ("a\0nn", PASSWORD),
        ("ann", "a\0b"),
        ("ann", &long),
    ] {
        app.anonymous().log_in(name, password).await.expect_unauthorized(WRONG_LOGIN);
    }
}

#[actix_web::test]
async fn a_login_reports_which_fields_are_missing() {
    let app = TestApp::start().await;
    let missing = |name: &str| ("missing".to_owned(), json!(["body", name]));
    let both = vec![missing("username"), missing("password")];
    for (content_type, body, errors) in [
        (FORM, "", both.clone()),
        (FORM, "username=ann", vec![missing("password")]),
        (FORM, "username=&password=x", vec![missing("username")]),
        ("application/json", "{\"username\":\"ann\",\"password\":\"x\"}", both),
    ] {
        let response = app.anonymous().log_in_with(content_type, body).await;
        assert_eq!(response.validation_errors(), errors, "{body}");
    }
}

#[actix_web::test]
async fn a_login_accepts_no_other_grant_type() {
    let app = TestApp::start().await;
    let response = app.anonymous().log_in_with(FORM, "grant_type=token&username=ann&password=x").await;
    response.expect_invalid([("string_pattern_mismatch", json!(["body", "grant_type"]))]);
}

#[actix_web::test]
async fn a_multipart_form_signs_in_too() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    let body = format!(
        "--x\r\ncontent-disposition: form-data; name=\"username\"\r\n\r\nann\r\n\
         --x\r\ncontent-disposition: form-data; name=\"password\"\r\n\r\n{PASSWORD}\r\n--x--\r\n"
    );
    let response = app.anonymous().log_in_with("multipart/form-data; boundary=x", body).await;
    response.expect(StatusCode::OK);
}

#[actix_web::test]
async fn a_multipart_form_without_a_boundary_is_400() {
    let app = TestApp::start().await;
    let response = app.anonymous().log_in_with("multipart/form-data", "x").await;
    response.expect_error(StatusCode::BAD_REQUEST, "Missing boundary in multipart.");
}

#[actix_web::test]
async fn a_refused_login_does_not_return_the_password() {
    let app = TestApp::start().await;
    for body in [
        "password=s3cr3t-words",
        "grant_type=x&username=ann&password=s3cr3t-words&client_secret=s3cr3t-words",
    ] {
        let response = app.anonymous().log_in_with(FORM, body).await;
        assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(!response.text().contains("s3cr3t"), "{}", response.text());
    }
}

/// A valid subject and expiry for this account; the FastAPI blog issued tokens with these two claims only.
fn claims_of(client: &Client) -> Value {
    json!({ "sub": client.id.to_string(), "exp": now().timestamp() + 600 })
}

/// The same claims with further ones, or with others in their place.
fn claims_with(client: &Client, further: &Value) -> Value {
    let mut claims = claims_of(client);
    let further = further.as_object().unwrap().clone();
    claims.as_object_mut().unwrap().extend(further);
    claims
}

async fn read_account(app: &TestApp, token: &str) -> Response {
    app.anonymous().with_token(token).get("/users/me").await
}

#[actix_web::test]
async fn a_token_with_subject_and_expiry_is_valid() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    read_account(&app, &sign_token(&claims_of(&ann))).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn a_malformed_token_is_401() {
    let app = TestApp::start().await;
    for token in ["", "garbage"] {
        read_account(&app, token).await.expect_unauthorized(BAD_TOKEN);
    }
}

#[actix_web::test]
async fn a_token_with_another_signature_is_401() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let token = sign_token(&claims_of(&ann));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    for token in [
        format!("{signed}."),
        format!("{signed}.{}", signature.chars().rev().collect::<String>()),
        sign_token_with("another key of at least 32 bytes, surely", &claims_of(&ann)),
        // {"alg":"none","typ":"JWT"}
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", signed.split_once('.').unwrap().1),
    ] {
        read_account(&app, &token).await.expect_unauthorized(BAD_TOKEN);
    }
}

#[actix_web::test]
async fn the_times_of_a_token_may_have_fractions() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let seconds =
        |offset: i32| f64::from(u32::try_from(now().timestamp()).unwrap()) + f64::from(offset) + 0.25;
    for claims in [
        json!({ "exp": seconds(600) }),
        json!({ "exp": seconds(600), "nbf": seconds(-1), "iat": seconds(-1) }),
        json!({ "iat": seconds(600) }),
        json!({ "nbf": 0.0 }),
    ] {
        read_account(&app, &sign_token(&claims_with(&ann, &claims))).await.expect(StatusCode::OK);
    }
    for claims in [json!({ "exp": seconds(-2) }), json!({ "nbf": seconds(60) })] {
        let token = sign_token(&claims_with(&ann, &claims));
        read_account(&app, &token).await.expect_unauthorized(BAD_TOKEN);
    }
}

#[actix_web::test]
async fn a_token_with_unacceptable_claims_is_401() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let (id, later) = (ann.id.to_string(), now().timestamp() + 600);
    for claims in [
        claims_with(&ann, &json!({ "exp": now().timestamp() - 1 })),
        json!({ "sub": id }),
        json!({ "exp": later }),
        claims_with(&ann, &json!({ "sub": "999999" })),
        claims_with(&ann, &json!({ "sub": ann.id })),
        claims_with(&ann, &json!({ "nbf": later })),
        claims_with(&ann, &json!({ "aud": "somebody" })),
    ] {
        read_account(&app, &sign_token(&claims)).await.expect_unauthorized(BAD_TOKEN);
    }
}

async fn read_account_with(app: &TestApp, name: &str, value: &str) -> Response {
    app.anonymous().request(Method::GET, "/users/me").header(name, value).send().await
}

#[actix_web::test]
async fn the_scheme_of_a_token_may_have_any_case() {
    let app = TestApp::start().await;
    let token = app.sign_up("ann").await.token.unwrap();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let value = format!("{scheme} {token}");
        read_account_with(&app, "authorization", &value).await.expect(StatusCode::OK);
    }
}

#[actix_web::test]
async fn a_token_with_another_scheme_does_not_count() {
    let app = TestApp::start().await;
    let token = app.sign_up("ann").await.token.unwrap();
    for value in
        ["", &token, &format!("Basic {token}"), &format!("Token {token}"), &format!("Bearer\t{token}")]
    {
        let response = read_account_with(&app, "authorization", value).await;
        response.expect_error(StatusCode::UNAUTHORIZED, NO_TOKEN);
    }
}

#[actix_web::test]
async fn a_second_blank_before_a_token_belongs_to_the_token() {
    let app = TestApp::start().await;
    let token = app.sign_up("ann").await.token.unwrap();
    let response = read_account_with(&app, "authorization", &format!("Bearer  {token}")).await;
    response.expect_error(StatusCode::UNAUTHORIZED, BAD_TOKEN);
}

#[actix_web::test]
async fn a_token_in_the_query_or_a_cookie_does_not_count() {
    let app = TestApp::start().await;
    let token = app.sign_up("ann").await.token.unwrap();
    let response = app.anonymous().get(&format!("/users/me?access_token={token}&token={token}")).await;
    response.expect_error(StatusCode::UNAUTHORIZED, NO_TOKEN);
    let response = read_account_with(&app, "cookie", &format!("access_token={token}")).await;
    response.expect_error(StatusCode::UNAUTHORIZED, NO_TOKEN);
}

#[actix_web::test]
async fn the_token_of_a_deleted_account_is_401_at_once() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    app.sql(&format!("DELETE FROM users WHERE id = {}", ann.id)).await;
    for response in [
        ann.get("/users/me").await,
        ann.get("/articles/").await,
        ann.post("/articles/", &article_body("t")).await,
    ] {
        response.expect_error(StatusCode::UNAUTHORIZED, BAD_TOKEN);
    }
}

/// Otherwise an old token would open another account.
#[actix_web::test]
async fn an_account_never_gets_the_id_of_a_deleted_one() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    let bob = app.sign_up("bob").await;
    app.sql(&format!("DELETE FROM users WHERE id = {}", bob.id)).await;
    let eve = app.sign_up("eve").await;
    assert!(eve.id > bob.id);
    assert_eq!(bob.get("/users/me").await.status, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn a_deleted_account_cannot_sign_in() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    app.sql(&format!("DELETE FROM users WHERE id = {}", ann.id)).await;
    let response = app.anonymous().log_in("ann", PASSWORD).await;
    response.expect_error(StatusCode::UNAUTHORIZED, WRONG_LOGIN);
}

#[actix_web::test]
async fn the_articles_of_a_deleted_account_are_deleted_with_it() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let articles = [ann.write(Published::Yes).await, ann.write(Published::No).await];
    app.sql(&format!("DELETE FROM users WHERE id = {}", ann.id)).await;
    for article in articles {
        bob.get(&article.path()).await.expect_error(StatusCode::NOT_FOUND, "Article not found");
    }
}

#[actix_web::test]
async fn a_stored_value_that_is_no_hash_matches_no_password() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    for stored in ["", PASSWORD, "$2b$", "$2b$99$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzABCDE"] {
        app.sql(&format!("UPDATE users SET hashed_password = '{stored}'")).await;
        let response = app.anonymous().log_in("ann", PASSWORD).await;
        response.expect_error(StatusCode::UNAUTHORIZED, WRONG_LOGIN);
    }
}

#[actix_web::test]
async fn hashes_of_every_bcrypt_version_of_the_old_blog_verify() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    for prefix in ["$2a$", "$2b$", "$2y$"] {
        let hash = bcrypt::hash(PASSWORD, 5).unwrap().replacen("$2b$", prefix, 1);
        app.sql(&format!("UPDATE users SET hashed_password = '{hash}'")).await;
        app.anonymous().log_in("ann", PASSWORD).await.expect(StatusCode::OK);
    }
}

/// As some libraries wrote them, and passlib verified them.
#[actix_web::test]
async fn a_hash_with_unused_bits_set_verifies() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    let hash = bcrypt::hash_with_salt(PASSWORD, 5, *b"sixteen bytes...").unwrap().to_string();
    for (at, unused) in [(28, 0b1111), (59, 0b11)] {
        let digits = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut stored = hash.clone().into_bytes();
        let value = digits.iter().position(|digit| *digit == stored[at]).unwrap();
        stored[at] = digits[value | unused];
        let stored = String::from_utf8(stored).unwrap();
        assert_ne!(stored, hash);
        app.sql(&format!("UPDATE users SET hashed_password = '{stored}'")).await;
        app.anonymous().log_in("ann", PASSWORD).await.expect(StatusCode::OK);
        let wrong = app.anonymous().log_in("ann", "wrong password").await;
        wrong.expect_error(StatusCode::UNAUTHORIZED, WRONG_LOGIN);
    }
}

#[actix_web::test]
async fn a_login_renews_a_hash_that_is_cheaper_than_new_ones_and_no_other() {
    let app = TestApp::with(&[("BCRYPT_COST", "6")]).await;
    let ann = app.sign_up("ann").await;
    let changed = ann.get("/users/me").await.json()["updated_at"].clone();
    for (cost, renewed) in [(4, "06"), (6, "06"), (7, "07")] {
        let stored = bcrypt::hash(PASSWORD, cost).unwrap();
        app.sql(&format!("UPDATE users SET hashed_password = '{stored}'")).await;
        app.anonymous().log_in("ann", "wrong password").await.expect_unauthorized(WRONG_LOGIN);
        assert_eq!(app.text("SELECT hashed_password FROM users").await, stored);
        app.anonymous().log_in("ann", PASSWORD).await.expect(StatusCode::OK);
        let now_stored = app.text("SELECT hashed_password FROM users").await;
        assert_eq!(&now_stored[4..6], renewed);
        assert_eq!(now_stored == stored, cost >= 6);
        assert!(bcrypt::verify(PASSWORD, &now_stored).unwrap());
    }
    assert_eq!(ann.get("/users/me").await.json()["updated_at"], changed);
}

/// More logins at once than the queue holds: some are answered, the others refused without waiting.
#[actix_web::test]
async fn a_full_password_queue_is_503_with_a_time_to_retry() {
    let app = TestApp::with(&[("BCRYPT_COST", "10"), ("LOGIN_LIMIT", "0")]).await;
    let client = app.anonymous();
    let cores = std::thread::available_parallelism().unwrap().get();
    let started = Instant::now();
    let responses = join_all((0..cores * 40).map(|_| client.log_in("nobody", PASSWORD))).await;

    let (busy, done): (Vec<_>, Vec<_>) =
        responses.iter().partition(|response| response.status == StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        !busy.is_empty() && !done.is_empty(),
        "{} busy, {} done in {:?}",
        busy.len(),
        done.len(),
        started.elapsed()
    );
    for response in done {
        response.expect_error(StatusCode::UNAUTHORIZED, WRONG_LOGIN);
    }
    for response in busy {
        response.expect_error(StatusCode::SERVICE_UNAVAILABLE, "The server is busy");
        assert_eq!(response.header("retry-after"), Some("1"));
    }
    // The queue has room again.
    app.sign_up("ann").await;
}
