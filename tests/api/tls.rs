//! HTTPS: HTTP/2 and HTTP/1.1 over TLS, the limits of HTTP/2, and how its connections end.

use std::{
    future::{pending, poll_fn},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use actix_web::{
    HttpResponse,
    http::{Method, StatusCode, Version},
    rt::{
        net::TcpStream,
        spawn,
        task::JoinHandle,
        time::{sleep, timeout},
    },
    web::{self, Bytes, ServiceConfig},
};
use h2::{
    Reason,
    client::{self, Builder, ResponseFuture, SendRequest},
};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use crate::support::{
    CERTIFICATE_SETTINGS, Installation, Published, Response, ServerProcess, TIMEOUT, TestApp, connect_tls,
    send_raw, wait_until,
};

const HTTP2: &[&str] = &["h2", "http/1.1"];

/// A connection of HTTP/2, which a task drives until it ends.
struct Connection {
    client: SendRequest<Bytes>,
    ended: JoinHandle<Result<(), h2::Error>>,
}

impl Connection {
    async fn to(address: SocketAddr) -> Self {
        Self::with(&client::Builder::new(), address).await
    }

    async fn with(builder: &Builder, address: SocketAddr) -> Self {
        let stream = connect_tls(address, HTTP2).await;
        let (client, connection) = builder.handshake(stream).await.unwrap();
        Self { client, ended: spawn(connection) }
    }

    /// Sends a request without a body.
    async fn send(&mut self, request: http::request::Builder) -> Result<ResponseFuture, h2::Error> {
        poll_fn(|context| self.client.poll_ready(context)).await?;
        Ok(self.client.send_request(request.body(()).unwrap(), true)?.0)
    }

    async fn get(&mut self, path: &str) -> Result<StatusCode, h2::Error> {
        Ok(self.send(http::Request::get(url(path))).await?.await?.status())
    }

    /// Sends a login, which takes as long as a hash.
    async fn log_in(&mut self) -> ResponseFuture {
        let form = "application/x-www-form-urlencoded";
        let request = http::Request::post(url("/auth/login")).header("content-type", form).body(()).unwrap();
        poll_fn(|context| self.client.poll_ready(context)).await.unwrap();
        let (response, mut body) = self.client.send_request(request, false).unwrap();
        body.send_data("username=ann&password=correct".into(), true).unwrap();
        response
    }

    /// Whether the server closes the connection in time, without an error of the protocol.
    async fn ends(self) -> bool {
        // A connection without handles closes itself.
        let Self { client: _client, ended } = self;
        let ended = timeout(TIMEOUT, ended).await.unwrap().unwrap();
        // The client writes a last frame, at which the system of a server that has closed resets the connection.
        ended.map_or_else(|error| error.is_io(), |()| true)
    }
}

fn url(path: &str) -> String {
    format!("https://localhost{path}")
}

async fn installation(settings: &[(&str, &str)]) -> Installation {
    Installation::new().await.set(&CERTIFICATE_SETTINGS).set(settings)
}

/// A route that answers never, and says when a request begins and when it is dropped.
fn endless(
    started: &Arc<AtomicBool>,
    dropped: &Arc<AtomicBool>,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + use<> {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    let (started, dropped) = (Arc::clone(started), Arc::clone(dropped));
    move |config| {
        let (started, dropped) = (Arc::clone(&started), Arc::clone(&dropped));
        config.route(
            "/endless",
            web::get().to(move || {
                let (started, dropped) = (Arc::clone(&started), Dropped(Arc::clone(&dropped)));
                async move {
                    started.store(true, SeqCst);
                    pending::<()>().await;
                    drop(dropped);
                    HttpResponse::Ok().finish()
                }
            }),
        );
    }
}

/// What a response says apart from its time and its request, by which it differs from every other.
fn comparable(response: &Response) -> (StatusCode, Vec<(String, String)>, Bytes) {
    let differs = ["date", "x-request-id", "connection", "keep-alive"];
    let headers = response.headers.iter().filter(|(name, _)| !differs.contains(&name.as_str()));
    let mut headers: Vec<_> =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    headers.sort_unstable();
    (response.status, headers, response.body.clone())
}

#[actix_web::test]
async fn a_client_that_knows_http2_gets_it() {
    let app = TestApp::with(&CERTIFICATE_SETTINGS).await;
    let ann = app.anonymous().over_tls(HTTP2).sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let changed = ann.edit(&article, &json!({ "title": "Another title" })).await;
    let found = ann.get(&article.path()).await;
    assert_eq!(found.version, Version::HTTP_2);
    assert_eq!(found.tag(), changed.tag);
    assert_eq!(ann.delete(&article.path()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(ann.get(&article.path()).await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn other_clients_get_http1() {
    let app = TestApp::with(&CERTIFICATE_SETTINGS).await;
    for protocols in [&["http/1.1"][..], &[]] {
        let ann = app.anonymous().over_tls(protocols);
        let response = ann.get("/articles/").await;
        assert_eq!((response.version, response.status), (Version::HTTP_11, StatusCode::OK), "{protocols:?}");
    }
}

#[actix_web::test]
async fn responses_are_the_same_in_both_versions() {
    // A response of the cache may differ from the one that filled it.
    let settings = [&CERTIFICATE_SETTINGS[..], &[("CACHE_BYTES", "0")]].concat();
    let app = TestApp::with(&settings).await;
    let ann = app.anonymous().over_tls(HTTP2).sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let long =
        ann.create(&json!({ "title": "Long", "content": "word ".repeat(60_000), "published": true })).await;
    let tag = ann.get(&article.path()).await.tag();
    let (path, long) = (article.path(), long.path());
    let (path, long) = (path.as_str(), long.as_str());
    for (method, path, headers) in [
        (Method::GET, "/articles/", &[][..]),
        (Method::GET, path, &[]),
        (Method::GET, path, &[("if-none-match", tag.as_str())]),
        (Method::GET, path, &[("accept-encoding", "br"), ("origin", "http://localhost:3000")]),
        (Method::GET, long, &[]),
        (Method::HEAD, path, &[]),
        (Method::HEAD, long, &[]),
        (Method::GET, "/articles/0", &[]),
        (Method::GET, "/nothing", &[]),
        (Method::PUT, path, &[]),
        (
            Method::OPTIONS,
            path,
            &[("origin", "http://localhost:3000"), ("access-control-request-method", "PATCH")],
        ),
        (Method::GET, "/users/me", &[]),
        (Method::GET, "/articles%2F?limit=1", &[]),
    ] {
        let mut responses = Vec::new();
        for protocols in [HTTP2, &["http/1.1"]] {
            let client = app.anonymous().over_tls(protocols);
            responses.push(client.send(method.clone(), path, headers, None).await);
        }
        let (second, first) = (&responses[0], &responses[1]);
        assert_eq!((second.version, first.version), (Version::HTTP_2, Version::HTTP_11));
        assert_eq!(comparable(second), comparable(first), "{method} {path}");
        assert!(second.headers.contains_key("date") && !second.headers.contains_key("connection"));
    }
}

#[actix_web::test]
async fn a_body_within_the_limit_is_received_in_parts() {
    let app = TestApp::serving_tls(&[("MAX_BODY_BYTES", "500000")], |_| {});
    let ann = app.anonymous().over_tls(HTTP2);
    let body = "x".repeat(500_000);
    let response = ann.request(Method::POST, "/articles/").body("application/json", body).send().await;
    assert_eq!((response.version, response.status), (Version::HTTP_2, StatusCode::UNPROCESSABLE_ENTITY));
}

#[actix_web::test]
async fn a_large_body_is_refused_and_the_client_has_time_to_read_why() {
    let app = TestApp::serving_tls(&[("MAX_BODY_BYTES", "500000")], |_| {});
    let mut connection = Connection::to(app.address()).await;
    let request = http::Request::post(url("/articles/")).header("content-type", "application/json");
    let request = request.header("content-length", "500001").body(()).unwrap();
    poll_fn(|context| connection.client.poll_ready(context)).await.unwrap();
    let (response, mut sent) = connection.client.send_request(request, false).unwrap();
    sent.send_data(vec![b' '; 10_000].into(), false).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let mut body = response.into_body();
    let detail = body.data().await.unwrap().unwrap();
    assert_eq!(detail, r#"{"detail":"The body has more than 500000 bytes"}"#);
    let reset = poll_fn(|context| sent.poll_reset(context));
    assert_eq!(timeout(TIMEOUT, reset).await.unwrap().unwrap(), Reason::NO_ERROR);
    assert_eq!(connection.get("/nothing").await.unwrap(), StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn plain_http_is_refused_and_harms_nobody() {
    let app = TestApp::with(&CERTIFICATE_SETTINGS).await;
    for request in
        ["GET /articles/ HTTP/1.1\r\nhost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\0\0\0\0", ""]
    {
        let response = send_raw(app.address(), [request.as_bytes(), &[b'x'; 100]].concat()).await;
        assert!(!response.contains("HTTP/"), "{request:?}: {response}");
    }
    let response = app.anonymous().over_tls(HTTP2).get("/articles/").await;
    assert_eq!(response.status, StatusCode::OK);
}

#[actix_web::test]
async fn a_client_that_does_not_finish_its_handshake_is_disconnected() {
    let app = TestApp::with(&CERTIFICATE_SETTINGS).await;
    let started = Instant::now();
    let mut silent = TcpStream::connect(app.address()).await.unwrap();
    let mut without_preface = connect_tls(app.address(), HTTP2).await;
    let mut received = Vec::new();
    timeout(TIMEOUT, silent.read_to_end(&mut received)).await.unwrap().unwrap();
    // The server may close it without a farewell.
    timeout(TIMEOUT, without_preface.read_to_end(&mut received)).await.unwrap().ok();
    assert!(started.elapsed() > Duration::from_secs(5), "{:?}", started.elapsed());
}

#[actix_web::test]
async fn the_number_of_requests_on_a_connection_is_limited() {
    let started = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&started);
    let app = TestApp::serving_tls(&[], move |config| {
        let counted = Arc::clone(&counted);
        let endless = move || {
            counted.fetch_add(1, SeqCst);
            pending::<HttpResponse>()
        };
        config.route("/endless", web::get().to(endless));
    });
    let mut connection = Connection::to(app.address()).await;
    // The client knows the limit from the first response on.
    assert_eq!(connection.get("/nothing").await.unwrap(), StatusCode::NOT_FOUND);
    let mut responses = Vec::new();
    for _ in 0..100 {
        responses.push(connection.send(http::Request::get(url("/endless"))).await.unwrap());
    }
    wait_until("the requests begin", async || started.load(SeqCst) == 100).await;
    let more = async {
        let response = connection.send(http::Request::get(url("/endless"))).await.unwrap();
        response.await.unwrap()
    };
    assert!(timeout(Duration::from_millis(500), more).await.is_err());
    assert_eq!(started.load(SeqCst), 100);
    // A request that ends makes room for another.
    responses.pop();
    responses.push(connection.send(http::Request::get(url("/endless"))).await.unwrap());
    wait_until("another request begins", async || started.load(SeqCst) == 101).await;
}

#[actix_web::test]
async fn requests_beyond_what_a_worker_serves_are_refused_and_may_be_repeated() {
    let settings =
        [("WORKERS", "1"), ("DATABASE_CONNECTIONS", "2"), ("BCRYPT_COST", "10"), ("LOGIN_LIMIT", "0")];
    let server = installation(&settings).await.serve_with_open_files(137);
    let mut connection = Connection::to(server.address).await;
    let mut responses = Vec::new();
    for _ in 0..5 {
        responses.push(connection.log_in().await);
    }
    let mut refused = 0;
    for response in responses {
        match response.await {
            Ok(response) => assert_eq!(response.status(), StatusCode::UNAUTHORIZED),
            Err(error) => {
                assert_eq!(error.reason(), Some(Reason::REFUSED_STREAM), "{error}");
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 4);
    assert_eq!(connection.get("/health/ready").await.unwrap(), StatusCode::OK);
}

#[actix_web::test]
async fn a_large_head_is_refused_and_the_connection_goes_on() {
    let app = TestApp::with(&CERTIFICATE_SETTINGS).await;
    let mut connection = Connection::to(app.address()).await;
    for (bytes, status) in [
        (40 << 10, StatusCode::OK),
        (70 << 10, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        (1000, StatusCode::OK),
    ] {
        let request = http::Request::get(url("/articles/")).header("x-large", "x".repeat(bytes));
        let response = connection.send(request).await.unwrap().await.unwrap();
        assert_eq!(response.status(), status, "{bytes}");
    }
}

#[actix_web::test]
async fn a_request_that_the_client_cancels_is_dropped() {
    let (started, dropped) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let app = TestApp::serving_tls(&[], endless(&started, &dropped));
    let mut connection = Connection::to(app.address()).await;
    let response = connection.send(http::Request::get(url("/endless"))).await.unwrap();
    wait_until("the request begins", async || started.load(SeqCst)).await;
    assert!(!dropped.load(SeqCst));
    drop(response);
    wait_until("the request is dropped", async || dropped.load(SeqCst)).await;
    assert_eq!(connection.get("/nothing").await.unwrap(), StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn requests_end_with_their_connection() {
    let (started, dropped) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let app = TestApp::serving_tls(&[], endless(&started, &dropped));
    let mut connection = Connection::to(app.address()).await;
    let _response = connection.send(http::Request::get(url("/endless"))).await.unwrap();
    wait_until("the request begins", async || started.load(SeqCst)).await;
    connection.ended.abort();
    wait_until("the request is dropped", async || dropped.load(SeqCst)).await;
}

#[actix_web::test]
async fn a_client_that_accepts_no_body_loses_it() {
    let app = TestApp::serving_tls(&[("WRITE_TIMEOUT_SECONDS", "1")], |config| {
        config.route("/large", web::get().to(async || HttpResponse::Ok().body(vec![b'x'; 1 << 20])));
    });
    let mut connection =
        Connection::with(client::Builder::new().initial_window_size(1000), app.address()).await;
    let response = connection.send(http::Request::get(url("/large"))).await.unwrap().await.unwrap();
    let mut body = response.into_body();
    let mut received = 0;
    let error = loop {
        // The client never opens the window again, so the server must stop sending.
        match timeout(TIMEOUT, body.data()).await.unwrap().unwrap() {
            Ok(bytes) => received += bytes.len(),
            Err(error) => break error,
        }
    };
    assert_eq!((received, error.reason()), (1000, Some(Reason::CANCEL)));
    assert_eq!(connection.get("/nothing").await.unwrap(), StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_server_that_drains_answers_and_asks_for_another_connection() {
    let mut server = installation(&[("DRAIN_SECONDS", "6")]).await.serve(&[]);
    let mut connection = Connection::to(server.address).await;
    assert_eq!(connection.get("/health/live").await.unwrap(), StatusCode::OK);
    server.terminate();
    sleep(Duration::from_millis(500)).await;
    assert!(!connection.ended.is_finished());
    assert_eq!(connection.get("/health/live").await.unwrap(), StatusCode::OK);
    let started = Instant::now();
    assert!(connection.ends().await);
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    // Another connection is served as well.
    let mut another = Connection::to(server.address).await;
    assert_eq!(another.get("/health/ready").await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(another.ends().await);
    assert!(server.wait().await.success());
}

#[actix_web::test]
async fn a_server_that_stops_finishes_its_requests_and_closes_idle_connections() {
    let mut server = installation(&[("BCRYPT_COST", "13")]).await.serve(&[]);
    let mut idle = Connection::to(server.address).await;
    assert_eq!(idle.get("/health/live").await.unwrap(), StatusCode::OK);
    let mut busy = Connection::to(server.address).await;
    let response = busy.log_in().await;
    sleep(Duration::from_millis(100)).await;
    let started = Instant::now();
    server.terminate();
    assert!(idle.ends().await);
    assert_eq!(response.await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert!(busy.ends().await);
    assert!(server.wait().await.success());
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[actix_web::test]
async fn the_health_check_asks_over_tls() {
    let server: ServerProcess = installation(&[]).await.serve(&[]);
    assert!(server.output().contains(" on https://127.0.0.1:"), "{}", server.output());
    let port = server.address.port().to_string();
    for host in ["127.0.0.1", "0.0.0.0", "localhost"] {
        installation(&[("PORT", &port), ("HOST", host)]).await.succeed(&["healthcheck"]);
    }
    let message = Installation::new().await.set(&[("PORT", &port)]).fail(&["healthcheck"]);
    assert!(message.starts_with("byline: http://127.0.0.1:") && message.lines().count() == 1, "{message}");
}

#[actix_web::test]
async fn a_server_does_not_start_with_the_key_of_another_certificate() {
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/tls/other-key.pem");
    let message = installation(&[("TLS_KEY", key)]).await.fail(&["serve"]);
    assert!(message.contains("TLS_KEY: the key in ") && message.contains("does not belong"), "{message}");
    // Commands may run without the right to read it.
    installation(&[("TLS_KEY", "missing.pem")]).await.succeed(&["migrate", "up"]);
}
