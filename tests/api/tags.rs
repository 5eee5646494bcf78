//! Tags: of articles, as filters of lists, and their list.

use actix_web::http::{Method, StatusCode};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Article, Client, Published, TestApp, article_body};

/// The body of an article with these tags.
fn tagged(tags: &[&str], published: bool) -> Value {
    json!({ "title": "Notes", "content": "0123456789", "published": published, "tags": tags })
}

/// The tags of an article as its reader sees them.
async fn tags_of(client: &Client, article: &Article) -> Value {
    let shown = client.get(&format!("{}?expand=tags", article.path())).await;
    shown.expect(StatusCode::OK)["tags"].clone()
}

/// The list of tags, as names and numbers.
async fn listed(client: &Client) -> Vec<(String, i64)> {
    let list = client.get("/tags/").await.expect(StatusCode::OK);
    let entry = |tag: &Value| (tag["name"].as_str().unwrap().to_owned(), tag["articles"].as_i64().unwrap());
    list.as_array().unwrap().iter().map(entry).collect()
}

fn entries<'a>(list: &'a [(&'a str, i64)]) -> Vec<(String, i64)> {
    list.iter().map(|(name, articles)| ((*name).to_owned(), *articles)).collect()
}

/// The id of the tag with this name.
async fn id_of(app: &TestApp, name: &str) -> i64 {
    app.number(&format!("SELECT CAST(id AS bigint) FROM tags WHERE name = '{name}'")).await
}

#[actix_web::test]
async fn tags_are_shown_in_their_order_if_they_are_asked_for() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&tagged(&["web dev", "rust", "A B"], true)).await;
    let bare = ann.create(&article_body("Bare")).await;
    assert!(article.json.get("tags").is_none());
    for client in [&app.anonymous(), &ann] {
        assert_eq!(tags_of(client, &article).await, json!(["web dev", "rust", "A B"]));
        assert_eq!(tags_of(client, &bare).await, json!([]));
        let list = client.list("sort=created_at&expand=tags,author").await.json();
        assert_eq!(list[0]["tags"], json!(["web dev", "rust", "A B"]));
        assert_eq!(list[1]["tags"], json!([]));
        let last: Vec<&String> = list[0].as_object().unwrap().keys().rev().take(2).collect();
        assert_eq!(last, ["tags", "author"]);
    }
}

#[actix_web::test]
async fn equal_tags_are_merged_and_the_first_spelling_of_the_site_is_shown() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let first = ann.create(&tagged(&["Rust", " web   dev ", "RUST", "stra\u{df}e"], true)).await;
    assert_eq!(tags_of(&ann, &first).await, json!(["Rust", "web dev", "stra\u{df}e"]));
    let second = ann.create(&tagged(&["STRASSE", "rust", "WEB DEV"], true)).await;
    assert_eq!(tags_of(&ann, &second).await, json!(["stra\u{df}e", "Rust", "web dev"]));
    assert_eq!(app.number("SELECT CAST(count(*) AS bigint) FROM tags").await, 3);
}

#[actix_web::test]
async fn an_edit_replaces_the_tags_and_is_an_edit_only_if_they_differ() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&tagged(&["a", "b"], true)).await;
    for same in [json!({ "tags": ["a", "b"] }), json!({ "tags": [" A", "B ", "a"] }), json!({})] {
        let unchanged = ann.edit(&article, &same).await;
        assert_eq!((&unchanged.json, &unchanged.tag), (&article.json, &article.tag), "{same}");
    }
    let mut tag = article.tag.clone();
    for tags in [json!(["b", "a"]), json!(["b"]), json!([]), json!(["c", "d"])] {
        let edited = ann.edit(&article, &json!({ "tags": tags })).await;
        assert_eq!(tags_of(&ann, &article).await, tags);
        assert!(edited.tag != tag && edited.json["updated_at"] != article.json["updated_at"], "{tags}");
        tag = edited.tag;
    }
    // Other members stay, and so do the tags when other members change.
    let edited = ann.edit(&article, &json!({ "title": "Other" })).await;
    assert_eq!(edited.json["content"], article.json["content"]);
    assert_eq!(tags_of(&ann, &article).await, json!(["c", "d"]));
}

#[actix_web::test]
async fn invalid_tags_are_reported_at_their_position() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::No).await;
    let long = "\u{e9}".repeat(51);
    for (wrong, error) in [
        (json!(""), "string_too_short"),
        (json!("  "), "string_too_short"),
        (json!(long), "string_too_long"),
        (json!("a\u{0}b"), "string_pattern_mismatch"),
        (json!("a\u{7}b"), "string_pattern_mismatch"),
        (json!(1), "string_type"),
        (json!(null), "string_type"),
        (json!(["a"]), "string_type"),
    ] {
        let body = json!({ "title": "t", "content": "0123456789", "tags": ["a", "b", wrong] });
        for response in [ann.post("/articles/", &body).await, ann.patch(&article.path(), &body).await] {
            response.expect_invalid([(error, json!(["body", "tags", 2]))]);
        }
    }
    let many: Vec<String> = (0..21).map(|number| format!("tag {number}")).collect();
    for (wrong, error) in [(json!(many), "too_long"), (json!("a"), "list_type"), (json!(null), "list_type")] {
        let body = json!({ "title": "t", "content": "0123456789", "tags": wrong });
        for response in [ann.post("/articles/", &body).await, ann.patch(&article.path(), &body).await] {
            response.expect_invalid([(error, json!(["body", "tags"]))]);
        }
    }
    let twenty = ann.create(&json!({ "title": "t", "content": "0123456789", "tags": many[..20] })).await;
    assert_eq!(tags_of(&ann, &twenty).await, json!(many[..20]));
}

#[actix_web::test]
async fn lists_are_narrowed_to_articles_with_all_tags() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let both = ann.create(&tagged(&["Rust", "web"], true)).await.id;
    let rust = bob.create(&tagged(&["rust"], true)).await.id;
    let draft = bob.create(&tagged(&["web", "rust", "c++"], false)).await.id;
    ann.write(Published::Yes).await;
    for (client, query, ids) in [
        (&app.anonymous(), "tag=RUST", vec![rust, both]),
        (&app.anonymous(), "tag=rust&tag=Web", vec![both]),
        (&app.anonymous(), "tag=web&tag=WEB", vec![both]),
        (&app.anonymous(), "tag=c%2B%2B", vec![]),
        (&app.anonymous(), "tag=unknown", vec![]),
        (&app.anonymous(), "tag=rust&author=bob", vec![rust]),
        (&app.anonymous(), "tag=rust&sort=-published_at", vec![rust, both]),
        (&ann, "tag=rust", vec![rust, both]),
        (&bob, "tag=rust", vec![draft, rust, both]),
        (&bob, "tag=rust&tag=web&published=false", vec![draft]),
        (&bob, "tag=c%2B%2B", vec![draft]),
    ] {
        let page = client.list(&format!("{query}&count=exact")).await;
        assert_eq!(page.ids(), ids, "{query}");
        assert_eq!(page.header("x-total-count"), Some(ids.len().to_string().as_str()), "{query}");
    }
}

#[actix_web::test]
async fn lists_of_common_tags_show_the_same_as_lists_of_rare_ones() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    app.sql(
        "INSERT INTO articles (title, content, published, author_id, created_at, updated_at) \
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000) \
         SELECT 'title ' || n, '0123456789', TRUE, 1, '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00' FROM n",
    )
    .await;
    app.sql("INSERT INTO tags (key, name) VALUES ('even', 'even'), ('third', 'third'), ('rare', 'rare')")
        .await;
    for (tag, divisor) in [(1, 2), (2, 3), (3, 500)] {
        app.sql(&format!(
            "INSERT INTO article_tags (article_id, tag_id, position) \
             SELECT id, {tag}, 0 FROM articles WHERE id % {divisor} = 0"
        ))
        .await;
    }
    for (query, first, total) in [
        ("tag=even", [3000, 2998], "1500"),
        ("tag=third", [3000, 2997], "1000"),
        ("tag=even&tag=third", [3000, 2994], "500"),
        ("tag=rare", [3000, 2500], "6"),
        ("tag=even&tag=rare", [3000, 2500], "6"),
        ("tag=even&tag=third&tag=rare", [3000, 1500], "2"),
    ] {
        let page = app.anonymous().list(&format!("{query}&limit=2&count=exact")).await;
        assert_eq!(page.ids(), first, "{query}");
        assert_eq!(page.header("x-total-count"), Some(total), "{query}");
    }
}

#[actix_web::test]
async fn a_cursor_carries_the_tags() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.insert(0, ann.create(&tagged(&["rust", "web"], true)).await.id);
        ann.create(&tagged(&["web"], true)).await;
    }
    let first = app.anonymous().list("tag=web&tag=Rust&limit=1").await;
    assert_eq!(first.ids(), ids[..1]);
    let next = app.anonymous().get(&first.linked("next").unwrap()).await;
    assert_eq!(next.ids(), ids[1..2]);
    let cursor = first.next_cursor();
    for same in ["tag=rust&tag=web", "tag=web&tag=rust&tag=RUST"] {
        assert_eq!(app.anonymous().list_ids(&format!("{same}&cursor={cursor}")).await, ids[1..]);
    }
    for other in ["tag=web", "tag=web&tag=rust&tag=c"] {
        let refused = app.anonymous().list(&format!("{other}&cursor={cursor}")).await;
        refused.expect_invalid([("value_error", json!(["query", "cursor"]))]);
    }
    let untagged = app.anonymous().list("limit=1").await.next_cursor();
    let refused = app.anonymous().list(&format!("tag=web&cursor={untagged}")).await;
    refused.expect_invalid([("value_error", json!(["query", "cursor"]))]);
}

#[actix_web::test]
async fn a_list_is_narrowed_to_at_most_five_tags() {
    let app = TestApp::start().await;
    for (query, error, location) in [
        ("tag=a&tag=b&tag=c&tag=d&tag=e&tag=f", "too_long", json!(["query", "tag"])),
        ("tag=", "string_too_short", json!(["query", "tag", 0])),
        ("tag=a&tag=%00", "string_pattern_mismatch", json!(["query", "tag", 1])),
    ] {
        app.anonymous().list(query).await.expect_invalid([(error, location)]);
    }
    let long = "\u{1f980}".repeat(49);
    let names: String = (0..5).map(|number| format!("tag={long}{number}&")).collect();
    let query: String = form_urlencoded::byte_serialize(names.as_bytes()).collect();
    let query = query.replace("%3D", "=").replace("%26", "&");
    let ann = app.sign_up("ann").await;
    let tags: Vec<String> = (0..5).map(|number| format!("{long}{number}")).collect();
    for _ in 0..2 {
        ann.create(&json!({ "title": "t", "content": "0123456789", "published": true, "tags": tags })).await;
    }
    let first = app.anonymous().list(&format!("{query}limit=1")).await;
    assert_eq!(app.anonymous().get(&first.linked("next").unwrap()).await.ids(), [1]);
}

#[actix_web::test]
async fn the_list_of_tags_counts_visible_articles_only() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let root = app.sign_up_admin("root").await;
    ann.create(&tagged(&["rust", "web"], true)).await;
    let draft = ann.create(&tagged(&["rust", "secret"], false)).await;
    let public = entries(&[("rust", 1), ("web", 1)]);
    for client in [&app.anonymous(), &bob, &root] {
        assert_eq!(listed(client).await, public);
    }
    assert_eq!(listed(&ann).await, entries(&[("rust", 2), ("secret", 1), ("web", 1)]));
    ann.edit(&draft, &json!({ "published": true })).await;
    assert_eq!(listed(&app.anonymous()).await, entries(&[("rust", 2), ("secret", 1), ("web", 1)]));
    ann.edit(&draft, &json!({ "tags": ["web"] })).await;
    assert_eq!(listed(&app.anonymous()).await, entries(&[("rust", 1), ("web", 2)]));
    root.suspend(ann.id, "hide").await.expect(StatusCode::OK);
    assert_eq!(listed(&app.anonymous()).await, []);
    root.post(&format!("/admin/users/{}/reinstate", ann.id), &json!({})).await.expect(StatusCode::OK);
    root.delete(&draft.path()).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(listed(&app.anonymous()).await, public);
}

#[actix_web::test]
async fn the_list_of_tags_has_pages_in_both_directions_and_an_entity_tag() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let names = ["a", "b", "c", "d", "e"];
    ann.create(&tagged(&["c", "a", "e", "d", "b"], true)).await;
    ann.create(&article_body("Without tags")).await;
    let name = |page: &Value| page[0]["name"].as_str().unwrap().to_owned();
    for client in [app.anonymous(), ann.clone()] {
        let mut page = client.get("/tags/?limit=1").await;
        assert!(page.linked("prev").is_none());
        let mut seen = vec![name(&page.json())];
        while let Some(next) = page.linked("next") {
            page = client.get(&next).await;
            seen.push(name(&page.json()));
        }
        assert_eq!(seen, names);
        while let Some(previous) = page.linked("prev") {
            page = client.get(&previous).await;
            seen.pop();
            assert_eq!(name(&page.json()), *seen.last().unwrap());
        }
        assert_eq!(seen, ["a"]);
        let first = client.get("/tags/").await;
        let again = client.request(Method::GET, "/tags/").if_none_match(&first.tag()).send().await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED);
        for wrong in ["cursor=x", "cursor=", "limit=-1", "limit=x"] {
            let refused = client.get(&format!("/tags/?{wrong}")).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        }
        let foreign = client.list("limit=1").await.next_cursor();
        let refused = client.get(&format!("/tags/?cursor={foreign}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let before = ann.get("/tags/").await.tag();
    ann.create(&tagged(&["c"], true)).await;
    assert_ne!(ann.get("/tags/").await.tag(), before);
}

#[actix_web::test]
async fn a_renamed_tag_is_shown_at_once_with_its_new_name() {
    let app = TestApp::start().await;
    let (ann, root) = (app.sign_up("ann").await, app.sign_up_admin("root").await);
    let article = ann.create(&tagged(&["golang", "web"], true)).await;
    let path = format!("{}?expand=tags", article.path());
    let before = app.anonymous().get(&path).await;
    app.anonymous().list("expand=tags").await;
    listed(&app.anonymous()).await;
    let renamed =
        root.patch(&format!("/tags/{}", id_of(&app, "golang").await), &json!({ "name": " Go " })).await;
    assert_eq!(renamed.expect(StatusCode::OK)["name"], "Go");
    assert_eq!(renamed.json()["articles"], 1);
    assert_eq!(tags_of(&app.anonymous(), &article).await, json!(["Go", "web"]));
    assert_eq!(app.anonymous().list("expand=tags").await.json()[0]["tags"], json!(["Go", "web"]));
    assert_eq!(listed(&app.anonymous()).await, entries(&[("Go", 1), ("web", 1)]));
    assert_eq!(app.anonymous().list_ids("tag=go").await, [article.id]);
    assert_eq!(app.anonymous().list_ids("tag=golang").await, [0; 0]);
    assert_ne!(app.anonymous().get(&path).await.tag(), before.tag());
    // The article itself was not edited.
    assert_eq!(ann.get(&article.path()).await.json(), article.json);
    assert_eq!(root.log().await, ["tag.rename golang -> Go"]);
}

#[actix_web::test]
async fn a_tag_is_merged_with_another_one_on_request_only() {
    let app = TestApp::start().await;
    let (ann, root) = (app.sign_up("ann").await, app.sign_up_admin("root").await);
    let first = ann.create(&tagged(&["golang", "web", "go"], true)).await;
    let second = ann.create(&tagged(&["web", "golang"], true)).await;
    let path = format!("/tags/{}", id_of(&app, "golang").await);
    let refused = root.patch(&path, &json!({ "name": "GO" })).await;
    refused.expect_error(StatusCode::CONFLICT, "Another tag has this name");
    assert_eq!(listed(&ann).await, entries(&[("go", 1), ("golang", 2), ("web", 2)]));
    let merged = root.patch(&path, &json!({ "name": "GO", "merge": true })).await.expect(StatusCode::OK);
    assert_eq!((&merged["name"], &merged["articles"]), (&json!("go"), &json!(2)));
    assert_eq!(listed(&ann).await, entries(&[("go", 2), ("web", 2)]));
    assert_eq!(tags_of(&ann, &first).await, json!(["web", "go"]));
    assert_eq!(tags_of(&ann, &second).await, json!(["web", "go"]));
    root.patch(&path, &json!({ "name": "x" })).await.expect_error(StatusCode::NOT_FOUND, "Tag not found");
    assert_eq!(root.log().await, ["tag.merge golang -> GO"]);
}

#[actix_web::test]
async fn a_rename_to_the_same_name_changes_nothing_and_another_spelling_is_a_rename() {
    let app = TestApp::start().await;
    let (ann, root) = (app.sign_up("ann").await, app.sign_up_admin("root").await);
    ann.create(&tagged(&["rust"], true)).await;
    root.patch("/tags/1", &json!({ "name": "rust" })).await.expect(StatusCode::OK);
    assert_eq!(root.log().await, [""; 0]);
    root.patch("/tags/1", &json!({ "name": "Rust", "merge": true })).await.expect(StatusCode::OK);
    assert_eq!(listed(&ann).await, entries(&[("Rust", 1)]));
    for (body, error, location) in [
        (json!({}), "missing", json!(["body", "name"])),
        (json!({ "name": "" }), "string_too_short", json!(["body", "name"])),
        (json!({ "name": "a\u{0}" }), "string_pattern_mismatch", json!(["body", "name"])),
        (json!({ "name": "a", "merge": 3 }), "bool_parsing", json!(["body", "merge"])),
    ] {
        root.patch("/tags/1", &body).await.expect_invalid([(error, location)]);
    }
    for path in ["/tags/2", "/tags/0", "/tags/99999999999"] {
        root.patch(path, &json!({ "name": "a" })).await.expect_error(StatusCode::NOT_FOUND, "Tag not found");
    }
}

#[actix_web::test]
async fn many_articles_with_the_same_new_tags_at_the_same_time_all_get_them() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let bodies = [tagged(&["x", "y", "z"], true), tagged(&["z", "y", "x"], true), tagged(&["y", "w"], false)];
    let articles = join_all((0..12).map(|number| ann.create(&bodies[number % 3]))).await;
    assert_eq!(articles.len(), 12);
    assert_eq!(listed(&ann).await, entries(&[("w", 4), ("x", 8), ("y", 12), ("z", 8)]));
}

#[actix_web::test]
async fn tags_without_articles_are_deleted_and_others_stay() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&tagged(&["a", "b"], true)).await;
    let draft = ann.create(&tagged(&["b", "c"], false)).await;
    ann.edit(&article, &json!({ "tags": ["d"] })).await;
    ann.delete(&draft.path()).await;
    app.delete_orphaned_tags().await;
    assert_eq!(app.number("SELECT CAST(count(*) AS bigint) FROM tags").await, 1);
    assert_eq!(tags_of(&ann, &article).await, json!(["d"]));
    // While articles get the same tags, none of their writes fails.
    for _ in 0..5 {
        let body = tagged(&["p", "q"], true);
        let write = async {
            let article = ann.create(&body).await;
            ann.edit(&article, &json!({ "tags": [] })).await;
        };
        let others = async {
            app.delete_orphaned_tags().await;
            app.delete_orphaned_tags().await;
        };
        futures_util::future::join3(write, others, ann.create(&body)).await;
    }
}
