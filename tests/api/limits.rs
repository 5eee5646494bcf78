//! Limits: of bodies and of pages.

use actix_web::http::StatusCode;
use serde_json::json;

use crate::support::{Published, TestApp, send_raw};

const TOO_LARGE: &str = "The body has more than 2048 bytes";

#[actix_web::test]
async fn a_body_may_have_as_many_bytes_as_the_limit_and_no_more() {
    let app = TestApp::with(&[("MAX_BODY_BYTES", "2048")]).await;
    let ann = app.sign_up("ann").await;
    let frame = json!({ "title": "t", "content": "" }).to_string().len();
    let fits = json!({ "title": "t", "content": "x".repeat(2048 - frame) });
    let article = ann.post("/articles/", &fits).await.expect(StatusCode::CREATED);
    let path = format!("/articles/{}", article["id"]);

    let longer = json!({ "title": "t", "content": "x".repeat(2049 - frame) });
    ann.post("/articles/", &longer).await.expect_error(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE);
    ann.patch(&path, &longer).await.expect_error(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE);
    let anyone = app.anonymous();
    anyone.post("/auth/register", &longer).await.expect_error(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE);
    let long = "x".repeat(3000);
    anyone.log_in("ann", &long).await.expect_error(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE);
    assert_eq!(ann.get(&path).await.json(), article);
}

#[actix_web::test]
async fn an_announced_body_is_refused_before_it_is_sent() {
    let app = TestApp::with(&[("MAX_BODY_BYTES", "2048")]).await;
    let head =
        "POST /articles/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1000000000\r\n\r\n";
    let answer = send_raw(app.address(), head.into()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.ends_with(&json!({ "detail": TOO_LARGE }).to_string()), "{answer}");
}

#[actix_web::test]
async fn a_body_that_does_not_say_its_length_is_counted() {
    let app = TestApp::with(&[("MAX_BODY_BYTES", "2048")]).await;
    let chunked = |bytes: usize| {
        let head =
            "POST /articles/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunk = format!("100\r\n{}\r\n", " ".repeat(0x100));
        format!("{head}{}0\r\n\r\n", chunk.repeat(bytes / 0x100)).into_bytes()
    };
    let answer = send_raw(app.address(), chunked(4096)).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.ends_with(&json!({ "detail": TOO_LARGE }).to_string()), "{answer}");
    let answer = send_raw(app.address(), chunked(2048)).await;
    assert!(!answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[actix_web::test]
async fn a_body_that_cannot_be_read_is_400() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let nested = "[".repeat(200_000);
    let token = ann.token.as_ref().unwrap();
    for body in [b"{\"title\":\"\xff\"}".as_slice(), nested.as_bytes()] {
        let head = format!(
            "POST /articles/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let answer = send_raw(app.address(), [head.as_bytes(), body].concat()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.ends_with(r#"{"detail":"There was an error parsing the body"}"#), "{answer}");
    }
}

#[actix_web::test]
async fn a_page_holds_what_is_asked_for_up_to_the_maximum() {
    let app = TestApp::with(&[("MAX_PAGE_SIZE", "3")]).await;
    let ann = app.sign_up("ann").await;
    for _ in 0..5 {
        ann.write(Published::Yes).await.json;
    }
    let rows = async |target: &str| ann.get(target).await.expect(StatusCode::OK).as_array().unwrap().len();
    // Smaller than the default of 100, so the default is this.
    assert_eq!(rows("/articles/").await, 3);
    assert_eq!(rows("/articles/?limit=3").await, 3);
    assert_eq!(rows("/articles/?limit=2&skip=4").await, 1);
    let body = ann.get("/articles/?limit=4").await.expect(StatusCode::UNPROCESSABLE_ENTITY);
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
    let faults = app.anonymous().get("/articles/?limit=9223372036854775808").await.validation_errors();
    assert_eq!(faults, [("int_parsing_size".to_owned(), json!(["query", "limit"]))]);
}
