//! The cache of one server: never stale, nobody's drafts in it, each client's coding.

use actix_web::http::{Method, StatusCode};
use byline::http::compression::Coding;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, until};

pub(crate) fn path(article: &Value) -> String {
    format!("/articles/{}", article["id"])
}

/// What clients take, by the header that says so.
pub(crate) const CODINGS: [(&str, Option<Coding>); 3] =
    [("identity", None), ("gzip, deflate, br", Some(Coding::Brotli)), ("gzip", Some(Coding::Gzip))];

/// A stranger's read.
pub(crate) async fn read(app: &TestApp, path: &str, takes: &str) -> Answer {
    app.anonymous().send(Method::GET, path, &[("accept-encoding", takes)], None).await
}

/// Reads until the answer is in the server's memory.
pub(crate) async fn warm(app: &TestApp, path: &str) -> Answer {
    warm_in(app, path, CODINGS[0]).await
}

/// The same for a client that takes this coding.
pub(crate) async fn warm_in(app: &TestApp, path: &str, (takes, coding): (&str, Option<Coding>)) -> Answer {
    until("the answer is kept", async || {
        read(app, path, takes).await.expect(StatusCode::OK);
        app.cache().get(path, coding).is_some()
    })
    .await;
    read(app, path, takes).await
}

#[actix_web::test]
async fn a_stranger_is_answered_from_memory_and_never_with_anothers_draft() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(true).await;
    let draft = ann.write(false).await;
    assert_eq!(warm(&app, &path(&article)).await.json(), article);
    assert_eq!(warm(&app, "/articles/").await.json(), json!([article]));

    // Without its table the database has no answer; the writer's own connection tells nobody of this. On a busy machine the
    // watch may be late, and then memory is rightly not trusted: another try.
    let rename = |from: &str, to: &str| format!("ALTER TABLE {from} RENAME TO {to}");
    until("memory answers", async || {
        let mut from_memory = true;
        for target in [path(&article), "/articles/".to_owned()] {
            warm(&app, &target).await;
            app.writer().execute_unprepared(&rename("articles", "gone")).await.unwrap();
            let (get, head) = (app.anonymous().get(&target).await, app.anonymous().head(&target).await);
            // Another question, and another's eyes, are not answered from it.
            let another = app.anonymous().get(&format!("{target}?expand=author")).await;
            let her_own = ann.get(&target).await;
            app.writer().execute_unprepared(&rename("gone", "articles")).await.unwrap();
            another.expect(StatusCode::INTERNAL_SERVER_ERROR);
            her_own.expect(StatusCode::INTERNAL_SERVER_ERROR);
            if [get.status, head.status] != [StatusCode::OK; 2] {
                from_memory = false;
                continue;
            }
            assert_eq!(head.body.len(), 0, "{target}");
            for name in ["etag", "content-length", "content-type", "cache-control", "link"] {
                assert_eq!(get.header(name), head.header(name), "{target}: {name}");
            }
        }
        from_memory
    })
    .await;

    // A draft is not kept, neither as 404 nor for its author.
    for target in [path(&draft), "/articles/?limit=7".to_owned()] {
        ann.get(&target).await.expect(StatusCode::OK);
        assert!(app.cache().get(&target, None).is_none(), "{target} was kept for a stranger");
    }
    assert_eq!(app.anonymous().get(&path(&draft)).await.status, StatusCode::NOT_FOUND);
    assert!(app.cache().get(&path(&draft), None).is_none());
    // Withdrawn, it is gone at once.
    ann.patch(&path(&article), &json!({ "published": false })).await.expect(StatusCode::OK);
    assert_eq!(app.anonymous().get(&path(&article)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.anonymous().get("/articles/").await.json(), json!([]));
}

#[actix_web::test]
async fn each_client_is_answered_from_memory_in_the_coding_it_takes_until_the_next_write() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let body = json!({ "title": "long", "content": "It weaves. ".repeat(2000), "published": true });
    let mut article = ann.post("/articles/", &body).await.expect(StatusCode::CREATED);
    for round in 0..3 {
        for (target, expected) in
            [(path(&article), article.clone()), ("/articles/".to_owned(), json!([article]))]
        {
            until("memory answers", async || {
                for coding in CODINGS {
                    assert_eq!(warm_in(&app, &target, coding).await.json(), expected, "{target}");
                }
                let kept = CODINGS.map(|(_, coding)| app.cache().get(&target, coding));
                // As above: the database has no answer now.
                let writer = app.writer();
                writer.execute_unprepared("ALTER TABLE articles RENAME TO gone").await.unwrap();
                let mut answers = Vec::new();
                for at in [0, 1, 2, 1, 0, 2] {
                    answers.push((at, read(&app, &target, CODINGS[at].0).await));
                }
                writer.execute_unprepared("ALTER TABLE gone RENAME TO articles").await.unwrap();
                if answers.iter().any(|(_, answer)| answer.status != StatusCode::OK) {
                    return false;
                }
                for (at, answer) in answers {
                    assert_eq!(answer.header("content-encoding"), [None, Some("br"), Some("gzip")][at]);
                    assert_eq!(answer.json(), expected, "{target}");
                    // What was kept is what was sent.
                    let length = kept[at].as_ref().unwrap().body.len().to_string();
                    assert_eq!(answer.header("content-length"), Some(length.as_str()));
                }
                true
            })
            .await;
        }
        let change = json!({ "title": round.to_string() });
        article = ann.patch(&path(&article), &change).await.expect(StatusCode::OK);
        for (takes, _) in CODINGS {
            assert_eq!(read(&app, &path(&article), takes).await.json(), article);
            assert_eq!(read(&app, "/articles/", takes).await.json(), json!([article]));
        }
    }
}

#[actix_web::test]
async fn a_bad_token_is_told_whatever_lies_in_memory() {
    let app = TestApp::start().await;
    let article = app.sign_up("ann").await.write(true).await;
    for target in [path(&article), "/articles/".to_owned()] {
        warm(&app, &target).await;
        let answer = app.anonymous().with_token("garbage").get(&target).await;
        answer.expect_error(StatusCode::UNAUTHORIZED, "Could not validate credentials");
    }
}

#[actix_web::test]
async fn without_bytes_nothing_is_kept_and_everything_answered() {
    let app = TestApp::with(&[("CACHE_BYTES", "0")]).await;
    let ann = app.sign_up("ann").await;
    let mut article = ann.write(true).await;
    for round in 0..5 {
        for _ in 0..2 {
            assert_eq!(app.anonymous().get(&path(&article)).await.expect(StatusCode::OK), article);
            assert_eq!(app.anonymous().get("/articles/").await.expect(StatusCode::OK), json!([article]));
        }
        assert!(app.cache().get(&path(&article), None).is_none());
        let change = json!({ "title": round.to_string() });
        article = ann.patch(&path(&article), &change).await.expect(StatusCode::OK);
    }
    app.writer().execute_unprepared("ALTER TABLE articles RENAME TO gone").await.unwrap();
    app.anonymous().get(&path(&article)).await.expect(StatusCode::INTERNAL_SERVER_ERROR);
}
