//! Limits: of request bodies and of pages.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Published, TestApp, send_raw};

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
