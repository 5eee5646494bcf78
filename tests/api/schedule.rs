//! The tasks that publish drafts at their time, and that assign slugs to articles without one.

use std::sync::Arc;

use actix_web::http::StatusCode;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};

use crate::support::{Article, Client, TestApp, now, wait_until};

/// The time as responses show it.
fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

impl Client {
    async fn schedule(&self, title: &str, at: DateTime<Utc>) -> Article {
        let content = "published by itself";
        self.create(&json!({ "title": title, "content": content, "scheduled_at": shown(at) })).await
    }

    async fn wait_until_published(&self, article: &Article) -> Value {
        let path = article.path();
        wait_until("the draft is published", async || self.get(&path).await.status == StatusCode::OK).await;
        self.get(&path).await.json()
    }
}

/// A time with a whole number of microseconds that has a fraction.
fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(now().timestamp() * 1_000_000 + 250_001).unwrap()
}

#[actix_web::test]
async fn a_draft_is_published_at_its_time_and_not_before() {
    let app = TestApp::stopped(&[]).await;
    let (ann, stranger) = (app.sign_up("ann").await, app.anonymous());
    let at = noon() + TimeDelta::minutes(10);
    let draft = ann.schedule("Later", at).await;
    let list = stranger.get("/articles/").await;
    app.advance(TimeDelta::minutes(5));
    // Another draft, which is due, shows that the task has looked.
    let other = ann.schedule("Other", noon() + TimeDelta::minutes(5) + TimeDelta::seconds(30)).await;
    app.advance(TimeDelta::seconds(40));
    stranger.wait_until_published(&other).await;
    assert_eq!(stranger.get(&draft.path()).await.status, StatusCode::NOT_FOUND);
    app.advance(TimeDelta::minutes(5));
    let published = stranger.wait_until_published(&draft).await;
    assert_eq!(published["scheduled_at"], Value::Null);
    assert_eq!(published["published"], true);
    assert_eq!(published["published_at"], published["updated_at"]);
    assert!(published["published_at"].as_str().unwrap() >= shown(at).as_str(), "{published}");
    assert_ne!(ann.get(&draft.path()).await.tag(), draft.tag);
    assert_eq!(stranger.list_ids("sort=created_at").await.len(), 2);
    assert_ne!(stranger.get("/articles/").await.tag(), list.tag());
}

#[actix_web::test]
async fn drafts_of_the_same_title_get_different_slugs() {
    let app = TestApp::stopped(&[]).await;
    let (ann, stranger) = (app.sign_up("ann").await, app.anonymous());
    let at = now() + TimeDelta::minutes(1);
    let drafts = [ann.schedule("Same title", at).await, ann.schedule("Same title", at).await];
    app.advance(TimeDelta::minutes(2));
    let mut slugs = Vec::new();
    for draft in &drafts {
        let published = stranger.wait_until_published(draft).await;
        slugs.push(published["slug"].as_str().unwrap().to_owned());
    }
    slugs.sort();
    assert_eq!(slugs, ["same-title", "same-title-2"]);
}

#[actix_web::test]
async fn a_draft_whose_time_was_removed_stays_a_draft() {
    let app = TestApp::stopped(&[]).await;
    let (ann, stranger) = (app.sign_up("ann").await, app.anonymous());
    let at = now() + TimeDelta::minutes(1);
    let (removed, kept) = (ann.schedule("Removed", at).await, ann.schedule("Kept", at).await);
    ann.edit(&removed, &json!({ "scheduled_at": null })).await;
    app.advance(TimeDelta::minutes(2));
    stranger.wait_until_published(&kept).await;
    assert_eq!(stranger.get(&removed.path()).await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn two_servers_publish_a_draft_once() {
    let first = TestApp::start().await;
    let second = first.another(&[]);
    let ann = first.sign_up("ann").await;
    let mut drafts = Vec::new();
    for n in 0..20 {
        drafts.push(ann.schedule(&format!("Title {n}"), now() + TimeDelta::hours(1)).await);
    }
    let versions = "SELECT sum(version) FROM articles";
    let before = first.number(versions).await;
    first.sql("UPDATE articles SET scheduled_at = '2020-01-01T00:00:00.000000+00:00'").await;
    for draft in &drafts {
        first.anonymous().wait_until_published(draft).await;
        second.anonymous().wait_until_published(draft).await;
    }
    // One change by the statement above, and one by a task.
    assert_eq!(first.number(versions).await, before + 2 * 20);
}

#[actix_web::test]
async fn a_server_that_was_down_at_the_time_publishes_when_it_starts() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let time = now() + TimeDelta::seconds(4);
    let (due, later) =
        (ann.schedule("Due", time).await, ann.schedule("Later", now() + TimeDelta::hours(1)).await);
    let database = Arc::clone(&app.database);
    app.stop().await;
    wait_until("the time has come", async || now() > time + TimeDelta::seconds(2)).await;
    let published = "SELECT CAST(count(*) AS text) FROM articles WHERE published";
    let statement = Statement::from_string(database.engine(), published);
    let row = database.connect().await.query_one_raw(statement).await.unwrap().unwrap();
    assert_eq!(row.try_get_by_index::<String>(0).unwrap(), "0");
    let app = TestApp::on(database, &[]);
    app.anonymous().wait_until_published(&due).await;
    assert_eq!(app.anonymous().get(&later.path()).await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn drafts_of_a_suspended_author_wait_for_the_end_of_the_suspension() {
    let app = TestApp::stopped(&[]).await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let (admin, stranger) = (app.sign_up_admin("admin").await, app.anonymous());
    let at = now() + TimeDelta::minutes(1);
    let (waits, published) = (ann.schedule("Waits", at).await, bob.schedule("Published", at).await);
    admin.suspend(ann.id, "keep").await.expect(StatusCode::OK);
    app.advance(TimeDelta::minutes(2));
    stranger.wait_until_published(&published).await;
    assert_eq!(stranger.get(&waits.path()).await.status, StatusCode::NOT_FOUND);
    admin.act(&format!("/admin/users/{}/reinstate", ann.id)).await.expect(StatusCode::OK);
    stranger.wait_until_published(&waits).await;
}

#[actix_web::test]
async fn more_drafts_than_a_batch_are_published() {
    let app = TestApp::stopped(&[]).await;
    let ann = app.sign_up("ann").await;
    let rows = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250) \
         INSERT INTO articles (title, content, published, author_id, created_at, updated_at, scheduled_at) \
         SELECT 'Same title', 'published by itself', FALSE, {}, '2020-01-01T00:00:00.000000+00:00', \
         '2020-01-01T00:00:00.000000+00:00', '2020-01-02T00:00:00.000000+00:00' FROM n",
        ann.id
    );
    app.sql(&rows).await;
    wait_until("all are published", async || {
        app.number("SELECT count(*) FROM articles WHERE published AND scheduled_at IS NULL").await == 250
    })
    .await;
    assert_eq!(app.number("SELECT count(DISTINCT slug) FROM articles").await, 250);
}

#[actix_web::test]
async fn an_article_that_another_program_inserted_gets_a_slug() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    ann.create(&json!({ "title": "Same title", "content": "0123456789", "published": true })).await;
    for (id, published) in [(70, "TRUE"), (71, "TRUE"), (72, "FALSE")] {
        app.sql(&format!(
            "INSERT INTO articles (id, title, content, published, author_id, created_at, updated_at) \
             VALUES ({id}, 'Same title', 'inserted elsewhere', {published}, {}, \
             '2026-01-01T00:00:00.000000+00:00', '2026-01-01T00:00:00.000000+00:00')",
            ann.id
        ))
        .await;
    }
    wait_until("slugs are assigned", async || {
        app.number("SELECT count(*) FROM articles WHERE slug IS NULL").await == 0
    })
    .await;
    let mut slugs = Vec::new();
    for id in [70, 71, 72] {
        let article = ann.get(&format!("/articles/{id}")).await.expect(StatusCode::OK);
        // It was not edited.
        assert_eq!(article["updated_at"], "2026-01-01T00:00:00Z");
        slugs.push(article["slug"].as_str().unwrap().to_owned());
    }
    assert_eq!(slugs, ["same-title-2", "same-title-3", "same-title"]);
}
