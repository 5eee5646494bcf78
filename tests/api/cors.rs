//! What pages of other origins may do, request ids, and failures of the server.

use actix_web::http::{Method, StatusCode};
use serde_json::json;

use crate::support::{Client, ORIGIN, Published, Response, TestApp, article_body, registration};

async fn get_from(client: &Client, origin: &str, path: &str) -> Response {
    client.request(Method::GET, path).origin(origin).send().await
}

/// Fails unless a page of [`ORIGIN`] may read the response.
#[track_caller]
fn expect_readable(response: &Response) {
    assert_eq!(response.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
    assert!(response.header_lists("vary", "Origin"));
    for name in ["location", "retry-after", "www-authenticate", "x-request-id"] {
        assert!(response.header_lists("access-control-expose-headers", name), "{name}");
    }
}

#[actix_web::test]
async fn a_page_of_a_listed_origin_may_read_every_response_errors_too() {
    let app = TestApp::with(&[("MAX_BODY_BYTES", "1024")]).await;
    let (ann, bob, anyone) = (app.sign_up("ann").await, app.sign_up("bob").await, app.anonymous());
    let path = ann.write(Published::Yes).await.path();
    let mut taken = registration("ann");
    taken["email"] = json!("else@example.com");
    let too_long = " ".repeat(2000);
    for (status, request) in [
        (200, anyone.request(Method::GET, &path)),
        (200, anyone.request(Method::HEAD, &path)),
        (401, anyone.request(Method::DELETE, &path)),
        (403, bob.request(Method::DELETE, &path)),
        (404, anyone.request(Method::GET, "/articles/999999")),
        (404, anyone.request(Method::GET, "/nowhere")),
        (405, anyone.request(Method::PUT, &path)),
        (409, anyone.request(Method::POST, "/auth/register").json(&taken)),
        (413, ann.request(Method::POST, "/articles/").body("application/json", too_long)),
        (422, ann.request(Method::POST, "/articles/").json(&json!({}))),
        (204, ann.request(Method::DELETE, &path)),
    ] {
        let response = request.origin(ORIGIN).send().await;
        assert_eq!(response.status.as_u16(), status, "{}", response.text());
        expect_readable(&response);
    }
}

#[actix_web::test]
async fn a_page_of_another_origin_may_read_nothing() {
    let app = TestApp::start().await;
    for origin in ["http://localhost:3001", "https://localhost:3000", "http://LOCALHOST:3000", "null", ""] {
        let response = get_from(&app.anonymous(), origin, "/articles/").await;
        assert_eq!(response.status, StatusCode::OK);
        assert_eq!(response.header("access-control-allow-origin"), None, "{origin}");
        assert_eq!(response.header("access-control-allow-credentials"), None, "{origin}");
    }
}

#[actix_web::test]
async fn every_response_varies_with_the_origin() {
    let app = TestApp::start().await;
    for origin in [ORIGIN, "http://localhost:3001", "null", ""] {
        let response = get_from(&app.anonymous(), origin, "/articles/").await;
        assert!(response.header_lists("vary", "Origin"), "{origin}");
    }
    let without_origin = app.anonymous().get("/articles/").await;
    assert!(without_origin.header_lists("vary", "Origin"));
    assert_eq!(without_origin.header("access-control-allow-origin"), None);
}

#[actix_web::test]
async fn a_star_allows_every_origin() {
    let app = TestApp::with(&[("BACKEND_CORS_ORIGINS", "[\"*\"]")]).await;
    for path in ["/articles/", "/nowhere"] {
        let response = get_from(&app.anonymous(), "https://anywhere.example", path).await;
        assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    }
}

#[actix_web::test]
async fn the_origins_are_those_that_browsers_send_for_the_entries() {
    let entries =
        r#"["https://blog.example:443", "https://*.example.com", "https://bücher.example", "null"]"#;
    let app = TestApp::with(&[("BACKEND_CORS_ORIGINS", entries)]).await;
    for origin in [
        "https://blog.example",
        "https://app.example.com",
        "https://new.app.example.com",
        "https://xn--bcher-kva.example",
        "null",
    ] {
        let response = get_from(&app.anonymous(), origin, "/articles/").await;
        assert_eq!(response.header("access-control-allow-origin"), Some(origin));
        assert_eq!(response.header("access-control-allow-credentials"), Some("true"), "{origin}");
        assert!(response.header_lists("vary", "Origin"), "{origin}");
        let allowed = preflight(&app.anonymous(), origin, "/articles/", "POST").await;
        assert_eq!(
            (allowed.status, allowed.header("access-control-allow-origin")),
            (StatusCode::NO_CONTENT, Some(origin))
        );
    }
    for origin in [
        "https://blog.example:443",
        "https://example.com",
        "http://app.example.com",
        "https://example.com.evil.example",
        "https://evil.example/.example.com",
        "https://*.example.com",
    ] {
        let response = get_from(&app.anonymous(), origin, "/articles/").await;
        assert_eq!(response.header("access-control-allow-origin"), None, "{origin}");
        let refused = preflight(&app.anonymous(), origin, "/articles/", "POST").await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{origin}");
    }
}

async fn preflight(client: &Client, origin: &str, path: &str, method: &str) -> Response {
    client
        .request(Method::OPTIONS, path)
        .origin(origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", "authorization, x-anything")
        .send()
        .await
}

#[actix_web::test]
async fn a_preflight_is_answered_on_any_path() {
    let app = TestApp::start().await;
    for path in ["/articles/", "/articles", "/articles/1", "/auth/login", "/users/me", "/nowhere"] {
        for method in ["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"] {
            let response = preflight(&app.anonymous(), ORIGIN, path, method).await;
            assert!(response.status.is_success(), "{path} {method}");
            assert_eq!(response.header("access-control-allow-origin"), Some(ORIGIN));
            assert_eq!(response.header("access-control-max-age"), Some("600"));
            assert!(response.header_lists("vary", "Origin"));
            let allowed = response.header("access-control-allow-methods").unwrap();
            for known in ["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"] {
                assert!(allowed.split(", ").any(|method| method == known), "{path}: {allowed}");
            }
            assert!(response.header_lists("access-control-allow-headers", "x-anything"), "{path}");
        }
    }
}

#[actix_web::test]
async fn a_preflight_from_another_origin_allows_nothing() {
    let app = TestApp::start().await;
    let response = preflight(&app.anonymous(), "https://evil.example", "/articles/", "GET").await;
    assert_eq!(response.header("access-control-allow-origin"), None);
}

#[actix_web::test]
async fn a_failure_of_the_database_is_a_500_without_details() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let path = ann.write(Published::Yes).await.path();
    let body = article_body("A title");
    app.sql("DROP TABLE articles").await;
    for request in [
        ann.request(Method::GET, "/articles/"),
        ann.request(Method::GET, &path),
        ann.request(Method::POST, "/articles/").json(&body),
        ann.request(Method::PATCH, &path).json(&body),
        ann.request(Method::DELETE, &path),
    ] {
        let response = request.origin(ORIGIN).header("x-request-id", "sabotage-1").send().await;
        assert_eq!(response.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.text(), r#"{"detail":"Internal Server Error"}"#);
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.header("x-request-id"), Some("sabotage-1"));
        expect_readable(&response);
    }
}

#[actix_web::test]
async fn after_a_failure_other_requests_succeed() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    app.sql("DROP TABLE articles").await;
    ann.get("/articles/").await.expect(StatusCode::INTERNAL_SERVER_ERROR);
    ann.get("/users/me").await.expect(StatusCode::OK);
}

async fn id_of_response(app: &TestApp, path: &str, sent: Option<&str>) -> String {
    let client = app.anonymous();
    let mut request = client.request(Method::GET, path);
    if let Some(id) = sent {
        request = request.header("x-request-id", id);
    }
    request.send().await.header("x-request-id").unwrap().to_owned()
}

#[actix_web::test]
async fn a_plain_request_id_is_used() {
    let app = TestApp::start().await;
    let longest = "x".repeat(64);
    for plain in ["1", "a-b_c.D9", "0f8fad5b-d9cb-469f-a165-70867728950e", &longest] {
        for path in ["/articles/", "/nowhere"] {
            assert_eq!(id_of_response(&app, path, Some(plain)).await, plain);
        }
    }
}

#[actix_web::test]
async fn any_other_request_gets_a_new_id() {
    let app = TestApp::start().await;
    let too_long = "x".repeat(65);
    let mut ids =
        vec![id_of_response(&app, "/articles/", None).await, id_of_response(&app, "/nowhere", None).await];
    for sent in ["", "a b", "a;b", "<script>", "\"", "é", "a\tb", &too_long] {
        ids.push(id_of_response(&app, "/articles/", Some(sent)).await);
    }
    for id in &ids {
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10, "two requests got the same id");
}
