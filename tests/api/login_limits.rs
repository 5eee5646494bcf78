//! Limits on failed logins.

use actix_web::http::{Method, StatusCode};
use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{PASSWORD, Response, TestApp};

const PROXY: (&str, &str) = ("TRUSTED_PROXIES", r#"["127.0.0.1"]"#);

async fn log_in(app: &TestApp, address: &str, name: &str, password: &str) -> Response {
    let form = format!("username={name}&password={}", password.replace(' ', "+"));
    let client = app.anonymous();
    let request = client.request(Method::POST, "/auth/login").header("x-forwarded-for", address);
    request.body("application/x-www-form-urlencoded", form).send().await
}

#[track_caller]
fn expect_limited(response: &Response, seconds: u32) {
    response.expect_error(StatusCode::TOO_MANY_REQUESTS, "Too many requests");
    assert_eq!(response.header("retry-after"), Some(seconds.to_string().as_str()));
}

async fn fail(app: &TestApp, address: &str, name: &str) {
    log_in(app, address, name, "wrong").await.expect_unauthorized("Incorrect username or password");
}

#[actix_web::test]
async fn after_ten_failures_even_the_correct_password_is_refused_for_a_while() {
    let app = TestApp::stopped(&[PROXY]).await;
    app.sign_up("ann").await;
    for _ in 0..10 {
        fail(&app, "203.0.113.1", "ann").await;
    }
    expect_limited(&log_in(&app, "203.0.113.1", "ann", "wrong").await, 900);
    app.advance(TimeDelta::minutes(14));
    expect_limited(&log_in(&app, "203.0.113.1", "ann", PASSWORD).await, 60);
    app.advance(TimeDelta::minutes(1));
    log_in(&app, "203.0.113.1", "ann", PASSWORD).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn the_owner_signs_in_from_another_address() {
    let app = TestApp::with(&[PROXY]).await;
    app.sign_up("ann").await;
    for number in 0..30 {
        for _ in 0..10 {
            fail(&app, &format!("198.51.100.{number}"), "ann").await;
        }
    }
    log_in(&app, "203.0.113.9", "ann", PASSWORD).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn names_without_an_account_count_the_same() {
    let app = TestApp::stopped(&[PROXY]).await;
    for _ in 0..10 {
        fail(&app, "203.0.113.1", "nobody").await;
    }
    expect_limited(&log_in(&app, "203.0.113.1", "nobody", "wrong").await, 900);
    fail(&app, "203.0.113.1", "Nobody").await;
}

#[actix_web::test]
async fn one_address_fails_a_hundred_times_over_all_names() {
    let app = TestApp::stopped(&[PROXY]).await;
    app.sign_up("ann").await;
    for number in 0..100 {
        fail(&app, "203.0.113.1", &format!("name{number}")).await;
    }
    expect_limited(&log_in(&app, "203.0.113.1", "ann", PASSWORD).await, 900);
    log_in(&app, "203.0.113.2", "ann", PASSWORD).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn the_addresses_of_one_ipv6_network_count_together() {
    let app = TestApp::with(&[PROXY]).await;
    for number in 0..10 {
        fail(&app, &format!("2001:db8:1:2::{number}"), "ann").await;
    }
    assert_eq!(
        log_in(&app, "2001:db8:1:2:ffff::1", "ann", "wrong").await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    fail(&app, "2001:db8:1:3::1", "ann").await;
}

#[actix_web::test]
async fn servers_share_the_counts_and_a_restart_keeps_them() {
    let app = TestApp::with(&[PROXY]).await;
    app.sign_up("ann").await;
    let other = app.another(&[PROXY]);
    for number in 0..10 {
        fail(if number % 2 == 0 { &app } else { &other }, "203.0.113.1", "ann").await;
    }
    let restarted = app.another(&[PROXY]);
    for server in [&app, &other, &restarted] {
        let response = log_in(server, "203.0.113.1", "ann", PASSWORD).await;
        assert_eq!(response.status, StatusCode::TOO_MANY_REQUESTS);
    }
}

#[actix_web::test]
async fn concurrent_failures_reveal_no_more_than_ten_results() {
    let app = TestApp::with(&[PROXY]).await;
    app.sign_up("ann").await;
    let responses = join_all((0..30).map(|_| log_in(&app, "203.0.113.1", "ann", "wrong"))).await;
    let answered = responses.iter().filter(|response| response.status == StatusCode::UNAUTHORIZED).count();
    assert!(answered <= 10, "{answered}");
}

#[actix_web::test]
async fn correct_logins_do_not_count() {
    let app = TestApp::with(&[PROXY]).await;
    app.sign_up("ann").await;
    for _ in 0..12 {
        log_in(&app, "203.0.113.1", "ann", PASSWORD).await.expect(StatusCode::OK);
    }
}

#[actix_web::test]
async fn zero_sets_no_limit() {
    let app = TestApp::with(&[PROXY, ("LOGIN_LIMIT", "0")]).await;
    for _ in 0..12 {
        fail(&app, "203.0.113.1", "ann").await;
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM rate_limits").await, 0);
}

#[actix_web::test]
async fn guesses_with_a_stolen_token_count_like_logins() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let guess = json!({ "password": "wrong" });
    for _ in 0..10 {
        ann.post("/users/me/delete", &guess)
            .await
            .expect_error(StatusCode::FORBIDDEN, "The password is wrong");
    }
    assert_eq!(ann.post("/users/me/delete", &guess).await.status, StatusCode::TOO_MANY_REQUESTS);
    let right = json!({ "password": PASSWORD });
    assert_eq!(ann.post("/users/me/delete", &right).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[actix_web::test]
async fn the_counters_name_no_one_and_are_deleted_when_they_expire() {
    let app = TestApp::stopped(&[PROXY]).await;
    fail(&app, "203.0.113.1", "hunter2").await;
    assert_eq!(app.number("SELECT COUNT(*) FROM rate_limits").await, 2);
    assert_eq!(
        app.number("SELECT COUNT(*) FROM rate_limits WHERE key LIKE '%hunter2%' OR key LIKE '%203%113%'")
            .await,
        0
    );
    app.advance(TimeDelta::minutes(15));
    app.delete_expired().await;
    assert_eq!(app.number("SELECT COUNT(*) FROM rate_limits").await, 0);
}
