//! Requests that ask for another protocol: they are answered as if they asked for none, and the client learns
//! whether the connection stays open.

use std::time::{Duration, Instant};

use actix_web::http::StatusCode;

use crate::support::{Published, RawConnection, TestApp, registration, send_raw, with_connection};

/// Header lines that name the connection option `upgrade`.
const UPGRADES: [&str; 8] = [
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "connection: uPgRaDe\r\nupgrade: TLS/1.0\r\n",
    "Connection: keep-alive, Upgrade\r\nUpgrade: h2c\r\n",
    "Connection: HTTP2-Settings\r\nConnection: keep-alive\r\nConnection: upgrade\r\nUpgrade: h2c\r\n",
    "Connection:,upgrade ,\r\nUpgrade: foo/2, h2c\r\n",
    "Connection: Upgrade\r\n",
    // Without the option, too, actix reads everything that follows as the body.
    "Upgrade: WebSocket\r\n",
];

fn get(path: &str, lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: blog.example\r\n{lines}\r\n")
}

fn post(path: &str, lines: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: blog.example\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{lines}\r\n{body}"
    )
}

/// The status line and the header lines, in lower case.
fn head(response: &str) -> Vec<String> {
    response.split("\r\n\r\n").next().unwrap().lines().map(str::to_lowercase).collect()
}

#[track_caller]
fn expect(response: &str, status: u16) {
    assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
}

/// Fails unless the response says that the connection ends, and the server closes it.
#[track_caller]
fn expect_last(connection: &mut RawConnection, request: &str, response: &str) {
    let head = head(response);
    assert!(head.contains(&"connection: close".to_owned()), "{response}");
    assert!(!head.iter().any(|line| line.starts_with("upgrade:")), "{response}");
    // After a body that it has not read, the server waits a second for the client to close.
    if request.to_lowercase().contains("websocket") || response.starts_with("HTTP/1.1 413") {
        connection.end();
    }
    assert_eq!(connection.receive(true), None);
}

#[actix_web::test]
async fn a_request_for_an_upgrade_is_answered_and_the_response_says_that_the_connection_ends() {
    let app = TestApp::start().await;
    let article = app.sign_up("ann").await.write(Published::Yes).await;
    for (number, lines) in UPGRADES.into_iter().enumerate() {
        let (path, tag) = (article.path(), article.tag.clone());
        let current = format!("{lines}If-None-Match: {tag}\r\n");
        let account = registration(&format!("user{number}")).to_string();
        let requests = [
            (200, get(&path, lines)),
            (304, get(&path, &current)),
            (200, get(&path, lines).replace("GET", "HEAD")),
            (404, get("/nothing", lines)),
            (405, post("/health/live", lines, "{}")),
            (422, get("/articles/?limit=x", lines)),
            (201, post("/auth/register", lines, &account)),
            (422, post("/auth/login", lines, &account)),
            (413, post("/auth/register", lines, "x").replace("Length: 1", "Length: 3000000")),
            (
                204,
                get(
                    "/",
                    &format!(
                        "{lines}Origin: http://localhost:3000\r\nAccess-Control-Request-Method: GET\r\n"
                    ),
                )
                .replace("GET /", "OPTIONS /"),
            ),
        ];
        for (status, request) in requests {
            with_connection(app.address(), move |connection| {
                connection.send(get("/health/live", ""));
                expect(&connection.receive(true).unwrap(), 200);
                let has_body = !request.starts_with("HEAD");
                connection.send(&request);
                let response = connection.receive(has_body).unwrap();
                expect(&response, status);
                expect_last(connection, &request, &response);
            })
            .await;
        }
    }
}

#[actix_web::test]
async fn a_connection_stays_open_if_the_option_is_not_named() {
    let app = TestApp::start().await;
    with_connection(app.address(), |connection| {
        for lines in [
            "Upgrade: h2c\r\n",
            "Connection: HTTP2-Settings\r\nUpgrade: h2c\r\n",
            "Connection: upgraded\r\n",
            "Connection: keep-alive\r\n",
            "",
        ] {
            connection.send(get("/health/live", lines));
            let response = connection.receive(true).unwrap();
            expect(&response, 200);
            assert!(!head(&response).iter().any(|line| line.starts_with("connection:")), "{response}");
        }
    })
    .await;
}

#[actix_web::test]
async fn a_body_ends_after_its_length_whatever_protocol_the_request_asks_for() {
    let app = TestApp::start().await;
    for (number, lines) in UPGRADES.into_iter().enumerate() {
        let body = registration(&format!("user{number}")).to_string();
        with_connection(app.address(), move |connection| {
            let started = Instant::now();
            let request = post("/auth/register", lines, &body);
            // The body in two parts.
            let (first, second) = request.split_at(request.len() - 10);
            connection.send(first);
            std::thread::sleep(Duration::from_millis(30));
            connection.send(second);
            let response = connection.receive(true).unwrap();
            expect(&response, 201);
            assert!(started.elapsed() < Duration::from_secs(10), "{lines}: {:?}", started.elapsed());
            expect_last(connection, &request, &response);
        })
        .await;
    }
}

#[actix_web::test]
async fn what_follows_the_body_is_not_part_of_it() {
    let app = TestApp::start().await;
    let lines = "Upgrade: websocket\r\n";
    let request = post("/auth/register", lines, &registration("ann").to_string());
    let response = send_raw(app.address(), format!("{request}{{}} garbage").into_bytes()).await;
    expect(&response, 201);
    assert_eq!(response.matches("HTTP/1.1").count(), 1, "{response}");

    // Without a length there is no body.
    let request = post("/auth/register", lines, "").replace("Content-Length: 0\r\n", "");
    for request in [request.clone(), format!("{request}{}", registration("bob"))] {
        let response = send_raw(app.address(), request.into_bytes()).await;
        expect(&response, 422);
        assert!(response.contains("\"missing\",\"loc\":[\"body\"]"), "{response}");
    }
}

#[actix_web::test]
async fn a_chunked_body_ends_with_its_last_chunk() {
    let app = TestApp::start().await;
    let body = registration("ann").to_string();
    let head = post("/auth/register", "Upgrade: websocket\r\nTransfer-Encoding: chunked\r\n", "");
    let head = head.replace("Content-Length: 0\r\n", "");
    with_connection(app.address(), move |connection| {
        connection.send(format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
        expect(&connection.receive(true).unwrap(), 201);
        // Such a request has an end, and its `Connection` does not name the option.
        connection.send(get("/health/live", ""));
        expect(&connection.receive(true).unwrap(), 200);
    })
    .await;
}

#[actix_web::test]
async fn a_body_that_ends_before_its_length_is_400() {
    let app = TestApp::start().await;
    let request = post("/auth/register", "Upgrade: websocket\r\n", &registration("ann").to_string());
    with_connection(app.address(), move |connection| {
        connection.send(&request[..request.len() - 1]);
        connection.end();
        expect(&connection.receive(true).unwrap(), 400);
    })
    .await;
    app.anonymous().log_in("ann", "x").await.expect(StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn pipelined_requests_before_an_upgrade_are_answered_in_order() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let paths: Vec<String> =
        vec![ann.write(Published::Yes).await.path(), ann.write(Published::Yes).await.path()];
    with_connection(app.address(), move |connection| {
        let last = get("/nothing", UPGRADES[0]);
        connection.send(
            [&get(&paths[0], ""), &get(&paths[1], ""), &get("/articles/", ""), &last]
                .map(String::as_str)
                .concat(),
        );
        for marker in ["\"id\":1", "\"id\":2", "["] {
            let response = connection.receive(true).unwrap();
            expect(&response, 200);
            assert!(response.contains(marker), "{response}");
        }
        let response = connection.receive(true).unwrap();
        expect(&response, 404);
        expect_last(connection, &last, &response);
    })
    .await;
}
