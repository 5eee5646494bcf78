//! Invalid requests for articles: what is checked, in which order, and how it is reported.

use actix_web::http::{Method, StatusCode};
use serde_json::json;

use crate::support::{Published, TestApp, article_body};

const MISSING: &str = "Article not found";

#[actix_web::test]
async fn all_errors_of_a_new_article_are_reported_at_once_in_order() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let response = ann.post("/articles/", &json!({ "content": "short", "published": "maybe" })).await;
    response.expect_invalid([
        ("missing", json!(["body", "title"])),
        ("string_too_short", json!(["body", "content"])),
        ("bool_parsing", json!(["body", "published"])),
    ]);
}

#[actix_web::test]
async fn errors_of_the_path_are_reported_before_those_of_the_body() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let response = ann.patch("/articles/x", &json!({ "title": "", "published": [] })).await;
    response.expect_invalid([
        ("int_parsing", json!(["path", "article_id"])),
        ("string_too_short", json!(["body", "title"])),
        ("bool_type", json!(["body", "published"])),
    ]);
}

#[actix_web::test]
async fn errors_of_the_query_are_reported_in_order() {
    let app = TestApp::start().await;
    let response = app.anonymous().get("/articles/?limit=1001&skip=-1").await;
    response.expect_invalid([
        ("greater_than_equal", json!(["query", "skip"])),
        ("less_than_equal", json!(["query", "limit"])),
    ]);
}

#[actix_web::test]
async fn a_bound_is_checked_only_if_every_parameter_can_be_parsed() {
    let app = TestApp::start().await;
    let response = app.anonymous().get("/articles/?limit=x&skip=-1").await;
    response.expect_invalid([("int_parsing", json!(["query", "limit"]))]);
}

#[actix_web::test]
async fn an_id_that_is_no_integer_is_422() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for path in ["/articles/x", "/articles/1.5", "/articles/%20"] {
        for response in [app.anonymous().get(path).await, ann.delete(path).await] {
            assert_eq!(response.validation_errors()[0].0, "int_parsing", "{path}");
        }
    }
}

#[actix_web::test]
async fn an_id_outside_the_range_of_ids_is_404() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for id in ["0", "-1", "2147483648", "99999999999999999999"] {
        let path = format!("/articles/{id}");
        ann.get(&path).await.expect_error(StatusCode::NOT_FOUND, MISSING);
        ann.patch(&path, &json!({ "title": "t" })).await.expect_error(StatusCode::NOT_FOUND, MISSING);
        ann.delete(&path).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    }
}

#[actix_web::test]
async fn null_and_u0000_in_a_change_are_422_and_leave_the_article_alone() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    for (name, value, kind) in [
        ("title", json!(null), "string_type"),
        ("content", json!(null), "string_type"),
        ("published", json!(null), "bool_type"),
        ("title", json!("a\0b"), "string_pattern_mismatch"),
        ("content", json!("0123456789\0"), "string_pattern_mismatch"),
    ] {
        let response = ann.patch(&article.path(), &json!({ name: value })).await;
        response.expect_invalid([(kind, json!(["body", name]))]);
    }
    assert_eq!(ann.get(&article.path()).await.json(), article.json);
}

#[actix_web::test]
async fn u0000_in_a_new_article_is_422() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let response = ann.post("/articles/", &json!({ "title": "a\0b", "content": "0123456789" })).await;
    response.expect_invalid([("string_pattern_mismatch", json!(["body", "title"]))]);
}

#[actix_web::test]
async fn bad_json_is_reported_before_a_missing_token() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    for body in ["{", "[1,]", "{\"title\":NaN}", "\"\\ud800\""] {
        let response = client.request(Method::POST, "/articles/").body("application/json", body).send().await;
        assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY, "{body:?}: {}", response.text());
    }
}

#[actix_web::test]
async fn a_missing_token_is_reported_before_an_empty_body() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    let response = client.request(Method::POST, "/articles/").body("application/json", "").send().await;
    assert_eq!(response.status, StatusCode::UNAUTHORIZED, "{}", response.text());
}

#[actix_web::test]
async fn a_missing_or_bad_token_is_reported_before_invalid_ids_and_fields() {
    let app = TestApp::start().await;
    for (client, detail) in [
        (app.anonymous(), "Not authenticated"),
        (app.anonymous().with_token("garbage"), "Could not validate credentials"),
    ] {
        client.post("/articles/", &json!({})).await.expect_unauthorized(detail);
        client.patch("/articles/x", &json!({ "title": 1 })).await.expect_unauthorized(detail);
        client.delete("/articles/x").await.expect_unauthorized(detail);
    }
}

#[actix_web::test]
async fn an_invalid_body_is_reported_before_403() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    for path in ann.write(Published::Yes).await.both_paths() {
        let response = bob.patch(&path, &json!({ "title": "" })).await;
        assert_eq!(response.validation_errors()[0].0, "string_too_short");
    }
}

#[actix_web::test]
async fn one_byte_order_mark_before_json_is_ignored() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = article_body("t").to_string();
    for content_type in ["application/json", "application/merge-patch+json; charset=utf-8"] {
        let body = format!("\u{feff}{article}");
        let response = ann.request(Method::POST, "/articles/").body(content_type, body.as_str()).send().await;
        assert_eq!(response.expect(StatusCode::CREATED)["title"], "t");
    }
    for (body, kind, location) in [
        ("\u{feff}".to_owned(), "json_invalid", json!(["body", 0])),
        ("\u{feff}{\"title\":".to_owned(), "json_invalid", json!(["body", 8])),
        ("\u{feff}null".to_owned(), "missing", json!(["body"])),
        (format!("\u{feff}\u{feff}{article}"), "json_invalid", json!(["body", 0])),
        (format!(" \u{feff}{article}"), "json_invalid", json!(["body", 1])),
        (format!("{article}\u{feff}"), "json_invalid", json!(["body", article.chars().count()])),
    ] {
        let request = ann.request(Method::POST, "/articles/").body("application/json", body.as_str());
        assert_eq!(request.send().await.validation_errors(), [(kind.to_owned(), location)], "{body:?}");
    }
}
