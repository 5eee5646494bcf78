//! Articles: writing, reading, changing and deleting them, and who may do so.

use actix_web::http::StatusCode;
use futures_util::future::{join, join_all};
use serde_json::json;

use crate::support::{Published, TestApp, article_body};

const MISSING: &str = "Article not found";

#[actix_web::test]
async fn a_new_article_is_returned_with_its_location() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;

    let body = json!({ "title": "Notes", "content": "Ten code points and more.", "published": true });
    let response = ann.post("/articles/", &body).await;

    let article = response.expect(StatusCode::CREATED);
    let location = response.resolve(response.header("location").unwrap());
    assert_eq!(location, format!("/articles/{}", article["id"]));
    assert_eq!(article["title"], "Notes");
    assert_eq!(article["content"], "Ten code points and more.");
    assert_eq!(article["published"], true);
    assert_eq!(article["author_id"], ann.id);
}

#[actix_web::test]
async fn the_location_leads_to_the_article_behind_every_prefix() {
    for root_path in ["", "/api"] {
        let app = TestApp::with(&[("ROOT_PATH", root_path)]).await;
        let ann = app.sign_up("ann").await;
        for path in ["/articles", "/articles/", "/articles%2F", "/articles?x=/y/", "/%61rticles/"] {
            let response = ann.post(path, &article_body("t")).await;
            let article = response.expect(StatusCode::CREATED);
            let location = response.header("location").unwrap();
            for prefix in ["", "/api", "/a/b"] {
                let target = response.resolve_under(prefix, location);
                assert_eq!(target, format!("{prefix}/articles/{}", article["id"]), "{path}");
            }
            assert_eq!(ann.get(&response.resolve(location)).await.json(), article, "{path}");
        }
    }
}

#[actix_web::test]
async fn a_new_article_is_a_draft_by_default() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&json!({ "title": "t", "content": "0123456789" })).await;
    assert_eq!(article.json["published"], false);
}

#[actix_web::test]
async fn a_new_article_was_last_edited_when_it_was_created() {
    let app = TestApp::start().await;
    let article = app.sign_up("ann").await.write(Published::Yes).await;
    assert_eq!(article.json["created_at"], article.json["updated_at"]);
}

#[actix_web::test]
async fn an_article_reads_as_it_was_last_written() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::No).await;
    assert_eq!(ann.get(&article.path()).await.expect(StatusCode::OK), article.json);
    let edited = ann.edit(&article, &json!({ "published": true })).await;
    assert_eq!(app.anonymous().get(&article.path()).await.expect(StatusCode::OK), edited.json);
}

#[actix_web::test]
async fn a_change_replaces_only_the_members_that_it_names() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::No).await;

    let changed = ann.edit(&article, &json!({ "published": true })).await;

    let mut expected = article.json.clone();
    expected["published"] = json!(true);
    expected["updated_at"] = changed.json["updated_at"].clone();
    expected["published_at"] = changed.json["updated_at"].clone();
    assert_eq!(changed.json, expected);
}

#[actix_web::test]
async fn a_change_moves_the_time_of_the_last_edit_only() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;

    let change = json!({ "title": "x", "content": article.json["content"] });
    let edited = ann.edit(&article, &change).await;

    assert!(edited.json["updated_at"].as_str() > article.json["updated_at"].as_str());
    assert_eq!(edited.json["created_at"], article.json["created_at"]);
}

#[actix_web::test]
async fn a_change_to_the_same_values_leaves_the_time_of_the_last_edit() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    for change in [
        json!({}),
        json!({ "unknown": 1, "id": 99, "author_id": 99, "created_at": "2000-01-01T00:00:00Z" }),
        json!({ "title": article.json["title"] }),
        json!({ "title": article.json["title"], "content": article.json["content"], "published": "yes" }),
    ] {
        assert_eq!(ann.edit(&article, &change).await.json, article.json, "{change}");
    }
}

#[actix_web::test]
async fn a_deleted_article_is_gone() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let path = ann.write(Published::Yes).await.path();

    let response = ann.delete(&path).await;

    assert_eq!((response.status, response.body.len()), (StatusCode::NO_CONTENT, 0));
    ann.get(&path).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    ann.patch(&path, &json!({})).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    ann.delete(&path).await.expect_error(StatusCode::NOT_FOUND, MISSING);
}

#[actix_web::test]
async fn writing_needs_an_account() {
    let app = TestApp::start().await;
    let article = app.sign_up("ann").await.write(Published::Yes).await;
    let body = article_body("t");
    for (client, detail) in [
        (app.anonymous(), "Not authenticated"),
        (app.anonymous().with_token("garbage"), "Could not validate credentials"),
    ] {
        client.post("/articles/", &body).await.expect_unauthorized(detail);
        client.patch(&article.path(), &body).await.expect_unauthorized(detail);
        client.delete(&article.path()).await.expect_unauthorized(detail);
    }
    assert_eq!(app.anonymous().get(&article.path()).await.json(), article.json);
}

#[actix_web::test]
async fn only_the_author_may_change_or_delete_an_article() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let article = ann.write(Published::Yes).await;
    for path in article.both_paths() {
        for response in [
            bob.patch(&path, &json!({ "title": "mine" })).await,
            bob.patch(&path, &json!({})).await,
            bob.delete(&path).await,
        ] {
            response.expect_error(StatusCode::FORBIDDEN, "Not authorized");
            assert_eq!(response.header("www-authenticate"), None);
        }
    }
    assert_eq!(app.anonymous().get(&article.path()).await.json(), article.json);
}

#[actix_web::test]
async fn changes_of_different_members_at_once_are_both_stored() {
    let app = TestApp::with(&[("WORKERS", "2")]).await;
    let ann = app.sign_up("ann").await;
    let path = ann.write(Published::Yes).await.path();
    for round in 0..20 {
        let (title, content) = (format!("title {round}"), format!("content of round {round}"));
        let (first, second) = join(
            ann.patch(&path, &json!({ "title": title })),
            ann.patch(&path, &json!({ "content": content })),
        )
        .await;
        first.expect(StatusCode::OK);
        second.expect(StatusCode::OK);
        let stored = ann.get(&path).await.json();
        assert_eq!((&stored["title"], &stored["content"]), (&json!(title), &json!(content)));
    }
}

#[actix_web::test]
async fn of_many_deletions_at_once_exactly_one_succeeds() {
    let app = TestApp::with(&[("WORKERS", "2")]).await;
    let ann = app.sign_up("ann").await;
    let path = ann.write(Published::Yes).await.path();
    let responses = join_all((0..8).map(|_| ann.delete(&path))).await;
    let mut statuses: Vec<u16> = responses.iter().map(|response| response.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404, 404, 404, 404, 404, 404, 404]);
}

#[actix_web::test]
async fn an_article_never_gets_the_id_of_a_deleted_one() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    ann.write(Published::Yes).await;
    let mut last = 0;
    for _ in 0..3 {
        let newest = ann.write(Published::Yes).await;
        assert!(newest.id > last, "{}", newest.json);
        last = newest.id;
        ann.delete(&newest.path()).await.expect(StatusCode::NO_CONTENT);
    }
}

#[actix_web::test]
async fn both_spellings_of_a_path_are_read_alike() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let [path, with_slash] = article.both_paths();
    for spelling in [
        "/articles",
        "/articles/",
        "/users/me",
        "/users/me/",
        "/health/live",
        "/health/live/",
        &path,
        &with_slash,
    ] {
        ann.get(spelling).await.expect(StatusCode::OK);
    }
    for spelling in [&path, &with_slash] {
        assert_eq!(ann.get(spelling).await.json(), article.json);
    }
}

#[actix_web::test]
async fn both_spellings_of_a_path_are_written_alike() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for collection in ["/articles", "/articles/"] {
        ann.post(collection, &article_body("t")).await.expect(StatusCode::CREATED);
    }
    let article = ann.write(Published::Yes).await;
    for path in article.both_paths() {
        assert_eq!(ann.patch(&path, &json!({ "title": path })).await.expect(StatusCode::OK)["title"], path);
    }
    ann.delete(&article.both_paths()[1]).await.expect(StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let [path, with_slash] = ann.write(Published::Yes).await.both_paths();
    for path in [
        "/articles",
        "/articles/",
        "/users/me",
        "/users/me/",
        "/health/live",
        "/health/live/",
        &path,
        &with_slash,
    ] {
        let (get, head) = (ann.get(path).await, ann.head(path).await);
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{path}");
        for name in ["content-length", "content-type"] {
            assert_eq!(get.header(name), head.header(name), "{path}: {name}");
        }
    }
}

#[actix_web::test]
async fn other_spellings_of_a_path_are_404() {
    let app = TestApp::start().await;
    for path in ["//articles", "/articles//", "/Articles/", "/articles/1/2"] {
        let response = app.anonymous().get(path).await;
        response.expect_error(StatusCode::NOT_FOUND, "Not Found");
    }
}

#[actix_web::test]
async fn an_edit_is_never_before_the_creation() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    // The clock was set back, or another program wrote the row.
    for created in ["2999-01-01T00:00:00+00:00", "2999-01-01T00:00:00.123456+00:00"] {
        app.sql(&format!("UPDATE articles SET created_at = '{created}', updated_at = '{created}'")).await;
        let edited = ann.patch(&article.path(), &json!({ "title": created })).await.expect(StatusCode::OK);
        assert_eq!(edited["created_at"], created.replace("+00:00", "Z"));
        assert_eq!(edited["updated_at"], edited["created_at"]);
    }
    app.sql("UPDATE articles SET created_at = '2001-01-01T00:00:00+00:00'").await;
    let edited = ann.patch(&article.path(), &json!({ "title": "now" })).await.expect(StatusCode::OK);
    assert!(edited["updated_at"].as_str().unwrap() < "2999");
}
