//! Signing in and being known.

use std::time::Instant;

use actix_web::http::{Method, StatusCode};
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{PASSWORD, Published, TestApp, now, sign_token, sign_token_with};

#[actix_web::test]
async fn somebody_registers_signs_in_and_is_known() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let me = ann.get("/users/me").await.expect(StatusCode::OK);
    let names: Vec<&String> = me.as_object().unwrap().keys().collect();
    assert_eq!(names, ["id", "email", "username", "created_at", "updated_at"]);
    assert_eq!((&me["id"], &me["username"]), (&json!(ann.id), &json!("ann")));
    assert_eq!(me["email"], "ann@example.com");
    assert_eq!(me["created_at"], me["updated_at"]);
}

#[actix_web::test]
async fn a_login_that_fits_no_account_says_nothing_more() {
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
        let answer = app.anonymous().log_in(name, password).await;
        answer.expect_error(StatusCode::UNAUTHORIZED, "Incorrect username or password");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
}

#[actix_web::test]
async fn a_login_without_its_fields_names_them() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    let missing = |name: &str| ("missing".to_owned(), json!(["body", name]));
    let form = "application/x-www-form-urlencoded";
    for (content_type, body, faults) in [
        (form, "", vec![missing("username"), missing("password")]),
        (form, "username=ann", vec![missing("password")]),
        (form, "username=&password=x", vec![missing("username")]),
        (
            "application/json",
            "{\"username\":\"ann\",\"password\":\"x\"}",
            vec![missing("username"), missing("password")],
        ),
        (
            form,
            "grant_type=token&username=ann&password=x",
            vec![("string_pattern_mismatch".to_owned(), json!(["body", "grant_type"]))],
        ),
    ] {
        let headers = [("content-type", content_type)];
        let answer = app.anonymous().send(Method::POST, "/auth/login", &headers, Some(body.to_owned())).await;
        assert_eq!(answer.validation_errors(), faults, "{body}");
    }
    let headers = [("content-type", "multipart/form-data")];
    let answer = app.anonymous().send(Method::POST, "/auth/login", &headers, Some("x".to_owned())).await;
    answer.expect_error(StatusCode::BAD_REQUEST, "Missing boundary in multipart.");
}

#[actix_web::test]
async fn a_password_never_comes_back_from_a_login() {
    let app = TestApp::start().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for body in [
        "password=s3cr3t-words",
        "grant_type=x&username=ann&password=s3cr3t-words&client_secret=s3cr3t-words",
    ] {
        let answer = app.anonymous().send(Method::POST, "/auth/login", &form, Some(body.to_owned())).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(!answer.text().contains("s3cr3t"), "{}", answer.text());
    }
}

#[actix_web::test]
async fn a_multipart_form_signs_in_too() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    let body = format!(
        "--x\r\ncontent-disposition: form-data; name=\"username\"\r\n\r\nann\r\n\
         --x\r\ncontent-disposition: form-data; name=\"password\"\r\n\r\n{PASSWORD}\r\n--x--\r\n"
    );
    let headers = [("content-type", "multipart/form-data; boundary=x")];
    app.anonymous().send(Method::POST, "/auth/login", &headers, Some(body)).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn only_a_whole_and_living_token_proves_an_account() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let (id, later) = (ann.id.to_string(), now().timestamp() + 600);
    let good = json!({ "sub": id, "exp": later });
    // What the FastAPI blog issued, and nothing else in it.
    app.anonymous().with_token(&sign_token(&good)).get("/users/me").await.expect(StatusCode::OK);

    let token = sign_token(&good);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    for bad in [
        String::new(),
        "garbage".to_owned(),
        format!("{signed}."),
        format!("{signed}.{}", signature.chars().rev().collect::<String>()),
        sign_token_with("another key of at least 32 bytes, surely", &good),
        sign_token(&json!({ "sub": id, "exp": now().timestamp() - 1 })),
        sign_token(&json!({ "sub": id })),
        sign_token(&json!({ "exp": later })),
        sign_token(&json!({ "sub": "999999", "exp": later })),
        sign_token(&json!({ "sub": ann.id, "exp": later })),
        sign_token(&json!({ "sub": id, "exp": later, "nbf": later })),
        sign_token(&json!({ "sub": id, "exp": later, "aud": "somebody" })),
        // {"alg":"none","typ":"JWT"}
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", signed.split_once('.').unwrap().1),
    ] {
        let answer = app.anonymous().with_token(&bad).get("/users/me").await;
        answer.expect_error(StatusCode::UNAUTHORIZED, "Could not validate credentials");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
}

#[actix_web::test]
async fn other_ways_to_show_a_token_do_not_count() {
    let app = TestApp::start().await;
    let token = app.sign_up("ann").await.token.unwrap();
    let me = async |path: &str, headers: &[(&str, &str)]| {
        app.anonymous().send(Method::GET, path, headers, None).await
    };
    for scheme in ["Bearer", "bearer", "BEARER"] {
        me("/users/me", &[("authorization", &format!("{scheme} {token}"))]).await.expect(StatusCode::OK);
    }
    for value in
        ["", &token, &format!("Basic {token}"), &format!("Token {token}"), &format!("Bearer\t{token}")]
    {
        let answer = me("/users/me", &[("authorization", value)]).await;
        answer.expect_error(StatusCode::UNAUTHORIZED, "Not authenticated");
    }
    let answer = me("/users/me", &[("authorization", &format!("Bearer  {token}"))]).await;
    answer.expect_error(StatusCode::UNAUTHORIZED, "Could not validate credentials");
    let answer = me(&format!("/users/me?access_token={token}&token={token}"), &[]).await;
    answer.expect_error(StatusCode::UNAUTHORIZED, "Not authenticated");
    let answer = me("/users/me", &[("cookie", &format!("access_token={token}"))]).await;
    answer.expect_error(StatusCode::UNAUTHORIZED, "Not authenticated");
}

#[actix_web::test]
async fn an_account_that_is_deleted_is_out_at_once() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let (article, draft) = (ann.write(Published::Yes).await.json, ann.write(Published::No).await.json);
    app.sql(&format!("DELETE FROM users WHERE id = {}", ann.id)).await;

    for answer in [
        ann.get("/users/me").await,
        ann.get("/articles/").await,
        ann.post("/articles/", &json!({ "title": "t", "content": "0123456789" })).await,
    ] {
        answer.expect_error(StatusCode::UNAUTHORIZED, "Could not validate credentials");
    }
    let answer = app.anonymous().log_in("ann", PASSWORD).await;
    answer.expect_error(StatusCode::UNAUTHORIZED, "Incorrect username or password");
    // What it wrote went with it.
    for gone in [article, draft] {
        let path = format!("/articles/{}", gone["id"]);
        bob.get(&path).await.expect_error(StatusCode::NOT_FOUND, "Article not found");
    }
}

#[actix_web::test]
async fn a_stored_value_that_is_no_hash_lets_nobody_in() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    for stored in ["", PASSWORD, "$2b$", "$2b$99$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzABCDE"] {
        app.sql(&format!("UPDATE users SET hashed_password = '{stored}'")).await;
        let answer = app.anonymous().log_in("ann", PASSWORD).await;
        answer.expect_error(StatusCode::UNAUTHORIZED, "Incorrect username or password");
    }
}

#[actix_web::test]
async fn the_other_hashes_of_the_old_blog_verify() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    for prefix in ["$2a$", "$2b$", "$2y$"] {
        let hash = bcrypt::hash(PASSWORD, 5).unwrap().replacen("$2b$", prefix, 1);
        app.sql(&format!("UPDATE users SET hashed_password = '{hash}'")).await;
        app.anonymous().log_in("ann", PASSWORD).await.expect(StatusCode::OK);
    }
}

/// More logins at once than the queue holds: some are answered, the rest are sent away at once, and all are told.
#[actix_web::test]
async fn a_full_password_queue_is_503_and_says_when_to_come_back() {
    let app = TestApp::with(&[("BCRYPT_COST", "10")]).await;
    let client = app.anonymous();
    let cores = std::thread::available_parallelism().unwrap().get();
    let started = Instant::now();
    let answers = join_all((0..cores * 40).map(|_| client.log_in("nobody", PASSWORD))).await;
    let (busy, done): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == StatusCode::SERVICE_UNAVAILABLE);
    for answer in &done {
        answer.expect_error(StatusCode::UNAUTHORIZED, "Incorrect username or password");
    }
    assert!(
        !busy.is_empty() && !done.is_empty(),
        "{} busy, {} done in {:?}",
        busy.len(),
        done.len(),
        started.elapsed()
    );
    for answer in busy {
        answer.expect_error(StatusCode::SERVICE_UNAVAILABLE, "The server is busy");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    // And afterwards there is room again.
    app.sign_up("ann").await;
}
