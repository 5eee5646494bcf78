//! Limits: of request bodies and of pages.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};

use actix_web::{
    http::{Method, StatusCode},
    rt::task::spawn_blocking,
};
use serde_json::{Map, Value, json};

use crate::{
    document::document,
    support::{PASSWORD, Published, TestApp, send_raw, wait_until},
};

const MAX_BODY: (&str, &str) = ("MAX_BODY_BYTES", "2048");
const TOO_LARGE: &str = "The body has more than 2048 bytes";

/// A body of exactly this many bytes.
fn article_of(bytes: usize) -> Value {
    let frame = json!({ "title": "t", "content": "" }).to_string().len();
    json!({ "title": "t", "content": "x".repeat(bytes - frame) })
}

#[actix_web::test]
async fn a_body_may_be_as_large_as_the_limit() {
    let app = TestApp::with(&[MAX_BODY]).await;
    let ann = app.sign_up("ann").await;
    ann.post("/articles/", &article_of(2048)).await.expect(StatusCode::CREATED);
}

#[actix_web::test]
async fn a_larger_body_is_413_and_changes_nothing() {
    let app = TestApp::with(&[MAX_BODY]).await;
    let (ann, anyone) = (app.sign_up("ann").await, app.anonymous());
    let article = ann.write(Published::Yes).await;
    let too_large = article_of(2049);
    for response in [
        ann.post("/articles/", &too_large).await,
        ann.patch(&article.path(), &too_large).await,
        anyone.post("/auth/register", &too_large).await,
        anyone.log_in("ann", &"x".repeat(3000)).await,
    ] {
        response.expect_error(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE);
    }
    assert_eq!(ann.get(&article.path()).await.json(), article.json);
}

#[actix_web::test]
async fn a_body_that_is_announced_too_large_is_refused_before_it_is_sent() {
    let app = TestApp::with(&[MAX_BODY]).await;
    let head =
        "POST /articles/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1000000000\r\n\r\n";
    let response = send_raw(app.address(), head.into()).await;
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    assert!(response.ends_with(&json!({ "detail": TOO_LARGE }).to_string()), "{response}");
}

/// A request with a body of this many blanks, in chunks.
fn chunked(bytes: usize) -> Vec<u8> {
    let head =
        "POST /articles/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("100\r\n{}\r\n", " ".repeat(0x100));
    format!("{head}{}0\r\n\r\n", chunk.repeat(bytes / 0x100)).into_bytes()
}

#[actix_web::test]
async fn a_chunked_body_beyond_the_limit_is_413() {
    let app = TestApp::with(&[MAX_BODY]).await;
    let response = send_raw(app.address(), chunked(4096)).await;
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    assert!(response.ends_with(&json!({ "detail": TOO_LARGE }).to_string()), "{response}");
}

#[actix_web::test]
async fn a_chunked_body_within_the_limit_is_read() {
    let app = TestApp::with(&[MAX_BODY]).await;
    let response = send_raw(app.address(), chunked(2048)).await;
    assert!(!response.starts_with("HTTP/1.1 413 "), "{response}");
}

#[actix_web::test]
async fn a_body_that_cannot_be_read_is_400() {
    let app = TestApp::start().await;
    let token = app.sign_up("ann").await.token.unwrap();
    let nested = "[".repeat(200_000);
    for body in [b"{\"title\":\"\xff\"}".as_slice(), nested.as_bytes()] {
        let head = format!(
            "POST /articles/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let response = send_raw(app.address(), [head.as_bytes(), body].concat()).await;
        assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
        assert!(response.ends_with(r#"{"detail":"There was an error parsing the body"}"#), "{response}");
    }
}

/// The operations about accounts that have a body: method and path.
fn account_operations() -> Vec<(Method, String)> {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let mut found = Vec::new();
    for (path, operations) in
        paths.iter().filter(|(path, _)| path.starts_with("/auth") || path.starts_with("/users"))
    {
        for (method, operation) in operations.as_object().unwrap() {
            if operation.get("requestBody").is_some() {
                found.push((method.to_uppercase().parse().unwrap(), path.clone()));
            }
        }
    }
    found
}

#[actix_web::test]
async fn a_body_about_accounts_has_at_most_16_kib() {
    let app = TestApp::start().await;
    let operations = account_operations();
    assert!(operations.len() >= 2);
    for (method, path) in operations {
        let send = async |bytes: usize| {
            let request = app.anonymous();
            request.request(method.clone(), &path).body("application/json", " ".repeat(bytes)).send().await
        };
        let refused = send((16 << 10) + 1).await;
        refused.expect_error(StatusCode::PAYLOAD_TOO_LARGE, "The body has more than 16384 bytes");
        assert_ne!(send(16 << 10).await.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
}

#[actix_web::test]
async fn a_smaller_limit_of_the_operator_holds_for_accounts_too() {
    let app = TestApp::with(&[MAX_BODY]).await;
    let response = app.anonymous().log_in("ann", &"x".repeat(3000)).await;
    response.expect_error(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE);
}

#[actix_web::test]
async fn no_faulty_request_gets_a_response_of_more_than_64_kib() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let members: Map<String, Value> = (0..150_000).map(|number| (format!("{number:x}"), json!(1))).collect();
    let text = "\0".repeat(100_000);
    for body in [
        Value::Object(members.clone()),
        json!({ "title": members, "content": members, "published": members }),
        json!({ "title": text, "content": text, "published": text }),
        json!([text]),
        json!(text),
    ] {
        for response in [ann.post("/articles/", &body).await, ann.patch(&article.path(), &body).await] {
            if response.status != StatusCode::OK {
                assert!(response.status.is_client_error(), "{}", response.status);
            }
            assert!(response.body.len() <= 64 << 10, "{} bytes", response.body.len());
        }
    }
    let small: Map<String, Value> = (0..1500).map(|number| (format!("{number:x}"), json!(1))).collect();
    let response = app.anonymous().post("/auth/register", &Value::Object(small)).await;
    response.expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert!(response.body.len() <= 64 << 10, "{} bytes", response.body.len());
}

/// Connections that have each sent a part of a body of `bytes` bytes.
fn stalled_uploads(address: SocketAddr, connections: usize, sent: usize, bytes: usize) -> Vec<TcpStream> {
    let head = format!("POST /articles/ HTTP/1.1\r\nhost: x\r\ncontent-length: {bytes}\r\n\r\n");
    let part = [head.as_bytes(), &vec![b' '; sent]].concat();
    let open = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&part).unwrap();
        stream
    };
    (0..connections).map(open).collect()
}

#[actix_web::test]
async fn a_body_that_does_not_arrive_is_408_and_closes_the_connection() {
    let app = TestApp::with(&[("REQUEST_TIMEOUT_SECONDS", "1")]).await;
    let mut stream = stalled_uploads(app.address(), 1, 10, 1000).remove(0);
    let response = spawn_blocking(move || {
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    });
    let response = response.await.unwrap();
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    assert!(response.to_ascii_lowercase().contains("connection: close"), "{response}");
    assert!(response.ends_with(r#"{"detail":"The body was not received in time"}"#), "{response}");
}

#[actix_web::test]
async fn large_bodies_that_occupy_the_memory_are_503_for_large_ones_only() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let address = app.address();
    let mut uploads =
        spawn_blocking(move || stalled_uploads(address, 36, 2_000_000, 2_000_001)).await.unwrap();
    let large = json!({ "title": "t", "content": "x".repeat(100_000) });
    wait_until("the memory is occupied", async || {
        let refused = ann.post("/articles/", &large).await.status == StatusCode::SERVICE_UNAVAILABLE;
        if !refused {
            // An upload is refused while the request above holds the last of the memory.
            uploads.extend(stalled_uploads(address, 1, 2_000_000, 2_000_001));
        }
        refused
    })
    .await;
    ann.write(Published::Yes).await;
    app.anonymous().sign_in("ann", PASSWORD).await;
    drop(uploads);
    wait_until("the memory is free", async || {
        ann.post("/articles/", &large).await.status == StatusCode::CREATED
    })
    .await;
}

#[actix_web::test]
async fn a_client_that_sends_requests_without_end_lets_others_have_their_turn() {
    const REQUEST: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n";
    let app = TestApp::with(&[("WORKERS", "1")]).await;
    let address = app.address();
    let received = spawn_blocking(move || {
        let flood = TcpStream::connect(address).unwrap();
        let (mut sending, mut receiving) = (flood.try_clone().unwrap(), flood.try_clone().unwrap());
        let received = AtomicUsize::new(0);
        thread::scope(|scope| {
            scope.spawn(|| while sending.write_all(&REQUEST.repeat(1000)).is_ok() {});
            scope.spawn(|| {
                let mut buffer = vec![0; 1 << 16];
                while let Ok(bytes @ 1..) = receiving.read(&mut buffer) {
                    received.fetch_add(bytes, Relaxed);
                }
            });
            while received.load(Relaxed) == 0 {
                thread::yield_now();
            }
            let before = received.load(Relaxed);
            let mut other = TcpStream::connect(address).unwrap();
            other.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let answered = (0..10).filter(|_| {
                let mut response = [0; 1 << 10];
                other.write_all(REQUEST).is_ok() && other.read(&mut response).is_ok_and(|bytes| bytes > 0)
            });
            let answered = answered.count();
            let meanwhile = received.load(Relaxed) - before;
            // Otherwise the other threads would not end.
            flood.shutdown(Shutdown::Both).unwrap();
            assert_eq!(answered, 10);
            meanwhile
        })
    });
    // Ten requests, during which the flood has some thousand answers of 300 bytes; without turns, it has millions.
    let received = received.await.unwrap();
    assert!(received < 10_000_000, "{received} bytes");
}

/// Starts a server with five articles.
async fn start_with_five_articles(max_page_size: &str) -> TestApp {
    let app = TestApp::with(&[("MAX_PAGE_SIZE", max_page_size)]).await;
    let ann = app.sign_up("ann").await;
    for _ in 0..5 {
        ann.write(Published::Yes).await;
    }
    app
}

#[actix_web::test]
async fn a_page_has_as_many_rows_as_asked_for() {
    let app = start_with_five_articles("3").await;
    for (query, rows) in [("limit=3", 3), ("limit=2&skip=4", 1)] {
        let page = app.anonymous().get(&format!("/articles/?{query}")).await.expect(StatusCode::OK);
        assert_eq!(page.as_array().unwrap().len(), rows, "{query}");
    }
}

#[actix_web::test]
async fn a_maximum_below_the_default_page_size_is_the_default() {
    let app = start_with_five_articles("3").await;
    let page = app.anonymous().get("/articles/").await.expect(StatusCode::OK);
    assert_eq!(page.as_array().unwrap().len(), 3);
}

#[actix_web::test]
async fn a_page_beyond_the_maximum_is_422() {
    let app = start_with_five_articles("3").await;
    let body = app.anonymous().get("/articles/?limit=4").await.expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        body["detail"],
        json!([{
            "type": "less_than_equal", "loc": ["query", "limit"],
            "msg": "Input should be less than or equal to 3", "input": "4", "ctx": { "le": 3 },
        }])
    );
}

#[actix_web::test]
async fn without_a_maximum_a_page_may_have_any_size() {
    let app = TestApp::with(&[("MAX_PAGE_SIZE", "0")]).await;
    for limit in ["1001", "9223372036854775807"] {
        app.anonymous().get(&format!("/articles/?limit={limit}")).await.expect(StatusCode::OK);
    }
}

#[actix_web::test]
async fn without_a_maximum_a_page_size_beyond_64_bits_is_422() {
    let app = TestApp::with(&[("MAX_PAGE_SIZE", "0")]).await;
    let response = app.anonymous().get("/articles/?limit=9223372036854775808").await;
    response.expect_invalid([("int_parsing_size", json!(["query", "limit"]))]);
}
