//! Whether a server runs and can serve, and what it answers while its database cannot be reached.

use std::time::{Duration, Instant};

use actix_web::http::{Method, StatusCode};
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{
    Client, ORIGIN, PASSWORD, Proxy, Published, Response, TestApp, TestDatabase, migrate, registration,
    wait_until,
};

/// In seconds, for every wait of these servers. A response may take two of them, one after the other, and
/// some slack.
const TIMEOUT_SECONDS: &str = "1";
const LONGEST: Duration = Duration::from_secs(4);

/// Starts a server whose connections to its database pass a proxy.
async fn start_with_proxy() -> (TestApp, Proxy) {
    let database = TestDatabase::postgres().await;
    migrate(&database).await;
    let (proxy, url) = Proxy::for_database(database.url());
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("ACQUIRE_TIMEOUT_SECONDS", TIMEOUT_SECONDS),
        ("STATEMENT_TIMEOUT_SECONDS", TIMEOUT_SECONDS),
        ("REQUEST_TIMEOUT_SECONDS", "2"),
        ("DATABASE_CONNECTIONS", "4"),
    ];
    (TestApp::on(database.into(), &settings), proxy)
}

/// Sends one request of every kind that uses the database.
async fn send_everything(ann: &Client, name: &str) -> Vec<Response> {
    let article = json!({ "title": "t", "content": "0123456789" });
    let requests = [
        ann.request(Method::GET, "/articles/"),
        ann.request(Method::GET, "/articles/1"),
        ann.request(Method::POST, "/articles/").json(&article),
        ann.request(Method::PATCH, "/articles/1").json(&article),
        ann.request(Method::DELETE, "/articles/999999"),
        ann.request(Method::GET, "/users/me"),
        ann.request(Method::POST, "/auth/register").json(&registration(name)),
        ann.request(Method::GET, "/health/ready"),
    ];
    let mut responses = join_all(requests.map(|request| request.origin(ORIGIN).send())).await;
    responses.push(ann.log_in("ann", PASSWORD).await);
    responses
}

async fn expect_everything_unavailable(ann: &Client) {
    // More than once: a request that failed must leave nothing that delays the next.
    for round in 0..3 {
        let started = Instant::now();
        for response in send_everything(ann, &format!("away{round}")).await {
            response.expect_error(StatusCode::SERVICE_UNAVAILABLE, "The service is unavailable");
            assert_eq!(response.header("retry-after"), Some("1"));
            assert!(response.header("x-request-id").is_some());
        }
        // All at once, and the login after them.
        assert!(started.elapsed() < 2 * LONGEST, "round {round} took {:?}", started.elapsed());
        ann.get("/health/live").await.expect(StatusCode::OK);
    }
}

async fn expect_everything_available(app: &TestApp, ann: &Client, name: &str) {
    wait_until("the server is ready again", async || {
        app.anonymous().get("/health/ready").await.status == StatusCode::OK
    })
    .await;
    let responses = send_everything(ann, name).await;
    let statuses: Vec<u16> = responses.iter().map(|response| response.status.as_u16()).collect();
    assert_eq!(statuses, [200, 200, 201, 200, 404, 200, 201, 200, 200]);
}

#[actix_web::test]
async fn a_healthy_server_is_live_and_ready() {
    let app = TestApp::start().await;
    for path in ["/health/live", "/health/ready"] {
        let response = app.anonymous().get(path).await;
        assert_eq!(response.expect(StatusCode::OK), json!({ "status": "ok" }));
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_database_that_closes_its_connections_is_503_until_it_is_back() {
    let (app, proxy) = start_with_proxy().await;
    let ann = app.sign_up("ann").await;
    ann.write(Published::Yes).await;

    proxy.disconnect();
    expect_everything_unavailable(&ann).await;
    proxy.restore();
    expect_everything_available(&app, &ann, "back").await;
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_database_that_goes_silent_is_503_until_new_connections_pass() {
    let (app, proxy) = start_with_proxy().await;
    let ann = app.sign_up("ann").await;
    ann.write(Published::Yes).await;

    proxy.go_silent();
    expect_everything_unavailable(&ann).await;
    proxy.restore();
    expect_everything_available(&app, &ann, "back").await;
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_server_that_starts_before_its_database_serves_once_it_is_there() {
    let (app, proxy) = start_with_proxy().await;
    proxy.disconnect();
    app.anonymous().get("/articles/").await.expect(StatusCode::SERVICE_UNAVAILABLE);
    app.anonymous().get("/health/live").await.expect(StatusCode::OK);

    proxy.restore();
    let ann = app.sign_up("ann").await;
    ann.write(Published::Yes).await;
    expect_everything_available(&app, &ann, "new").await;
}
