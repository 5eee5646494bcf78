//! Articles: written, read, listed, changed and removed, by whom and by whom not.

use actix_web::http::StatusCode;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::support::{Client, Published, TestApp};

pub(crate) const MISSING: &str = "Article not found";

pub(crate) fn path(article: &Value) -> String {
    format!("/articles/{}", article["id"])
}

/// Both spellings of an article's path.
pub(crate) fn paths(article: &Value) -> [String; 2] {
    [path(article), format!("{}/", path(article))]
}

pub(crate) async fn titles(client: &Client, target: &str) -> Vec<String> {
    let list = client.get(target).await.expect(StatusCode::OK);
    list.as_array().unwrap().iter().map(|article| article["title"].as_str().unwrap().to_owned()).collect()
}

pub(crate) async fn write(client: &Client, title: &str) -> Value {
    let body = json!({ "title": title, "content": "0123456789", "published": true });
    client.post("/articles/", &body).await.expect(StatusCode::CREATED)
}

#[actix_web::test]
async fn an_article_is_written_read_changed_and_removed() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;

    let body = json!({ "title": "Notes", "content": "Ten code points and more." });
    let answer = ann.post("/articles/", &body).await;
    let article = answer.expect(StatusCode::CREATED);
    assert_eq!(answer.header("location"), Some(path(&article).as_str()));
    assert_eq!(article["title"], "Notes");
    assert_eq!(article["content"], "Ten code points and more.");
    assert_eq!(article["published"], false);
    assert_eq!(article["author_id"], ann.id);
    assert_eq!(article["created_at"], article["updated_at"]);

    let changed = ann.patch(&path(&article), &json!({ "published": true })).await.expect(StatusCode::OK);
    assert_eq!(changed["title"], "Notes");
    assert_eq!(changed["published"], true);
    assert_eq!(changed["created_at"], article["created_at"]);
    assert!(changed["updated_at"].as_str() > article["updated_at"].as_str());
    assert_eq!(app.anonymous().get(&path(&article)).await.json(), changed);

    let gone = ann.delete(&path(&article)).await;
    assert_eq!((gone.status, gone.body.len()), (StatusCode::NO_CONTENT, 0));
    ann.get(&path(&article)).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    ann.patch(&path(&article), &json!({})).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    ann.delete(&path(&article)).await.expect_error(StatusCode::NOT_FOUND, MISSING);
}

#[actix_web::test]
async fn writing_needs_an_account() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await.json;
    let body = json!({ "title": "t", "content": "0123456789" });

    for (client, detail) in [
        (app.anonymous(), "Not authenticated"),
        (app.anonymous().with_token("garbage"), "Could not validate credentials"),
    ] {
        for answer in [
            client.post("/articles/", &body).await,
            client.patch(&path(&article), &body).await,
            client.delete(&path(&article)).await,
            // Neither a bad id nor bad fields come before it.
            client.post("/articles/", &json!({})).await,
            client.patch("/articles/x", &json!({ "title": 1 })).await,
            client.delete("/articles/x").await,
        ] {
            answer.expect_error(StatusCode::UNAUTHORIZED, detail);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    assert_eq!(ann.get(&path(&article)).await.json(), article);
}

#[actix_web::test]
async fn anothers_article_is_not_to_be_changed() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let article = ann.write(Published::Yes).await.json;

    for path in paths(&article) {
        let answers = [
            bob.patch(&path, &json!({ "title": "mine" })).await,
            bob.patch(&path, &json!({})).await,
            bob.delete(&path).await,
        ];
        for answer in answers {
            answer.expect_error(StatusCode::FORBIDDEN, "Not authorized");
            assert_eq!(answer.header("www-authenticate"), None);
        }
        // A faulty body is told first.
        assert_eq!(
            bob.patch(&path, &json!({ "title": "" })).await.validation_errors()[0].0,
            "string_too_short"
        );
    }
    assert_eq!(app.anonymous().get(&path(&article)).await.json(), article);
}

#[actix_web::test]
async fn a_change_that_changes_nothing_leaves_the_time_of_the_last_edit() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await.json;

    for body in [
        json!({}),
        json!({ "unknown": 1, "id": 99, "author_id": 99, "created_at": "2000-01-01T00:00:00Z" }),
        json!({ "title": article["title"] }),
        json!({ "title": article["title"], "content": article["content"], "published": "yes" }),
    ] {
        assert_eq!(ann.patch(&path(&article), &body).await.expect(StatusCode::OK), article, "{body}");
    }
    let edited = ann.patch(&path(&article), &json!({ "title": "x", "content": article["content"] })).await;
    let edited = edited.expect(StatusCode::OK);
    assert!(edited["updated_at"].as_str() > article["updated_at"].as_str());
    assert_eq!(edited["created_at"], article["created_at"]);
}

#[actix_web::test]
async fn two_changes_of_different_members_at_once_both_stay() {
    let app = TestApp::with(&[("WORKERS", "2")]).await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await.json;
    for round in 0..20 {
        let (title, content) = (format!("title {round}"), format!("content of round {round}"));
        let (first, second) = join(
            ann.patch(&path(&article), &json!({ "title": title })),
            ann.patch(&path(&article), &json!({ "content": content })),
        )
        .await;
        first.expect(StatusCode::OK);
        second.expect(StatusCode::OK);
        let now = ann.get(&path(&article)).await.json();
        assert_eq!((&now["title"], &now["content"]), (&json!(title), &json!(content)));
    }
}

#[actix_web::test]
async fn an_article_is_removed_once_however_many_try() {
    let app = TestApp::with(&[("WORKERS", "2")]).await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await.json;
    let target = path(&article);
    let answers = join_all((0..8).map(|_| ann.delete(&target))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404, 404, 404, 404, 404, 404, 404]);
}

#[actix_web::test]
async fn ids_are_never_given_out_twice() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    write(&ann, "stays").await;
    let mut last = 0;
    for _ in 0..3 {
        let newest = write(&ann, "newest").await;
        assert!(newest["id"].as_i64().unwrap() > last, "{newest}");
        last = newest["id"].as_i64().unwrap();
        ann.delete(&path(&newest)).await.expect(StatusCode::NO_CONTENT);
    }
    // Accounts neither: an old token must not open a new account.
    let bob = app.sign_up("bob").await;
    app.sql(&format!("DELETE FROM users WHERE id = {}", bob.id)).await;
    let eve = app.sign_up("eve").await;
    assert!(eve.id > bob.id);
    assert_eq!(bob.get("/users/me").await.status, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn a_list_is_newest_first_and_ties_go_to_the_higher_id() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for title in ["a", "b", "c", "d"] {
        write(&ann, title).await;
    }
    assert_eq!(titles(&app.anonymous(), "/articles/").await, ["d", "c", "b", "a"]);
    app.sql("UPDATE articles SET created_at = (SELECT min(created_at) FROM articles) WHERE title <> 'b'")
        .await;
    assert_eq!(titles(&app.anonymous(), "/articles/").await, ["b", "d", "c", "a"]);
    assert_eq!(titles(&app.anonymous(), "/articles/?skip=1&limit=2").await, ["d", "c"]);
    assert_eq!(titles(&app.anonymous(), "/articles?limit=0").await, [""; 0]);
    assert_eq!(titles(&app.anonymous(), "/articles/?skip=4").await, [""; 0]);
    assert_eq!(titles(&app.anonymous(), "/articles/?skip=9223372036854775807").await, [""; 0]);
    assert_eq!(titles(&app.anonymous(), "/articles/?limit=1&limit=2&unknown=1").await.len(), 2);
}

#[actix_web::test]
async fn both_spellings_of_every_path_answer_alike() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let first = ann.write(Published::Yes).await.json;
    for path in ["/articles", "/articles/", "/users/me", "/users/me/", "/health/live", "/health/live/"] {
        ann.get(path).await.expect(StatusCode::OK);
        let head = ann.head(path).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    }
    for path in paths(&first) {
        let (get, head) = (ann.get(&path).await, ann.head(&path).await);
        assert_eq!((&get.json()["id"], head.body.len()), (&first["id"], 0));
        assert_eq!(get.header("content-length"), head.header("content-length"));
        assert_eq!(get.header("content-type"), head.header("content-type"));
        assert_eq!(ann.patch(&path, &json!({ "title": path })).await.expect(StatusCode::OK)["title"], path);
    }
    let body = json!({ "title": "t", "content": "0123456789" });
    ann.post("/articles", &body).await.expect(StatusCode::CREATED);
    ann.delete(&format!("{}/", path(&first))).await.expect(StatusCode::NO_CONTENT);
    for path in ["//articles", "/articles//", "/Articles/", "/articles/1/2"] {
        ann.get(path).await.expect_error(StatusCode::NOT_FOUND, "Not Found");
    }
}
