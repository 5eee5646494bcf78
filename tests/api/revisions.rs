//! Revisions: what an edit keeps, and how it is read, compared and restored.

use actix_web::http::{Method, StatusCode};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Article, Client, Published, TestApp, article_body};

/// The revisions of an article, the newest first.
async fn revisions(client: &Client, article: &Article) -> Vec<Value> {
    let list = client.get(&format!("{}/revisions", article.path())).await.expect(StatusCode::OK);
    list.as_array().unwrap().clone()
}

async fn numbers(client: &Client, article: &Article) -> Vec<i64> {
    revisions(client, article).await.iter().map(|revision| revision["number"].as_i64().unwrap()).collect()
}

async fn restore(client: &Client, article: &Article, number: i64) -> Value {
    let path = format!("{}/revisions/{number}/restore", article.path());
    client.post(&path, &json!({})).await.expect(StatusCode::OK)
}

#[actix_web::test]
async fn each_edit_of_the_text_keeps_the_previous_state_and_other_edits_do_not() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let mut body = article_body("First");
    body["tags"] = json!(["a", "b"]);
    let article = ann.create(&body).await;
    assert_eq!(numbers(&ann, &article).await, [0; 0]);
    let mut count = 0;
    for (change, kept) in [
        (json!({ "title": "Second" }), 1),
        (json!({ "content": "another content" }), 1),
        (json!({ "format": "plain" }), 1),
        (json!({ "slug": "another-slug" }), 1),
        (json!({ "tags": ["b"] }), 1),
        (json!({ "title": "Third", "content": "third content", "tags": ["c"] }), 1),
        (json!({ "excerpt": "x" }), 0),
        (json!({ "published": false }), 0),
        (json!({ "scheduled_at": "2999-01-01" }), 0),
        (json!({ "title": "Third", "tags": ["C"] }), 0),
        (json!({}), 0),
    ] {
        ann.edit(&article, &change).await;
        count += kept;
        let expected: Vec<i64> = (1..=count).rev().collect();
        assert_eq!(numbers(&ann, &article).await, expected, "{change}");
    }
    let first = ann.get(&format!("{}/revisions/1", article.path())).await.expect(StatusCode::OK);
    let expected = json!({
        "number": 1, "title": "First", "format": "markdown", "slug": "first", "tags": ["a", "b"],
        "editor_id": ann.id, "created_at": first["created_at"], "content": "0123456789",
    });
    assert_eq!(first, expected);
    let listed = revisions(&ann, &article).await;
    assert!(listed.iter().all(|revision| revision.get("content").is_none()));
    assert_eq!((&listed[0]["title"], &listed[0]["tags"]), (&json!("Second"), &json!(["b"])));
}

#[actix_web::test]
async fn the_newest_revisions_are_kept() {
    for (max, kept) in
        [("3", vec![10, 9, 8]), ("1", vec![10]), ("0", vec![]), ("100", (1..=10).rev().collect())]
    {
        let app = TestApp::with(&[("MAX_REVISIONS", max)]).await;
        let ann = app.sign_up("ann").await;
        let article = ann.create(&article_body("0")).await;
        for number in 1..=10 {
            ann.edit(&article, &json!({ "title": number.to_string() })).await;
        }
        assert_eq!(numbers(&ann, &article).await, kept, "{max}");
    }
}

#[actix_web::test]
async fn a_lower_maximum_applies_with_the_next_edit() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&article_body("0")).await;
    for title in ["1", "2", "3"] {
        ann.edit(&article, &json!({ "title": title })).await;
    }
    for (max, kept) in [("2", vec![4, 3]), ("0", vec![])] {
        let other = app.another(&[("MAX_REVISIONS", max)]);
        let same = other.anonymous().with_token(ann.token.as_ref().unwrap());
        same.edit(&article, &json!({ "title": format!("at most {max}") })).await;
        assert_eq!(numbers(&same, &article).await, kept);
    }
}

#[actix_web::test]
async fn concurrent_edits_get_different_numbers() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&article_body("0")).await;
    let changes: Vec<Value> = (0..8).map(|number| json!({ "title": format!("t {number}") })).collect();
    join_all(changes.iter().map(|change| ann.edit(&article, change))).await;
    assert_eq!(numbers(&ann, &article).await, [8, 7, 6, 5, 4, 3, 2, 1]);
}

#[actix_web::test]
async fn revisions_are_for_those_who_may_edit_the_article() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let root = app.sign_up_admin("root").await;
    let (public, draft) = (ann.write(Published::Yes).await, ann.write(Published::No).await);
    for article in [&public, &draft] {
        ann.edit(article, &json!({ "title": "Other" })).await;
        let path = format!("{}/revisions", article.path());
        for (method, path) in [
            (Method::GET, path.clone()),
            (Method::GET, format!("{path}/1")),
            (Method::GET, format!("{path}/1/diff")),
            (Method::POST, format!("{path}/1/restore")),
        ] {
            let refused = bob.request(method.clone(), &path).send().await;
            if article.id == public.id {
                refused.expect_error(StatusCode::FORBIDDEN, "Not authorized");
            } else {
                refused.expect_error(StatusCode::NOT_FOUND, "Article not found");
            }
            app.anonymous()
                .request(method.clone(), &path)
                .send()
                .await
                .expect_unauthorized("Not authenticated");
            for client in [&ann, &root] {
                let shown = client.request(method.clone(), &path).send().await;
                shown.expect(StatusCode::OK);
                if method == Method::GET {
                    assert_eq!(shown.header("cache-control"), Some("no-store"));
                }
            }
        }
    }
}

#[actix_web::test]
async fn an_administrators_edit_and_restoration_are_logged_and_keep_their_author() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let article = ann.create(&article_body("First")).await;
    root.edit(&article, &json!({ "title": "Second" })).await;
    let restored = restore(&root, &article, 1).await;
    assert_eq!((&restored["title"], &restored["author_id"]), (&json!("First"), &json!(ann.id)));
    let editors: Vec<Value> =
        revisions(&ann, &article).await.iter().map(|revision| revision["editor_id"].clone()).collect();
    assert_eq!(editors, [json!(root.id), json!(root.id)]);
    assert_eq!(root.log().await, ["article.update First", "article.update Second"]);
}

#[actix_web::test]
async fn a_restored_revision_is_a_new_edit() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let mut body = article_body("First");
    body["tags"] = json!(["a", "b"]);
    body["excerpt"] = json!("kept");
    let article = ann.create(&body).await;
    let change = json!({
        "title": "Second", "content": "another content", "format": "html", "slug": "second", "tags": ["c"],
    });
    let second = ann.edit(&article, &change).await;
    let restored = restore(&ann, &article, 1).await;
    for member in ["title", "content", "format", "slug", "published", "published_at", "created_at"] {
        assert_eq!(restored[member], article.json[member], "{member}");
    }
    assert_ne!(restored["updated_at"], second.json["updated_at"]);
    let tags = ann.get(&format!("{}?expand=tags", article.path())).await.json()["tags"].clone();
    assert_eq!(tags, json!(["a", "b"]));
    assert_eq!(numbers(&ann, &article).await, [2, 1]);
    // The slug in between leads to the article too.
    let moved = app.anonymous().get("/articles/by-slug/second").await;
    assert_eq!(moved.status, StatusCode::PERMANENT_REDIRECT);
    // Restored once more, nothing changes.
    assert_eq!(restore(&ann, &article, 1).await, restored);
    assert_eq!(numbers(&ann, &article).await, [2, 1]);
    let undone = restore(&ann, &article, 2).await;
    assert_eq!((&undone["title"], &undone["slug"]), (&json!("Second"), &json!("second")));
}

#[actix_web::test]
async fn a_slug_that_another_article_took_is_restored_with_a_number() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&article_body("First")).await;
    ann.edit(&article, &json!({ "slug": "second" })).await;
    ann.create(&article_body("First")).await;
    assert_eq!(restore(&ann, &article, 1).await["slug"], "first-2");
}

#[actix_web::test]
async fn a_restoration_takes_a_precondition() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&article_body("First")).await;
    let second = ann.edit(&article, &json!({ "title": "Second" })).await;
    let path = format!("{}/revisions/1/restore", article.path());
    let stale = ann.request(Method::POST, &path).if_match(&article.tag).send().await;
    stale.expect_error(StatusCode::PRECONDITION_FAILED, "The article has changed");
    assert_eq!(ann.get(&article.path()).await.json(), second.json);
    let restored = ann.request(Method::POST, &path).if_match(&second.tag).send().await;
    restored.expect(StatusCode::OK);
    assert_eq!(restored.tag(), ann.get(&article.path()).await.tag());
}

#[actix_web::test]
async fn a_revision_is_compared_with_the_current_state_or_with_another_one() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let body =
        json!({ "title": "T", "content": "one\ntwo\nthree\nfour\n", "published": true, "tags": ["a"] });
    let article = ann.create(&body).await;
    ann.edit(&article, &json!({ "content": "one\n2\nthree\nfour\n", "tags": [] })).await;
    ann.edit(
        &article,
        &json!({ "content": "one\n2\n3\nfour\n", "format": "plain", "title": "T2", "slug": "u" }),
    )
    .await;
    let path = format!("{}/revisions/1/diff", article.path());
    let diff = ann.get(&path).await.expect(StatusCode::OK);
    assert_eq!((&diff["number"], &diff["against"]), (&json!(1), &json!(null)));
    assert_eq!(
        diff["content"],
        "--- revision 1\n+++ current\n@@ -1,4 +1,4 @@\n one\n-two\n-three\n+2\n+3\n four\n"
    );
    let expected = json!([
        { "member": "title", "old": "T", "new": "T2" },
        { "member": "format", "old": "markdown", "new": "plain" },
        { "member": "slug", "old": "t", "new": "u" },
        { "member": "tags", "old": ["a"], "new": [] },
    ]);
    assert_eq!(diff["changes"], expected);
    let diff = ann.get(&format!("{path}?against=2")).await.expect(StatusCode::OK);
    assert_eq!(
        diff["content"],
        "--- revision 1\n+++ revision 2\n@@ -1,4 +1,4 @@\n one\n-two\n+2\n three\n four\n"
    );
    assert_eq!(diff["changes"], json!([{ "member": "tags", "old": ["a"], "new": [] }]));
    let same = ann.get(&format!("{path}?against=1")).await.expect(StatusCode::OK);
    assert_eq!((&same["content"], &same["changes"]), (&json!(""), &json!([])));
}

#[actix_web::test]
async fn large_contents_are_compared_too() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let text =
        |seed: u64| -> String { (0..30_000).map(|line: u64| format!("{}\n", line * seed % 997)).collect() };
    let body = json!({ "title": "T", "content": text(7), "published": true });
    let article = ann.create(&body).await;
    ann.edit(&article, &json!({ "content": text(11) })).await;
    let diff = ann.get(&format!("{}/revisions/1/diff", article.path())).await.expect(StatusCode::OK);
    assert!(diff["content"].as_str().unwrap().len() > 10_000);
}

#[actix_web::test]
async fn what_is_no_revision_is_not_found() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&article_body("First")).await;
    ann.edit(&article, &json!({ "title": "Second" })).await;
    let path = format!("{}/revisions", article.path());
    for missing in
        ["/2", "/0", "/-1", "/99999999999", "/2/diff", "/1/diff?against=2", "/1/diff?against=99999999999"]
    {
        ann.get(&format!("{path}{missing}")).await.expect_error(StatusCode::NOT_FOUND, "Revision not found");
    }
    ann.post(&format!("{path}/2/restore"), &json!({}))
        .await
        .expect_error(StatusCode::NOT_FOUND, "Revision not found");
    for (wrong, location) in [
        ("/x", json!(["path", "number"])),
        ("/1/diff?against=x", json!(["query", "against"])),
        ("?limit=x", json!(["query", "limit"])),
    ] {
        ann.get(&format!("{path}{wrong}")).await.expect_invalid([("int_parsing", location)]);
    }
    ann.get("/articles/99/revisions").await.expect_error(StatusCode::NOT_FOUND, "Article not found");
}

#[actix_web::test]
async fn revisions_have_pages_in_both_directions() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let (article, other) = (ann.create(&article_body("0")).await, ann.create(&article_body("other")).await);
    for number in 1..=5 {
        ann.edit(&article, &json!({ "title": number.to_string() })).await;
        ann.edit(&other, &json!({ "title": number.to_string() })).await;
    }
    let number = |page: &Value| page[0]["number"].as_i64().unwrap();
    let mut page = ann.get(&format!("{}/revisions?limit=1", article.path())).await;
    let mut seen = vec![number(&page.json())];
    while let Some(next) = page.linked("next") {
        page = ann.get(&next).await;
        seen.push(number(&page.json()));
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
    while let Some(previous) = page.linked("prev") {
        page = ann.get(&previous).await;
        seen.pop();
        assert_eq!(number(&page.json()), *seen.last().unwrap());
    }
    assert_eq!(seen, [5]);
    // A cursor fits the revisions of its article only.
    let next = page.linked("next").unwrap().replace(&article.path(), &other.path());
    ann.get(&next).await.expect_invalid([("value_error", json!(["query", "cursor"]))]);
}

#[actix_web::test]
async fn revisions_are_deleted_with_their_article_and_outlive_their_editor() {
    let app = TestApp::start().await;
    let (root, ann) = (app.sign_up_admin("root").await, app.sign_up("ann").await);
    let bob = app.sign_up_admin("bob").await;
    let article = ann.create(&article_body("First")).await;
    bob.edit(&article, &json!({ "title": "Second" })).await;
    root.delete(&format!("/admin/users/{}", bob.id)).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(revisions(&ann, &article).await[0]["editor_id"], Value::Null);
    ann.delete(&article.path()).await;
    assert_eq!(app.number("SELECT CAST(count(*) AS bigint) FROM article_revisions").await, 0);
}
