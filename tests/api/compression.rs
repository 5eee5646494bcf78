//! Compressed responses: when there are any, and which headers change with them.

use actix_web::http::{Method, StatusCode};
use serde_json::json;

use crate::support::{Client, Response, TestApp, article_body};

fn vary(response: &Response) -> Vec<&str> {
    let lines = response.headers.get_all("vary").map(|value| value.to_str().unwrap());
    lines.flat_map(|line| line.split(", ")).collect()
}

async fn get_as(client: &Client, path: &str, codings: &str) -> Response {
    client.request(Method::GET, path).accept_encoding(codings).send().await
}

/// Reads long responses, plain and in every coding: from the database and from the cache, anonymously and
/// with a token.
async fn for_every_coding(check: impl AsyncFn(&Client, &str, &str, &Response, &Response)) {
    for cache_bytes in ["0", "1000000"] {
        let app = TestApp::with(&[("CACHE_BYTES", cache_bytes)]).await;
        let ann = app.sign_up("ann").await;
        // The first is compressed on the worker, the second on another thread.
        for words in [200, 2000] {
            let content = "It weaves. ".repeat(words);
            ann.create(&json!({ "title": "long", "content": content, "published": true })).await;
        }
        let anonymous = app.anonymous();
        for path in ["/articles/1", "/articles/2", "/articles/"] {
            // The first anonymous read fills the cache.
            for client in [&anonymous, &anonymous, &anonymous, &ann] {
                let plain = client.get(path).await;
                assert_eq!(plain.header("content-encoding"), None);
                for coding in ["br", "gzip"] {
                    let compressed = get_as(client, path, coding).await;
                    check(client, path, coding, &plain, &compressed).await;
                }
            }
        }
    }
}

#[actix_web::test]
async fn a_compressed_response_reads_like_the_plain_one() {
    for_every_coding(async |_, path, coding, plain, compressed| {
        assert_eq!(compressed.header("content-encoding"), Some(coding), "{path}");
        assert_eq!(compressed.body, plain.body, "{path}");
    })
    .await;
}

#[actix_web::test]
async fn a_long_response_varies_with_the_accepted_codings() {
    for_every_coding(async |_, path, _, plain, compressed| {
        assert_eq!(vary(plain), ["Authorization", "Accept-Encoding", "Origin"], "{path}");
        assert_eq!(vary(compressed), vary(plain), "{path}");
    })
    .await;
}

#[actix_web::test]
async fn the_tag_of_a_compressed_response_is_weak() {
    for_every_coding(async |_, path, _, plain, compressed| {
        let weak = format!("W/{}", plain.tag());
        assert_eq!(compressed.header("etag"), Some(weak.as_str()), "{path}");
    })
    .await;
}

#[actix_web::test]
async fn head_has_the_headers_of_the_compressed_response() {
    for_every_coding(async |client, path, coding, _, compressed| {
        let head = client.request(Method::HEAD, path).accept_encoding(coding).send().await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
        for name in ["content-encoding", "content-length", "content-type", "etag", "cache-control"] {
            assert_eq!(head.header(name), compressed.header(name), "{path}: {name}");
        }
    })
    .await;
}

#[actix_web::test]
async fn a_compressed_response_that_the_client_has_is_304() {
    for_every_coding(async |client, path, coding, plain, compressed| {
        for tag in [plain.header("etag").unwrap(), compressed.header("etag").unwrap()] {
            let request = client.request(Method::GET, path).accept_encoding(coding).if_none_match(tag);
            let response = request.send().await;
            assert_eq!((response.status, response.body.len()), (StatusCode::NOT_MODIFIED, 0));
            assert_eq!(vary(&response), vary(compressed));
            for name in ["etag", "cache-control"] {
                assert_eq!(response.header(name), compressed.header(name), "{path}: {name}");
            }
            for name in ["content-encoding", "content-length", "content-type"] {
                assert_eq!(response.header(name), None, "{path}: {name}");
            }
        }
    })
    .await;
}

#[actix_web::test]
async fn a_short_response_is_not_compressed() {
    let app = TestApp::start().await;
    let article = app.sign_up("ann").await.create(&article_body("short")).await;
    let response = get_as(&app.anonymous(), &article.path(), "br, gzip").await;
    assert_eq!(response.header("content-encoding"), None);
    assert!(!vary(&response).contains(&"Accept-Encoding"));
}
