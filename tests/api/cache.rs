//! The cache of one server: it never shows a stale article or a draft, and serves each client in a coding
//! that it accepts.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Article, CODINGS, Client, Published, TestApp, wait_until};

/// Sends requests while the database cannot answer for articles, so that only the cache can.
async fn without_articles<T>(app: &TestApp, send: impl AsyncFnOnce() -> T) -> T {
    app.sql_keeping_cache("ALTER TABLE articles RENAME TO gone").await;
    let responses = send().await;
    app.sql_keeping_cache("ALTER TABLE gone RENAME TO articles").await;
    responses
}

/// The paths under which an anonymous client finds the only public article, with what it must read there.
fn reads(article: &Article) -> [(String, Value); 2] {
    [(article.path(), article.json.clone()), ("/articles/".to_owned(), json!([article.json]))]
}

/// Writes an article that is long enough to be compressed.
async fn write_long(client: &Client) -> Article {
    client.create(&json!({ "title": "long", "content": "It weaves. ".repeat(2000), "published": true })).await
}

// A server stops trusting its cache if its watch on the database is late, as on a busy machine.
// The tests below therefore try again if the database was asked.

#[actix_web::test]
async fn anonymous_reads_are_served_from_the_cache() {
    let app = TestApp::start().await;
    let article = app.sign_up("ann").await.write(Published::Yes).await;
    for (path, expected) in reads(&article) {
        wait_until("the cache answers", async || {
            app.fill_cache(&path).await;
            let response = without_articles(&app, async || app.anonymous().get(&path).await).await;
            if response.status != StatusCode::OK {
                return false;
            }
            assert_eq!(response.json(), expected, "{path}");
            true
        })
        .await;
    }
}

#[actix_web::test]
async fn head_is_served_from_the_cache_with_the_headers_of_get() {
    let app = TestApp::start().await;
    let article = app.sign_up("ann").await.write(Published::Yes).await;
    for (path, _) in reads(&article) {
        wait_until("the cache answers", async || {
            app.fill_cache(&path).await;
            let client = app.anonymous();
            let both = async || [client.get(&path).await, client.head(&path).await];
            let [get, head] = without_articles(&app, both).await;
            if [get.status, head.status] != [StatusCode::OK; 2] {
                return false;
            }
            assert_eq!(head.body.len(), 0, "{path}");
            for name in ["etag", "content-length", "content-type", "cache-control", "link"] {
                assert_eq!(get.header(name), head.header(name), "{path}: {name}");
            }
            true
        })
        .await;
    }
}

#[actix_web::test]
async fn another_query_is_not_served_from_the_cache() {
    let app = TestApp::start().await;
    let article = app.sign_up("ann").await.write(Published::Yes).await;
    for (path, _) in reads(&article) {
        app.fill_cache(&path).await;
        let other = format!("{path}?expand=author");
        let response = without_articles(&app, async || app.anonymous().get(&other).await).await;
        response.expect(StatusCode::INTERNAL_SERVER_ERROR);
    }
}

#[actix_web::test]
async fn a_request_with_a_token_is_not_served_from_the_cache() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    for (path, _) in reads(&article) {
        app.fill_cache(&path).await;
        let response = without_articles(&app, async || ann.get(&path).await).await;
        response.expect(StatusCode::INTERNAL_SERVER_ERROR);
    }
}

#[actix_web::test]
async fn a_bad_token_is_401_whatever_the_cache_has() {
    let app = TestApp::start().await;
    let article = app.sign_up("ann").await.write(Published::Yes).await;
    for (path, _) in reads(&article) {
        app.fill_cache(&path).await;
        let response = app.anonymous().with_token("garbage").get(&path).await;
        response.expect_unauthorized("Could not validate credentials");
    }
}

#[actix_web::test]
async fn the_response_to_an_author_is_not_cached() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let draft = ann.write(Published::No).await;
    for path in [draft.path(), "/articles/?limit=7".to_owned()] {
        ann.get(&path).await.expect(StatusCode::OK);
        assert!(!app.is_cached(&path), "{path}");
    }
}

#[actix_web::test]
async fn a_404_is_not_cached() {
    let app = TestApp::start().await;
    let draft = app.sign_up("ann").await.write(Published::No).await;
    app.anonymous().get(&draft.path()).await.expect(StatusCode::NOT_FOUND);
    assert!(!app.is_cached(&draft.path()));
}

#[actix_web::test]
async fn a_withdrawn_article_disappears_at_once() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    for (path, expected) in reads(&article) {
        assert_eq!(app.fill_cache(&path).await.json(), expected);
    }

    ann.edit(&article, &json!({ "published": false })).await;

    assert_eq!(app.anonymous().get(&article.path()).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.anonymous().get("/articles/").await.json(), json!([]));
}

#[actix_web::test]
async fn each_client_is_served_from_the_cache_in_its_coding() {
    let app = TestApp::start().await;
    let article = write_long(&app.sign_up("ann").await).await;
    for (path, expected) in reads(&article) {
        wait_until("the cache answers", async || {
            for accepted in CODINGS {
                app.fill_cache_as(&path, accepted).await;
            }
            let cached =
                CODINGS.map(|accepted| app.cached_length(&path, accepted).map(|len| len.to_string()));
            let order = [0, 1, 2, 1, 0, 2];
            let responses = without_articles(&app, async || {
                let mut responses = Vec::new();
                for at in order {
                    responses.push(app.read_as(&path, CODINGS[at]).await);
                }
                responses
            })
            .await;
            if responses.iter().any(|response| response.status != StatusCode::OK) {
                return false;
            }
            for (at, response) in order.into_iter().zip(responses) {
                assert_eq!(response.header("content-encoding"), [None, Some("br"), Some("gzip")][at]);
                assert_eq!(response.json(), expected, "{path}");
                assert_eq!(response.header("content-length"), cached[at].as_deref());
            }
            true
        })
        .await;
    }
}

#[actix_web::test]
async fn a_write_shows_at_once_in_every_coding() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let mut article = write_long(&ann).await;
    for round in 0..3 {
        for (path, expected) in reads(&article) {
            for accepted in CODINGS {
                assert_eq!(app.fill_cache_as(&path, accepted).await.json(), expected, "{path}");
            }
        }
        article = ann.edit(&article, &json!({ "title": round.to_string() })).await;
        for (path, expected) in reads(&article) {
            for accepted in CODINGS {
                assert_eq!(app.read_as(&path, accepted).await.json(), expected, "{path}");
            }
        }
    }
}

#[actix_web::test]
async fn a_cache_without_bytes_stores_nothing() {
    let app = TestApp::with(&[("CACHE_BYTES", "0")]).await;
    let article = app.sign_up("ann").await.write(Published::Yes).await;
    for (path, expected) in reads(&article) {
        for _ in 0..2 {
            assert_eq!(app.anonymous().get(&path).await.expect(StatusCode::OK), expected);
        }
        assert!(!app.is_cached(&path));
    }
    app.sql_keeping_cache("ALTER TABLE articles RENAME TO gone").await;
    app.anonymous().get(&article.path()).await.expect(StatusCode::INTERNAL_SERVER_ERROR);
}

#[actix_web::test]
async fn without_a_cache_a_write_shows_at_once() {
    let app = TestApp::with(&[("CACHE_BYTES", "0")]).await;
    let ann = app.sign_up("ann").await;
    let mut article = ann.write(Published::Yes).await;
    for round in 0..5 {
        for (path, expected) in reads(&article) {
            for _ in 0..2 {
                assert_eq!(app.anonymous().get(&path).await.expect(StatusCode::OK), expected);
            }
        }
        article = ann.edit(&article, &json!({ "title": round.to_string() })).await;
    }
}
