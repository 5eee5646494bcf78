//! The queue for password hashing: what one address sends does not stop the others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

use actix_web::{
    HttpResponse, Route,
    http::{Method, StatusCode},
    web,
};
use futures_util::future::join_all;

use crate::support::{PASSWORD, Response, TestApp, registration, wait_until, with_connection};

/// A hash takes long enough for a flood to fill the queue.
const SETTINGS: [(&str, &str); 3] =
    [("TRUSTED_PROXIES", r#"["127.0.0.1"]"#), ("BCRYPT_COST", "10"), ("LOGIN_LIMIT", "0")];

const FLOOD: &str = "203.0.113.1";

/// More than the queue and the cores take.
fn flood_size() -> usize {
    20 * thread::available_parallelism().unwrap().get() + 10
}

async fn log_in(app: &TestApp, address: &str, name: &str, password: &str) -> Response {
    let form = format!("username={name}&password={password}");
    let client = app.anonymous();
    let request = client.request(Method::POST, "/auth/login").header("x-forwarded-for", address);
    request.body("application/x-www-form-urlencoded", form).send().await
}

/// Sends wrong logins from one address, and `meanwhile` as soon as one of them is refused.
async fn during_flood(app: &TestApp, meanwhile: impl Future<Output = Response>) -> Response {
    let refused = AtomicBool::new(false);
    let flood = join_all((0..flood_size()).map(async |_| {
        let response = log_in(app, FLOOD, "ann", "wrong").await;
        if response.status == StatusCode::SERVICE_UNAVAILABLE {
            response.expect_error(StatusCode::SERVICE_UNAVAILABLE, "The server is busy");
            refused.store(true, SeqCst);
        } else {
            response.expect_error(StatusCode::UNAUTHORIZED, "Incorrect username or password");
        }
    }));
    let meanwhile = async {
        wait_until("the queue is full", async || refused.load(SeqCst)).await;
        meanwhile.await
    };
    futures_util::future::join(flood, meanwhile).await.1
}

#[actix_web::test]
async fn wrong_logins_from_one_address_do_not_stop_a_login_from_another() {
    let app = TestApp::with(&SETTINGS).await;
    app.sign_up("ann").await;
    for address in ["198.51.100.7", "2001:db8::7"] {
        let response = during_flood(&app, log_in(&app, address, "ann", PASSWORD)).await;
        response.expect(StatusCode::OK);
    }
}

#[actix_web::test]
async fn wrong_logins_do_not_stop_a_login_with_another_name_from_the_same_address() {
    let app = TestApp::with(&SETTINGS).await;
    app.sign_up("ben").await;
    during_flood(&app, log_in(&app, FLOOD, "ben", PASSWORD)).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn wrong_logins_from_one_address_do_not_stop_a_registration_from_another() {
    let app = TestApp::with(&SETTINGS).await;
    let client = app.anonymous();
    let request = client.request(Method::POST, "/auth/register").header("x-forwarded-for", "198.51.100.7");
    during_flood(&app, request.json(&registration("cem")).send()).await.expect(StatusCode::CREATED);
}

/// Sets a flag when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// A handler that never answers, and tells when it starts and when it is dropped.
fn endless(started: &Arc<AtomicBool>, dropped: &Arc<AtomicBool>) -> Route {
    let (started, dropped) = (Arc::clone(started), Arc::clone(dropped));
    web::post().to(move |_body: web::Bytes| {
        let (started, dropped) = (Arc::clone(&started), Dropped(Arc::clone(&dropped)));
        async move {
            started.store(true, SeqCst);
            std::future::pending::<()>().await;
            drop(dropped);
            HttpResponse::Ok().finish()
        }
    })
}

#[actix_web::test]
async fn a_request_is_dropped_when_its_client_disconnects() {
    let (started, dropped) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let flags = (Arc::clone(&started), Arc::clone(&dropped));
    let app = TestApp::serving(move |config| {
        config.route("/endless", endless(&flags.0, &flags.1));
    });
    let is_started = Arc::clone(&started);
    with_connection(app.address(), move |connection| {
        connection.send("POST /endless HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}");
        while !is_started.load(SeqCst) {
            thread::yield_now();
        }
    })
    .await;
    wait_until("the request is dropped", async || dropped.load(SeqCst)).await;
}
