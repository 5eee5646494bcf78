//! The members of an article that publishing adds: its format, its excerpt, and the times of its publication.

use actix_web::http::StatusCode;
use chrono::{SecondsFormat, TimeDelta};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Published, TestApp, article_body, now};

/// A time from now, as clients send it.
fn from_now(by: TimeDelta) -> String {
    (now() + by).to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn draft(further: &Value) -> Value {
    let mut body = json!({ "title": "Notes", "content": "0123456789" });
    body.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    body
}

#[actix_web::test]
async fn an_article_has_the_members_of_the_contract_and_then_those_of_publishing() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&article_body("Notes")).await;
    let members = [
        "title",
        "content",
        "published",
        "id",
        "author_id",
        "created_at",
        "updated_at",
        "slug",
        "format",
        "published_at",
        "scheduled_at",
    ];
    for response in [article.json.clone(), app.anonymous().get("/articles/").await.json()[0].clone()] {
        assert_eq!(response.as_object().unwrap().keys().collect::<Vec<_>>(), members);
    }
    let expanded = app.anonymous().get(&format!("{}?expand=author", article.path())).await.json();
    assert_eq!(expanded.as_object().unwrap().keys().next_back().unwrap(), "author");
}

#[actix_web::test]
async fn the_format_of_a_new_article_is_that_of_the_request_or_of_the_setting() {
    for (setting, default) in [(None, "markdown"), (Some("plain"), "plain"), (Some("html"), "html")] {
        let settings: Vec<_> = setting.iter().map(|format| ("DEFAULT_FORMAT", *format)).collect();
        let app = TestApp::with(&settings).await;
        let ann = app.sign_up("ann").await;
        assert_eq!(ann.create(&draft(&json!({}))).await.json["format"], default);
        for format in ["markdown", "plain", "html"] {
            let article = ann.create(&draft(&json!({ "format": format }))).await;
            assert_eq!(article.json["format"], format);
            let changed = ann.edit(&article, &json!({ "format": "html" })).await;
            assert_eq!(changed.json["format"], "html");
        }
    }
}

#[actix_web::test]
async fn a_format_is_one_of_three_words() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::No).await;
    for wrong in [json!("Markdown"), json!("md"), json!(""), json!(null), json!(1), json!(["plain"])] {
        let body = json!({ "format": wrong });
        for response in [ann.post("/articles/", &draft(&body)).await, ann.patch(&article.path(), &body).await]
        {
            response.expect_invalid([("literal_error", json!(["body", "format"]))]);
        }
    }
}

#[actix_web::test]
async fn rows_of_other_programs_are_plain_text_with_a_slug_of_their_id() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    app.sql(
        "INSERT INTO articles (title, content, published, author_id, created_at, updated_at) \
         VALUES ('Old', '0123456789', TRUE, 1, '2024-01-01T00:00:00+00:00', '2024-01-01T00:00:00+00:00')",
    )
    .await;
    let article = ann.get("/articles/1").await.json();
    assert_eq!(article["slug"], "article-1");
    assert_eq!(article["format"], "plain");
    assert_eq!(article["published_at"], article["created_at"]);
    assert_eq!(article["scheduled_at"], Value::Null);
    // An edit that changes nothing assigns no slug.
    assert_eq!(ann.patch("/articles/1", &json!({ "title": "Old" })).await.expect(StatusCode::OK), article);
}

#[actix_web::test]
async fn an_excerpt_has_1_to_500_code_points_and_may_be_removed() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&draft(&json!({ "excerpt": "é".repeat(500) }))).await;
    let stored = "SELECT coalesce(excerpt, '-') FROM articles";
    assert_eq!(app.text(stored).await, "é".repeat(500));
    ann.edit(&article, &json!({ "title": "Other" })).await;
    assert_eq!(app.text(stored).await, "é".repeat(500));
    ann.edit(&article, &json!({ "excerpt": null })).await;
    assert_eq!(app.text(stored).await, "-");
    for (wrong, error) in [
        (String::new(), "string_too_short"),
        ("é".repeat(501), "string_too_long"),
        ("a\u{0}b".to_owned(), "string_pattern_mismatch"),
    ] {
        let body = json!({ "excerpt": wrong });
        for response in [ann.post("/articles/", &draft(&body)).await, ann.patch(&article.path(), &body).await]
        {
            response.expect_invalid([(error, json!(["body", "excerpt"]))]);
        }
    }
}

#[actix_web::test]
async fn the_time_of_publication_is_that_of_the_first_one() {
    let app = TestApp::stopped(&[]).await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&draft(&json!({}))).await;
    assert_eq!(article.json["published_at"], Value::Null);
    app.advance(TimeDelta::minutes(1));
    let published = ann.edit(&article, &json!({ "published": true })).await;
    assert_eq!(published.json["published_at"], published.json["updated_at"]);
    assert!(published.json["published_at"].as_str() > article.json["created_at"].as_str());
    for change in [json!({ "title": "Other" }), json!({ "published": false }), json!({ "published": true })] {
        app.advance(TimeDelta::minutes(1));
        let later = ann.edit(&article, &change).await;
        assert_eq!(later.json["published_at"], published.json["published_at"], "{change}");
    }
    let at_once = ann.create(&article_body("At once")).await;
    assert_eq!(at_once.json["published_at"], at_once.json["created_at"]);
}

#[actix_web::test]
async fn a_draft_is_scheduled_and_the_time_can_be_changed_and_cleared() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let time = from_now(TimeDelta::hours(1));
    let article = ann.create(&draft(&json!({ "scheduled_at": time }))).await;
    assert_eq!((&article.json["scheduled_at"], &article.json["published"]), (&json!(time), &json!(false)));
    let later = from_now(TimeDelta::days(1));
    for (change, scheduled) in [
        (json!({ "scheduled_at": later }), json!(later)),
        (json!({ "title": "Other" }), json!(later)),
        (json!({ "published": false }), json!(later)),
        (json!({ "scheduled_at": null }), json!(null)),
        (json!({ "scheduled_at": time }), json!(time)),
        // Publishing clears it.
        (json!({ "published": true }), json!(null)),
        (json!({ "published": false }), json!(null)),
        // Withdrawn and scheduled again in one edit.
        (json!({ "published": true }), json!(null)),
        (json!({ "published": false, "scheduled_at": time }), json!(time)),
    ] {
        assert_eq!(ann.edit(&article, &change).await.json["scheduled_at"], scheduled, "{change}");
    }
}

#[actix_web::test]
async fn withdrawing_an_article_clears_the_time_that_sql_gave_it() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&article_body("Notes")).await;
    app.sql("UPDATE articles SET scheduled_at = '2999-01-01T00:00:00+00:00'").await;
    let withdrawn = ann.edit(&article, &json!({ "published": false })).await;
    assert_eq!(withdrawn.json["scheduled_at"], Value::Null);
}

#[actix_web::test]
async fn only_a_draft_is_scheduled_and_only_in_the_future() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let (article, public) = (ann.write(Published::No).await, ann.write(Published::Yes).await);
    let (past, future) = (from_now(TimeDelta::seconds(-1)), from_now(TimeDelta::hours(1)));
    for body in [
        json!({ "scheduled_at": past }),
        json!({ "scheduled_at": "0001-01-01T00:00:00Z" }),
        json!({ "scheduled_at": future, "published": true }),
        json!({ "scheduled_at": past, "published": true }),
    ] {
        for response in [ann.post("/articles/", &draft(&body)).await, ann.patch(&article.path(), &body).await]
        {
            response.expect_invalid([("value_error", json!(["body", "scheduled_at"]))]);
        }
    }
    let refused = ann.patch(&public.path(), &json!({ "scheduled_at": future })).await;
    refused.expect_invalid([("value_error", json!(["body", "scheduled_at"]))]);
    assert_eq!(ann.get(&article.path()).await.json(), article.json);
    assert_eq!(ann.get(&public.path()).await.json(), public.json);
    // What the client may not know comes first.
    let bob = app.sign_up("bob").await;
    let body = json!({ "scheduled_at": past });
    bob.patch(&article.path(), &body).await.expect_error(StatusCode::NOT_FOUND, "Article not found");
    bob.patch(&public.path(), &body).await.expect_error(StatusCode::FORBIDDEN, "Not authorized");
}

#[actix_web::test]
async fn an_article_that_is_hidden_is_not_scheduled_and_returns_with_its_time_of_publication() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let article = ann.create(&article_body("Notes")).await;
    root.suspend(ann.id, "hide").await.expect(StatusCode::OK);
    let body = json!({ "scheduled_at": from_now(TimeDelta::hours(1)) });
    let refused = root.patch(&article.path(), &body).await;
    refused.expect_invalid([("value_error", json!(["body", "scheduled_at"]))]);
    let hidden = root.get(&article.path()).await.json();
    assert_eq!(
        (&hidden["published"], &hidden["published_at"]),
        (&json!(false), &article.json["published_at"])
    );
    root.post(&format!("/admin/users/{}/reinstate", ann.id), &json!({})).await;
    let shown = app.anonymous().get(&article.path()).await.expect(StatusCode::OK);
    assert_eq!(
        (&shown["slug"], &shown["published_at"]),
        (&article.json["slug"], &article.json["published_at"])
    );
}

#[actix_web::test]
async fn what_to_expand_is_a_list_of_words() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    for path in [article.path(), "/articles/".to_owned()] {
        let one = app.anonymous().get(&format!("{path}?expand=author")).await.expect(StatusCode::OK);
        for same in ["expand=author,author", "expand=author&expand=author"] {
            let shown = app.anonymous().get(&format!("{path}?{same}")).await.expect(StatusCode::OK);
            assert_eq!(shown, one, "{same}");
        }
        for wrong in
            ["", "Author", "author,", ",author", "author,unknown", "author,%20author", "author&expand=x"]
        {
            let refused = app.anonymous().get(&format!("{path}?expand={wrong}")).await;
            refused.expect_invalid([("literal_error", json!(["query", "expand"]))]);
        }
    }
}

#[actix_web::test]
async fn a_due_draft_is_published_once_with_a_slug_of_its_own() {
    let app = TestApp::stopped(&[]).await;
    let ann = app.sign_up("ann").await;
    let time = from_now(TimeDelta::minutes(1));
    let scheduled = ann.create(&draft(&json!({ "scheduled_at": time, "tags": ["a"] }))).await;
    ann.create(&article_body("Notes")).await;
    assert_eq!(app.anonymous().list("sort=created_at").await.ids().len(), 1);
    app.advance(TimeDelta::seconds(30));
    assert!(!app.publish_scheduled(scheduled.id).await);
    app.advance(TimeDelta::minutes(5));
    // The task may be one of those that try.
    let published = join_all((0..4).map(|_| app.publish_scheduled(scheduled.id))).await;
    assert!(published.iter().filter(|published| **published).count() <= 1);
    let version = format!("SELECT version FROM articles WHERE id = {}", scheduled.id);
    assert_eq!(app.text(&format!("SELECT CAST(({version}) AS text)")).await, "2");
    let article =
        app.anonymous().get(&format!("{}?expand=tags", scheduled.path())).await.expect(StatusCode::OK);
    assert_eq!((&article["slug"], &article["scheduled_at"]), (&json!("notes-2"), &Value::Null));
    assert_eq!(article["published_at"], article["updated_at"]);
    assert_eq!(article["tags"], json!(["a"]));
    assert_eq!(app.anonymous().list("sort=created_at").await.ids().len(), 2);
    assert!(!app.publish_scheduled(scheduled.id).await && !app.publish_scheduled(999).await);
}

#[actix_web::test]
async fn a_due_draft_of_a_suspended_author_stays_a_draft() {
    let app = TestApp::stopped(&[]).await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let scheduled = ann.create(&draft(&json!({ "scheduled_at": from_now(TimeDelta::minutes(1)) }))).await;
    root.suspend(ann.id, "keep").await.expect(StatusCode::OK);
    app.advance(TimeDelta::minutes(5));
    assert!(!app.publish_scheduled(scheduled.id).await);
    root.post(&format!("/admin/users/{}/reinstate", ann.id), &json!({})).await.expect(StatusCode::OK);
    // The task may be faster.
    app.publish_scheduled(scheduled.id).await;
    app.anonymous().get(&scheduled.path()).await.expect(StatusCode::OK);
}
