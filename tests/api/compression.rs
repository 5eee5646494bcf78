//! Compressed answers: where they pay, and what else must change with them.

use actix_web::http::{Method, StatusCode};
use serde_json::json;

use crate::support::{Client, Response, TestApp};

fn vary(answer: &Response) -> Vec<&str> {
    let lines = answer.headers.get_all("vary").map(|value| value.to_str().unwrap());
    lines.flat_map(|line| line.split(", ")).collect()
}

#[actix_web::test]
async fn a_long_answer_is_compressed_for_clients_that_take_it_and_reads_the_same() {
    // From the database and from memory: the first reads of each coding fill it.
    for settings in [[("CACHE_BYTES", "0")], [("CACHE_BYTES", "1000000")]] {
        let app = TestApp::with(&settings).await;
        let ann = app.sign_up("ann").await;
        // On the worker, and off it.
        for words in [200, 2000] {
            let article =
                json!({ "title": "long", "content": "It weaves. ".repeat(words), "published": true });
            ann.post("/articles/", &article).await.expect(StatusCode::CREATED);
        }
        for path in ["/articles/1", "/articles/2", "/articles/"] {
            for _ in 0..3 {
                reads_the_same_in_every_coding(&app.anonymous(), path).await;
            }
            reads_the_same_in_every_coding(&ann, path).await;
        }
    }
}

async fn reads_the_same_in_every_coding(client: &Client, path: &str) {
    let plain = client.get(path).await;
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(vary(&plain), ["Authorization", "Accept-Encoding", "Origin"]);
    for coding in ["br", "gzip"] {
        let takes = ("accept-encoding", coding);
        let answer = client.send(Method::GET, path, &[takes], None).await;
        assert_eq!(answer.header("content-encoding"), Some(coding));
        assert_eq!(answer.body, plain.body);
        assert_eq!(vary(&answer), vary(&plain));
        let weak = format!("W/{}", plain.header("etag").unwrap());
        assert_eq!(answer.header("etag"), Some(weak.as_str()));

        let head = client.send(Method::HEAD, path, &[takes], None).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
        for name in ["content-encoding", "content-length", "content-type", "etag", "cache-control"] {
            assert_eq!(head.header(name), answer.header(name), "{path}: {name}");
        }

        for known in [weak.as_str(), plain.header("etag").unwrap()] {
            let again = client.send(Method::GET, path, &[takes, ("if-none-match", known)], None).await;
            assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
            assert_eq!(vary(&again), vary(&answer));
            for name in ["etag", "cache-control"] {
                assert_eq!(again.header(name), answer.header(name), "{path}: {name}");
            }
            for name in ["content-encoding", "content-length", "content-type"] {
                assert_eq!(again.header(name), None, "{path}: {name}");
            }
        }
    }
}

#[actix_web::test]
async fn a_short_answer_is_left_as_it_is() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = json!({ "title": "short", "content": "0123456789", "published": true });
    ann.post("/articles/", &article).await.expect(StatusCode::CREATED);
    let answer =
        app.anonymous().send(Method::GET, "/articles/1", &[("accept-encoding", "br, gzip")], None).await;
    assert_eq!(answer.header("content-encoding"), None);
    assert!(!vary(&answer).contains(&"Accept-Encoding"));
}

#[actix_web::test]
async fn an_edit_made_on_a_compressed_answer_is_safe_too() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = json!({ "title": "long", "content": "It weaves. ".repeat(2000), "published": true });
    ann.post("/articles/", &article).await.expect(StatusCode::CREATED);
    let seen = ann.send(Method::GET, "/articles/1", &[("accept-encoding", "gzip")], None).await;
    let edit = |title: &str, tag: &str| {
        let headers = [("content-type", "application/json".to_owned()), ("if-match", tag.to_owned())];
        let body = json!({ "title": title }).to_string();
        let ann = ann.clone();
        async move {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            ann.send(Method::PATCH, "/articles/1", &headers, Some(body)).await
        }
    };
    let tag = seen.header("etag").unwrap();
    edit("first", tag).await.expect(StatusCode::OK);
    edit("second", tag).await.expect_error(StatusCode::PRECONDITION_FAILED, "The article has changed");
}
