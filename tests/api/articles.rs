//! Articles: written, read, listed, changed and removed, by whom and by whom not.

use actix_web::http::{Method, StatusCode};
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::support::{Client, Published, TestApp, now, sign_token};

const MISSING: &str = "Article not found";

fn path(article: &Value) -> String {
    format!("/articles/{}", article["id"])
}

/// Both spellings of an article's path.
fn paths(article: &Value) -> [String; 2] {
    [path(article), format!("{}/", path(article))]
}

async fn titles(client: &Client, target: &str) -> Vec<String> {
    let list = client.get(target).await.expect(StatusCode::OK);
    list.as_array().unwrap().iter().map(|article| article["title"].as_str().unwrap().to_owned()).collect()
}

async fn write(client: &Client, title: &str) -> Value {
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
async fn a_draft_is_invisible_to_everyone_but_its_author() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let draft = ann.write(Published::No).await.json;

    for list in ["/articles/", "/articles", "/articles/?skip=0&limit=1"] {
        assert_eq!(ann.get(list).await.json(), json!([draft]), "{list}");
        for stranger in [&bob, &app.anonymous()] {
            assert_eq!(stranger.get(list).await.json(), json!([]), "{list}");
        }
    }
    for path in paths(&draft) {
        assert_eq!(ann.get(&path).await.expect(StatusCode::OK), draft);
        assert_eq!(ann.head(&path).await.status, StatusCode::OK);
        for stranger in [&bob, &app.anonymous()] {
            stranger.get(&path).await.expect_error(StatusCode::NOT_FOUND, MISSING);
            assert_eq!(stranger.head(&path).await.status, StatusCode::NOT_FOUND);
        }
        for body in [json!({}), json!({ "published": true }), json!({ "title": null })] {
            bob.patch(&path, &body).await.expect_error(StatusCode::NOT_FOUND, MISSING);
        }
        bob.delete(&path).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    }
    // Its very answers are those of an article that never was, so that nobody can tell.
    let (hidden, never) = (bob.get(&path(&draft)).await, bob.get("/articles/999999").await);
    assert_eq!((hidden.status, &hidden.body), (never.status, &never.body));
    assert_eq!(ann.get(&path(&draft)).await.json(), draft);
}

#[actix_web::test]
async fn a_withdrawn_article_disappears_and_a_published_one_appears() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await.json;

    app.anonymous().get(&path(&article)).await.expect(StatusCode::OK);
    ann.patch(&path(&article), &json!({ "published": false })).await.expect(StatusCode::OK);
    app.anonymous().get(&path(&article)).await.expect_error(StatusCode::NOT_FOUND, MISSING);
    ann.patch(&path(&article), &json!({ "published": true })).await.expect(StatusCode::OK);
    app.anonymous().get(&path(&article)).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn hidden_drafts_leave_no_gap_in_a_page() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for number in 0..6 {
        write(&ann, &format!("public {number}")).await;
        ann.write(Published::No).await.json;
    }
    assert_eq!(
        titles(&app.anonymous(), "/articles/?skip=2&limit=3").await,
        ["public 3", "public 2", "public 1"]
    );
    assert_eq!(titles(&ann, "/articles/").await.len(), 12);
}

#[actix_web::test]
async fn public_drafts_show_all_articles_and_ignore_tokens_on_reads() {
    let app = TestApp::with(&[("PUBLIC_DRAFTS", "true")]).await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let draft = ann.write(Published::No).await.json;

    for reader in [&app.anonymous(), &bob, &bob.with_token("garbage")] {
        assert_eq!(reader.get("/articles/").await.expect(StatusCode::OK), json!([draft]));
        assert_eq!(reader.get(&path(&draft)).await.expect(StatusCode::OK), draft);
        assert_eq!(reader.head(&path(&draft)).await.status, StatusCode::OK);
    }
    // Seen, and still nobody else's to change.
    bob.patch(&path(&draft), &json!({ "title": "mine" }))
        .await
        .expect_error(StatusCode::FORBIDDEN, "Not authorized");
    bob.delete(&path(&draft)).await.expect_error(StatusCode::FORBIDDEN, "Not authorized");
    assert_eq!(bob.with_token("garbage").delete(&path(&draft)).await.status, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn an_expired_token_on_a_read_is_said_and_does_not_lose_drafts_quietly() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await.json;
    let expired =
        ann.with_token(&sign_token(&json!({ "sub": ann.id.to_string(), "exp": now().timestamp() - 1 })));

    for target in ["/articles/".to_owned(), path(&article)] {
        let answer = expired.get(&target).await;
        answer.expect_error(StatusCode::UNAUTHORIZED, "Could not validate credentials");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
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
