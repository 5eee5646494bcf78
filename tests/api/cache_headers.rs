//! What responses say to the caches between server and client.

use actix_web::http::{Method, StatusCode};
use serde_json::json;

use crate::support::{ORIGIN, PASSWORD, Published, TestApp, article_body, registration};

#[actix_web::test]
async fn an_anonymous_read_is_public_and_one_with_a_token_private() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    for path in [article.path(), "/articles/".to_owned()] {
        // From the database, and then perhaps from the cache.
        for _ in 0..2 {
            for (client, expected) in [(&app.anonymous(), "public, no-cache"), (&ann, "private, no-cache")] {
                let response = client.get(&path).await;
                assert_eq!(response.header("cache-control"), Some(expected), "{path}");
                assert!(response.header_lists("vary", "authorization"), "{path}: {:?}", response.headers);
            }
        }
    }
}

/// What is refused or missing may be there a moment later, or for another client.
#[actix_web::test]
async fn an_error_is_not_to_be_stored() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let (article, draft) = (ann.write(Published::Yes).await, ann.write(Published::No).await);
    let (anonymous, bad_token) = (app.anonymous(), app.anonymous().with_token("garbage"));
    for (client, path, status) in [
        (&anonymous, draft.path().as_str(), StatusCode::NOT_FOUND),
        (&anonymous, "/articles/999999", StatusCode::NOT_FOUND),
        (&anonymous, "/articles/?limit=x", StatusCode::UNPROCESSABLE_ENTITY),
        (&bad_token, article.path().as_str(), StatusCode::UNAUTHORIZED),
    ] {
        let response = client.get(path).await;
        assert_eq!(response.status, status, "{path}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
    }
}

/// The token is then not looked at, so that the response is the same for everyone.
#[actix_web::test]
async fn with_public_drafts_every_read_is_public() {
    let app = TestApp::with(&[("PUBLIC_DRAFTS", "true")]).await;
    let ann = app.sign_up("ann").await;
    let draft = ann.write(Published::No).await;
    for path in [draft.path(), "/articles/".to_owned()] {
        for client in [&app.anonymous(), &ann, &ann.with_token("garbage")] {
            let response = client.get(&path).await;
            response.expect(StatusCode::OK);
            assert_eq!(response.header("cache-control"), Some("public, no-cache"), "{path}");
            assert!(!response.header_lists("vary", "authorization"), "{path}");
        }
    }
}

/// They contain tokens, accounts, or the state after a change.
#[actix_web::test]
async fn a_response_that_says_nothing_about_caching_is_not_to_be_stored() {
    let app = TestApp::start().await;
    let (ann, anonymous) = (app.sign_up("ann").await, app.anonymous());
    let article = ann.write(Published::Yes).await;
    let preflight = anonymous.request(Method::OPTIONS, "/articles/").origin(ORIGIN);
    let change = json!({ "title": "another" });
    for (status, response) in [
        (StatusCode::OK, anonymous.log_in("ann", PASSWORD).await),
        (StatusCode::UNAUTHORIZED, anonymous.log_in("ann", "wrong").await),
        (StatusCode::CREATED, anonymous.post("/auth/register", &registration("bob")).await),
        (StatusCode::CONFLICT, anonymous.post("/auth/register", &registration("bob")).await),
        (StatusCode::OK, ann.get("/users/me").await),
        (StatusCode::OK, ann.head("/users/me").await),
        (StatusCode::CREATED, ann.post("/articles/", &article_body("new")).await),
        (StatusCode::OK, ann.patch(&article.path(), &change).await),
        (StatusCode::OK, ann.patch(&article.path(), &json!({})).await),
        (StatusCode::NO_CONTENT, ann.delete(&article.path()).await),
        (StatusCode::NO_CONTENT, preflight.header("access-control-request-method", "GET").send().await),
        (StatusCode::OK, anonymous.get("/health/live").await),
        (StatusCode::OK, anonymous.get("/docs").await),
        (StatusCode::OK, anonymous.get("/openapi.json").await),
        (StatusCode::METHOD_NOT_ALLOWED, anonymous.request(Method::PUT, "/articles/").send().await),
        (StatusCode::NOT_FOUND, anonymous.get("/nothing").await),
    ] {
        assert_eq!(response.status, status, "{response:?}");
        let lines: Vec<_> = response.headers.get_all("cache-control").collect();
        assert_eq!(lines, ["no-store"], "{response:?}");
    }
}
