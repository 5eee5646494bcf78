//! Compressed answers: where they pay, and what else must change with them.

use actix_web::http::{Method, StatusCode};
use serde_json::json;

use crate::support::{Answer, TestApp};

fn vary(answer: &Answer) -> String {
    answer.headers.get_all("vary").map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join(", ")
}

#[actix_web::test]
async fn a_long_answer_is_compressed_for_clients_that_take_it_and_reads_the_same() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = json!({ "title": "long", "content": "It weaves. ".repeat(2000), "published": true });
    ann.post("/articles/", &article).await.expect(StatusCode::CREATED);
    for path in ["/articles/1", "/articles/"] {
        let plain = app.anonymous().get(path).await;
        assert_eq!(plain.header("content-encoding"), None);
        assert!(vary(&plain).contains("Accept-Encoding"), "{}", vary(&plain));
        for coding in ["br", "gzip"] {
            let answer = app.anonymous().send(Method::GET, path, &[("accept-encoding", coding)], None).await;
            assert_eq!(answer.header("content-encoding"), Some(coding));
            assert_eq!(answer.json(), plain.json());
            let weak = format!("W/{}", plain.header("etag").unwrap());
            assert_eq!(answer.header("etag"), Some(weak.as_str()));

            let known = [("accept-encoding", coding), ("if-none-match", weak.as_str())];
            let again = app.anonymous().send(Method::GET, path, &known, None).await;
            assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
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
    assert!(!vary(&answer).contains("Accept-Encoding"));
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
