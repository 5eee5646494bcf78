//! What pages of other origins may do, request ids, and failures that are ours.

use actix_web::http::{Method, StatusCode};
use serde_json::json;

use crate::support::{Client, ORIGIN, Published, Response, TestApp};

async fn from_page(client: &Client, method: Method, path: &str, origin: &str) -> Response {
    client.send(method, path, &[("origin", origin)], None).await
}

/// Fails unless the page may read the answer.
#[track_caller]
fn expect_shared(answer: &Response) {
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert!(answer.header_lists("vary", "Origin"));
    for name in ["location", "retry-after", "www-authenticate", "x-request-id"] {
        assert!(answer.header_lists("access-control-expose-headers", name), "{name}");
    }
}

#[actix_web::test]
async fn a_listed_page_may_read_every_answer_errors_too() {
    let app = TestApp::with(&[("MAX_BODY_BYTES", "1024")]).await;
    let (ann, bob, anyone) = (app.sign_up("ann").await, app.sign_up("bob").await, app.anonymous());
    let article = ann.write(Published::Yes).await.json;
    let path = format!("/articles/{}", article["id"]);
    let page = |client: Client, method: Method, path: &str, body: Option<String>| {
        let path = path.to_owned();
        async move {
            let headers = [("origin", ORIGIN), ("content-type", "application/json")];
            client.send(method, &path, &headers, body).await
        }
    };
    let (mut taken, json) = (crate::support::registration("ann"), Some("{}".to_owned()));
    taken["email"] = json!("else@example.com");
    for (status, answer) in [
        (200, page(anyone.clone(), Method::GET, &path, None).await),
        (200, page(anyone.clone(), Method::HEAD, &path, None).await),
        (401, page(anyone.clone(), Method::DELETE, &path, None).await),
        (403, page(bob.clone(), Method::DELETE, &path, None).await),
        (404, page(anyone.clone(), Method::GET, "/articles/999999", None).await),
        (404, page(anyone.clone(), Method::GET, "/nowhere", None).await),
        (405, page(anyone.clone(), Method::PUT, &path, None).await),
        (409, page(anyone.clone(), Method::POST, "/auth/register", Some(taken.to_string())).await),
        (413, page(ann.clone(), Method::POST, "/articles/", Some(" ".repeat(2000))).await),
        (422, page(ann.clone(), Method::POST, "/articles/", json).await),
        (204, page(ann.clone(), Method::DELETE, &path, None).await),
    ] {
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
        expect_shared(&answer);
    }
}

#[actix_web::test]
async fn other_pages_are_not_let_in_and_caches_are_told() {
    let app = TestApp::start().await;
    for origin in ["http://localhost:3001", "https://localhost:3000", "http://LOCALHOST:3000", "null", ""] {
        let answer = from_page(&app.anonymous(), Method::GET, "/articles/", origin).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{origin}");
        assert!(answer.header_lists("vary", "Origin"), "{origin}");
    }
    let plain = app.anonymous().get("/articles/").await;
    assert_eq!(plain.header("access-control-allow-origin"), None);
    assert!(plain.header_lists("vary", "Origin"));
}

#[actix_web::test]
async fn a_star_lets_every_page_in() {
    let app = TestApp::with(&[("BACKEND_CORS_ORIGINS", "[\"*\"]")]).await;
    for path in ["/articles/", "/nowhere"] {
        let answer = from_page(&app.anonymous(), Method::GET, path, "https://anywhere.example").await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
}

#[actix_web::test]
async fn a_preflight_is_answered_on_any_path() {
    let app = TestApp::start().await;
    for path in ["/articles/", "/articles", "/articles/1", "/auth/login", "/users/me", "/nowhere"] {
        for method in ["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"] {
            let headers = [
                ("origin", ORIGIN),
                ("access-control-request-method", method),
                ("access-control-request-headers", "authorization, x-anything"),
            ];
            let answer = app.anonymous().send(Method::OPTIONS, path, &headers, None).await;
            assert!(answer.status.is_success(), "{path} {method}");
            assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
            assert_eq!(answer.header("access-control-max-age"), Some("600"));
            assert!(answer.header_lists("vary", "Origin"));
            let allowed = answer.header("access-control-allow-methods").unwrap();
            for known in ["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"] {
                assert!(allowed.split(", ").any(|allowed| allowed == known), "{allowed}");
            }
            assert!(answer.header("access-control-allow-headers").unwrap().contains("x-anything"));
        }
    }
    let headers = [("origin", "https://evil.example"), ("access-control-request-method", "GET")];
    let refused = app.anonymous().send(Method::OPTIONS, "/articles/", &headers, None).await;
    assert_eq!(refused.header("access-control-allow-origin"), None);
}

#[actix_web::test]
async fn a_failure_of_ours_is_a_clean_500() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await.json;
    app.sql("DROP TABLE articles").await;

    let path = format!("/articles/{}", article["id"]);
    let body = json!({ "title": "A title", "content": "0123456789" }).to_string();
    for (method, target, body) in [
        (Method::GET, "/articles/", None),
        (Method::GET, &path, None),
        (Method::POST, "/articles/", Some(&body)),
        (Method::PATCH, &path, Some(&body)),
        (Method::DELETE, &path, None),
    ] {
        let headers =
            [("origin", ORIGIN), ("content-type", "application/json"), ("x-request-id", "sabotage-1")];
        let answer = ann.send(method, target, &headers, body.cloned()).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.text(), r#"{"detail":"Internal Server Error"}"#);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("x-request-id"), Some("sabotage-1"));
        expect_shared(&answer);
    }
    // The rest goes on.
    ann.get("/users/me").await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn a_request_id_is_taken_when_plain_and_made_anew_when_not() {
    let app = TestApp::start().await;
    let id = async |sent: Option<&str>, path: &str| {
        let headers: Vec<_> = sent.map(|sent| ("x-request-id", sent)).into_iter().collect();
        let answer = app.anonymous().send(Method::GET, path, &headers, None).await;
        answer.header("x-request-id").unwrap().to_owned()
    };
    let long = "x".repeat(64);
    for plain in ["1", "a-b_c.D9", "0f8fad5b-d9cb-469f-a165-70867728950e", &long] {
        assert_eq!(id(Some(plain), "/articles/").await, plain);
        assert_eq!(id(Some(plain), "/nowhere").await, plain);
    }
    let longer = "x".repeat(65);
    let mut seen = vec![id(None, "/articles/").await, id(None, "/nowhere").await];
    for other in ["", "a b", "a;b", "<script>", "\"", "é", "a\tb", &longer] {
        seen.push(id(Some(other), "/articles/").await);
    }
    for id in &seen {
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 10, "an id was given out twice");
}
