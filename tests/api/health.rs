//! Whether the server runs and can serve, and what happens while its database is away.

use std::time::{Duration, Instant};

use actix_web::http::{Method, StatusCode};
use futures_util::future::join_all;
use serde_json::json;

use crate::{
    proxy::Proxy,
    support::{Answer, Client, ORIGIN, Place, TestApp, newcomer, not_run, until},
};

/// Seconds of every deadline of these servers; an answer may take two of them, one after the other, and some slack.
const DEADLINE: &str = "1";
const LONGEST: Duration = Duration::from_secs(4);

/// A server whose database is at the other end of a wire; none on SQLite, whose database is a file that can't go away.
async fn behind_a_wire(story: &str) -> Option<(TestApp, Proxy)> {
    if !Place::is_postgres() {
        not_run(story, "needs PostgreSQL, SQLite's database is in the process; set TEST_DATABASE_URL");
        return None;
    }
    let place = Place::new().await;
    migration::up(&place.connect().await).await.unwrap();
    let url = place.url();
    let authority = url.split("://").nth(1).unwrap().split('/').next().unwrap();
    let target = authority.rsplit('@').next().unwrap();
    let proxy = Proxy::to(target);
    let settings = [
        ("DATABASE_URL", url.replacen(target, &proxy.address().to_string(), 1)),
        ("ACQUIRE_TIMEOUT_SECONDS", DEADLINE.to_owned()),
        ("STATEMENT_TIMEOUT_SECONDS", DEADLINE.to_owned()),
        ("REQUEST_TIMEOUT_SECONDS", "2".to_owned()),
        ("DATABASE_CONNECTIONS", "4".to_owned()),
    ];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Some((TestApp::on(place, &settings), proxy))
}

/// One request of every kind that asks the database.
async fn everything(ann: &Client, name: &str) -> Vec<Answer> {
    let article = json!({ "title": "t", "content": "0123456789" }).to_string();
    let account = newcomer(name).to_string();
    let asked = [
        (Method::GET, "/articles/", None),
        (Method::GET, "/articles/1", None),
        (Method::POST, "/articles/", Some(article.clone())),
        (Method::PATCH, "/articles/1", Some(article)),
        (Method::DELETE, "/articles/999999", None),
        (Method::GET, "/users/me", None),
        (Method::POST, "/auth/register", Some(account)),
        (Method::GET, "/health/ready", None),
    ];
    let answers = asked.into_iter().map(|(method, path, body)| async move {
        let headers = [("origin", ORIGIN), ("content-type", "application/json")];
        ann.send(method, path, &headers, body).await
    });
    let mut answers = join_all(answers).await;
    answers.push(ann.log_in("ann", "correct horse battery").await);
    answers
}

async fn expect_all_unavailable(ann: &Client) {
    // More than once: whatever a failed request leaves behind must not hold up the next.
    for round in 0..3 {
        let started = Instant::now();
        for answer in everything(ann, &format!("away{round}")).await {
            answer.expect_error(StatusCode::SERVICE_UNAVAILABLE, "The service is unavailable");
            assert_eq!(answer.header("retry-after"), Some("1"));
            assert!(answer.header("x-request-id").is_some());
        }
        // All at once, and the login behind them.
        assert!(started.elapsed() < 2 * LONGEST, "round {round} took {:?}", started.elapsed());
        ann.get("/health/live").await.expect(StatusCode::OK);
    }
}

async fn expect_all_well(app: &TestApp, ann: &Client, name: &str) {
    until("the server is ready again", async || {
        app.anonymous().get("/health/ready").await.status == StatusCode::OK
    })
    .await;
    let statuses: Vec<u16> =
        everything(ann, name).await.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses, [200, 200, 201, 200, 404, 200, 201, 200, 200]);
}

#[actix_web::test]
async fn a_healthy_server_is_alive_and_ready() {
    let app = TestApp::start().await;
    for path in ["/health/live", "/health/ready"] {
        let answer = app.anonymous().get(path).await;
        assert_eq!(answer.expect(StatusCode::OK), json!({ "status": "ok" }));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[actix_web::test]
async fn a_database_that_goes_away_is_503_until_it_is_back() {
    let Some((app, wire)) = behind_a_wire("a database that goes away").await else { return };
    let ann = app.sign_up("ann").await;
    ann.write(true).await;

    wire.cut();
    expect_all_unavailable(&ann).await;
    wire.mend();
    expect_all_well(&app, &ann, "back").await;
}

#[actix_web::test]
async fn a_database_that_falls_silent_is_503_until_another_connection_can_be_made() {
    let Some((app, wire)) = behind_a_wire("a database that falls silent").await else { return };
    let ann = app.sign_up("ann").await;
    ann.write(true).await;

    wire.die();
    expect_all_unavailable(&ann).await;
    wire.mend();
    expect_all_well(&app, &ann, "back").await;
}

#[actix_web::test]
async fn a_server_that_starts_before_its_database_serves_as_soon_as_it_is_there() {
    let Some((app, wire)) = behind_a_wire("a server before its database").await else { return };
    wire.cut();
    app.anonymous().get("/articles/").await.expect(StatusCode::SERVICE_UNAVAILABLE);
    app.anonymous().get("/health/live").await.expect(StatusCode::OK);
    wire.mend();
    let ann = app.sign_up("ann").await;
    ann.write(true).await;
    expect_all_well(&app, &ann, "new").await;
}
