//! What is wrong with a request for an article, in which order it is checked, and how it is reported.

use actix_web::http::{Method, StatusCode};
use serde_json::json;

use crate::{
    articles::{MISSING, path},
    support::{Published, TestApp},
};

#[actix_web::test]
async fn faults_are_told_all_at_once_in_their_order() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;

    let faults = ann
        .post("/articles/", &json!({ "content": "short", "published": "maybe" }))
        .await
        .validation_errors();
    assert_eq!(
        faults,
        [
            ("missing".to_owned(), json!(["body", "title"])),
            ("string_too_short".to_owned(), json!(["body", "content"])),
            ("bool_parsing".to_owned(), json!(["body", "published"])),
        ]
    );
    let faults = ann.patch("/articles/x", &json!({ "title": "", "published": [] })).await.validation_errors();
    assert_eq!(
        faults,
        [
            ("int_parsing".to_owned(), json!(["path", "article_id"])),
            ("string_too_short".to_owned(), json!(["body", "title"])),
            ("bool_type".to_owned(), json!(["body", "published"])),
        ]
    );
    let faults = app.anonymous().get("/articles/?limit=x&skip=-1").await.validation_errors();
    assert_eq!(faults, [("int_parsing".to_owned(), json!(["query", "limit"]))]);
    let faults = app.anonymous().get("/articles/?limit=1001&skip=-1").await.validation_errors();
    assert_eq!(
        faults,
        [
            ("greater_than_equal".to_owned(), json!(["query", "skip"])),
            ("less_than_equal".to_owned(), json!(["query", "limit"])),
        ]
    );
    for target in ["/articles/x", "/articles/1.5", "/articles/%20"] {
        assert_eq!(app.anonymous().get(target).await.validation_errors()[0].0, "int_parsing", "{target}");
        assert_eq!(ann.delete(target).await.validation_errors()[0].0, "int_parsing", "{target}");
    }
    for id in ["0", "-1", "2147483648", "99999999999999999999"] {
        let target = format!("/articles/{id}");
        ann.get(&target).await.expect_error(StatusCode::NOT_FOUND, MISSING);
        ann.patch(&target, &json!({ "title": "t" })).await.expect_error(StatusCode::NOT_FOUND, MISSING);
        ann.delete(&target).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    }
}

#[actix_web::test]
async fn null_and_nul_in_a_change_are_faults_and_leave_the_article_alone() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await.json;

    for (body, kind) in [
        (json!({ "title": null }), "string_type"),
        (json!({ "content": null }), "string_type"),
        (json!({ "published": null }), "bool_type"),
        (json!({ "title": "a\0b" }), "string_pattern_mismatch"),
        (json!({ "content": "0123456789\0" }), "string_pattern_mismatch"),
    ] {
        let name = body.as_object().unwrap().keys().next().unwrap().clone();
        let faults = ann.patch(&path(&article), &body).await.validation_errors();
        assert_eq!(faults, [(kind.to_owned(), json!(["body", name]))], "{body}");
    }
    assert_eq!(ann.get(&path(&article)).await.json(), article);
    let faults = ann
        .post("/articles/", &json!({ "title": "a\0b", "content": "0123456789" }))
        .await
        .validation_errors();
    assert_eq!(faults, [("string_pattern_mismatch".to_owned(), json!(["body", "title"]))]);
}

#[actix_web::test]
async fn bad_json_is_told_before_a_missing_token() {
    let app = TestApp::start().await;
    for body in ["{", "", "[1,]", "{\"title\":NaN}", "\"\\ud800\""] {
        let headers = [("content-type", "application/json")];
        let answer = app.anonymous().send(Method::POST, "/articles/", &headers, Some(body.to_owned())).await;
        let status =
            if body.is_empty() { StatusCode::UNAUTHORIZED } else { StatusCode::UNPROCESSABLE_ENTITY };
        assert_eq!(answer.status, status, "{body:?}: {}", answer.text());
    }
}
