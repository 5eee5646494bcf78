//! Entity tags and `If-None-Match`: one tag for one state, in every database, and a state that the client has
//! is not sent again.

use std::collections::BTreeSet;

use actix_web::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Client, Published, Response, TestApp, article_body};

async fn get_unless(client: &Client, path: &str, tag: &str) -> Response {
    client.request(Method::GET, path).if_none_match(tag).send().await
}

/// The version in the tag of an article: `"1v3s…"`.
fn version(tag: &str) -> u32 {
    tag.split(['v', 's']).nth(1).unwrap().parse().unwrap()
}

#[actix_web::test]
async fn one_state_has_one_tag_whoever_asks() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&article_body("t")).await;
    let path = article.path();
    for response in [
        ann.get(&path).await,
        ann.head(&path).await,
        app.anonymous().get(&path).await,
        ann.patch(&path, &json!({})).await,
        ann.patch(&path, &json!({ "title": "t" })).await,
    ] {
        assert_eq!((response.status, response.tag()), (StatusCode::OK, article.tag.clone()));
    }
}

#[actix_web::test]
async fn an_edit_gives_an_article_a_tag_that_it_never_had() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let first = ann.create(&article_body("t")).await;
    let second = ann.edit(&first, &json!({ "title": "u" })).await;
    assert_ne!(second.tag, first.tag);
    assert_eq!(app.anonymous().get(&first.path()).await.tag(), second.tag);

    let same_text_as_first = ann.edit(&first, &json!({ "title": "t" })).await;

    assert!(![first.tag, second.tag].contains(&same_text_as_first.tag));
}

/// Articles and lists, with what they may be shown with.
const READS: [&str; 5] = [
    "/articles/1",
    "/articles/1?expand=author",
    "/articles/",
    "/articles/?limit=1&count=exact",
    "/articles/?limit=1&expand=author",
];

/// Reads every path of [`READS`] from the database and from the cache, anonymously and with a token.
async fn for_every_read(check: impl AsyncFn(&Client, &str, &Response)) {
    for cache_bytes in ["0", "1000000"] {
        let app = TestApp::with(&[("CACHE_BYTES", cache_bytes)]).await;
        let ann = app.sign_up("ann").await;
        ann.write(Published::Yes).await;
        ann.write(Published::Yes).await;
        for path in READS {
            for client in [&app.anonymous(), &ann] {
                // The first reads fill the cache.
                for _ in 0..3 {
                    let full = client.get(path).await;
                    full.expect(StatusCode::OK);
                    check(client, path, &full).await;
                }
            }
        }
    }
}

#[actix_web::test]
async fn a_state_that_the_client_has_is_304_without_a_body() {
    for_every_read(async |client, path, full| {
        let tag = full.tag();
        let bare = tag.trim_matches('"');
        for known in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"{bare}-gzip\""),
            format!("W/\"{bare};br\""),
            format!("\"v999\", {tag}"),
            format!("\"x\",W/\"y\" ,  W/{tag}"),
        ] {
            for method in [Method::GET, Method::HEAD] {
                let response = client.request(method, path).if_none_match(&known).send().await;
                assert_eq!(response.status, StatusCode::NOT_MODIFIED, "{path}: {known}");
                assert!(response.body.is_empty());
                assert_eq!(response.header("content-type"), None);
                for name in ["etag", "cache-control", "vary"] {
                    assert_eq!(response.header(name), full.header(name), "{path}: {name}");
                }
            }
        }
    })
    .await;
}

#[actix_web::test]
async fn a_state_that_the_client_does_not_have_is_sent() {
    for_every_read(async |client, path, full| {
        let tag = full.tag();
        for other in [
            "\"v1\"",
            "\"v2\"",
            "\"1v1\"",
            "\"1v1s0\"",
            "",
            "\"\"",
            "*",
            "W/",
            &tag[..tag.len() - 2],
            "\"é\"",
        ] {
            let response = get_unless(client, path, other).await;
            assert_eq!(response.expect(StatusCode::OK), full.json(), "{path}: {other}");
        }
    })
    .await;
}

#[actix_web::test]
async fn a_tag_does_not_reveal_a_withdrawn_article() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let public = ann.write(Published::Yes).await;
    let withdrawn = ann.edit(&public, &json!({ "published": false })).await;
    for tag in [&public.tag, &withdrawn.tag] {
        for client in [&app.anonymous(), &bob] {
            assert_eq!(get_unless(client, &public.path(), tag).await.status, StatusCode::NOT_FOUND);
        }
    }
    assert_eq!(get_unless(&ann, &public.path(), &withdrawn.tag).await.status, StatusCode::NOT_MODIFIED);
    assert_eq!(get_unless(&ann, &public.path(), &public.tag).await.status, StatusCode::OK);
}

#[actix_web::test]
async fn a_tag_does_not_replace_a_valid_token() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let bad_token = app.anonymous().with_token("garbage");
    for article in [ann.write(Published::Yes).await, ann.write(Published::No).await] {
        let response = get_unless(&bad_token, &article.path(), &article.tag).await;
        assert_eq!(response.status, StatusCode::UNAUTHORIZED);
    }
}

#[actix_web::test]
async fn a_deleted_article_is_404_whatever_the_client_has() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::No).await;
    ann.delete(&article.path()).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(get_unless(&ann, &article.path(), &article.tag).await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn whatever_changes_a_page_changes_its_tag() {
    const PAGE: &str = "/articles/?limit=3&sort=created_at";
    let app = TestApp::start().await;
    let (ann, reader) = (app.sign_up("ann").await, app.anonymous());
    let mut articles = Vec::new();
    for _ in 0..5 {
        articles.push(ann.write(Published::Yes).await);
    }
    let mut tags = vec![reader.get(PAGE).await.tag()];
    let mut expect_new_tag = async |change: &str| {
        let response = get_unless(&reader, PAGE, tags.last().unwrap()).await;
        response.expect(StatusCode::OK);
        let tag = response.tag();
        assert!(!tags.contains(&tag), "{change}");
        assert_eq!(get_unless(&reader, PAGE, &tag).await.status, StatusCode::NOT_MODIFIED, "{change}");
        tags.push(tag);
    };

    ann.edit(&articles[1], &json!({ "title": "another" })).await;
    expect_new_tag("an edit").await;
    ann.edit(&articles[2], &json!({ "published": false })).await;
    expect_new_tag("a withdrawal").await;
    ann.delete(&articles[0].path()).await.expect(StatusCode::NO_CONTENT);
    expect_new_tag("a deletion").await;
    ann.edit(&articles[2], &json!({ "published": true })).await;
    expect_new_tag("a publication").await;
    // Of the four articles left, the page shows three; without the fourth there is no link to a next page.
    ann.delete(&articles[4].path()).await.expect(StatusCode::NO_CONTENT);
    expect_new_tag("a deletion after the page, which ends the list").await;
}

#[actix_web::test]
async fn another_total_changes_the_tag_of_a_page_that_shows_it() {
    const PAGE: &str = "/articles/?limit=3&sort=created_at&count=exact";
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for _ in 0..3 {
        ann.write(Published::Yes).await;
    }
    let before = app.anonymous().get(PAGE).await.tag();
    for _ in 0..2 {
        ann.write(Published::Yes).await;
    }
    let after = get_unless(&app.anonymous(), PAGE, &before).await;
    assert_eq!(after.header("x-total-count"), Some("5"));
}

/// Statements after which an article is another version, although Byline did not make the change.
const EDITS_BY_HAND: [&str; 6] = [
    "title = 'by hand'",
    "content = 'words put there by hand'",
    "published = FALSE",
    "created_at = '2024-01-01T00:00:00Z'",
    "updated_at = '2024-01-02T00:00:00Z'",
    "title = 'with an old version number', version = 1",
];

#[actix_web::test]
async fn a_change_by_hand_changes_every_tag() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let path = ann.write(Published::Yes).await.path();
    for change in EDITS_BY_HAND {
        let mut before = Vec::new();
        for path in [&path, "/articles/", "/articles/?count=exact&expand=author"] {
            before.push((path, ann.get(path).await.tag()));
        }
        app.sql(&format!("UPDATE articles SET {change}")).await;
        for (path, tag) in before {
            let response = get_unless(&ann, path, &tag).await;
            assert_eq!(response.status, StatusCode::OK, "{change}: {path}");
            assert_ne!(response.tag(), tag, "{change}: {path}");
        }
    }
}

#[actix_web::test]
async fn a_statement_that_changes_no_value_changes_no_tag() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let path = ann.write(Published::Yes).await.path();
    for change in EDITS_BY_HAND {
        app.sql(&format!("UPDATE articles SET {change}")).await;
        for path in [&path, "/articles/", "/articles/?count=exact&expand=author"] {
            let tag = ann.get(path).await.tag();
            app.sql("UPDATE articles SET title = title, published = published, updated_at = updated_at")
                .await;
            assert_eq!(get_unless(&ann, path, &tag).await.status, StatusCode::NOT_MODIFIED, "{path}");
        }
    }
}

#[actix_web::test]
async fn an_edit_advances_the_version_by_one() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    app.sql("UPDATE articles SET title = 'with an old version number', version = 1").await;
    let before = ann.get(&article.path()).await.tag();
    let edited = ann.edit(&article, &json!({ "title": "her own" })).await;
    assert_eq!(version(&edited.tag), version(&before) + 1);
    assert_eq!(ann.get(&article.path()).await.tag(), edited.tag);
}

#[actix_web::test]
async fn a_new_author_name_changes_the_tags_of_responses_that_show_it() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    ann.write(Published::Yes).await;
    for (path, pointer) in [
        ("/articles/1?expand=author", "/author/username"),
        ("/articles/?expand=author", "/0/author/username"),
    ] {
        app.sql("UPDATE users SET username = 'ann'").await;
        let before = ann.get(path).await.tag();
        app.sql("UPDATE users SET username = 'eve'").await;
        let response = get_unless(&ann, path, &before).await;
        let shown = response.expect(StatusCode::OK);
        assert_eq!(shown.pointer(pointer), Some(&Value::from("eve")), "{path}");
        assert_ne!(response.tag(), before, "{path}");
    }
}

#[actix_web::test]
async fn a_new_author_name_leaves_the_tags_of_responses_without_it() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    ann.write(Published::Yes).await;
    for path in ["/articles/1", "/articles/"] {
        let before = ann.get(path).await.tag();
        app.sql(&format!("UPDATE users SET username = 'eve {path}'")).await;
        assert_eq!(get_unless(&ann, path, &before).await.status, StatusCode::NOT_MODIFIED, "{path}");
    }
}

#[actix_web::test]
async fn the_name_of_an_author_who_is_not_shown_leaves_all_tags() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    ann.write(Published::Yes).await;
    for path in ["/articles/1", "/articles/", "/articles/1?expand=author", "/articles/?expand=author"] {
        let before = ann.get(path).await.tag();
        app.sql(&format!("UPDATE users SET username = 'bob {path}' WHERE id = {}", bob.id)).await;
        assert_eq!(get_unless(&ann, path, &before).await.status, StatusCode::NOT_MODIFIED, "{path}");
    }
}

/// Reads every path of [`READS`], and returns its tags.
async fn tags(client: &Client) -> Vec<String> {
    let mut tags = Vec::new();
    for path in READS {
        let response = client.get(path).await;
        response.expect(StatusCode::OK);
        tags.push(response.tag());
    }
    tags
}

#[actix_web::test]
async fn the_tags_of_one_database_match_in_no_other() {
    let (production, staging) = (TestApp::start().await, TestApp::start().await);
    let mut all = Vec::new();
    for app in [&production, &staging] {
        let ann = app.sign_up("ann").await;
        let first = ann.write(Published::Yes).await;
        ann.write(Published::Yes).await;
        ann.edit(&first, &json!({ "title": "edited once" })).await;
        all.push(tags(&app.anonymous()).await);
    }
    for ((path, one), other) in READS.into_iter().zip(&all[0]).zip(&all[1]) {
        assert_ne!(one, other, "{path}");
        assert_eq!(get_unless(&staging.anonymous(), path, one).await.status, StatusCode::OK, "{path}");
        assert_eq!(get_unless(&production.anonymous(), path, other).await.status, StatusCode::OK, "{path}");
    }
}

#[actix_web::test]
async fn a_restored_backup_has_its_tags_again_and_repeats_no_later_one() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    ann.write(Published::Yes).await;
    app.sql("CREATE TABLE backup AS SELECT * FROM articles").await;
    let saved = tags(&ann).await;
    let mut lost: Vec<Vec<String>> = Vec::new();
    for change in ["by hand", "through the API"] {
        if change == "by hand" {
            app.sql("UPDATE articles SET title = 'by hand', updated_at = '2024-01-02T00:00:00Z'").await;
        } else {
            ann.edit(&article, &json!({ "title": change })).await;
        }
        let now = tags(&ann).await;
        // The versions are the same as in the branch of the history that was lost.
        for lost in &lost {
            assert_eq!(version(&now[0]), version(&lost[0]));
            assert!(now.iter().zip(lost).all(|(now, lost)| now != lost), "{now:?} {lost:?}");
        }
        lost.push(now);
        app.sql("DELETE FROM articles").await;
        app.sql("INSERT INTO articles SELECT * FROM backup").await;
        assert_eq!(tags(&ann).await, saved, "{change}");
    }
}

#[actix_web::test]
async fn a_row_that_is_inserted_again_under_its_old_id_has_another_tag() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let path = ann.write(Published::Yes).await.path();
    let before = ann.get(&path).await.tag();
    app.sql("CREATE TABLE copy AS SELECT * FROM articles").await;
    app.sql("DELETE FROM articles").await;
    app.sql(
        "INSERT INTO articles (id, title, content, published, author_id, created_at, updated_at) \
         SELECT id, 'another', content, published, author_id, created_at, updated_at FROM copy",
    )
    .await;
    assert_eq!(get_unless(&ann, &path, &before).await.status, StatusCode::OK);
}

/// The members of responses with tags, by representation number.
const REPRESENTATIONS: [(&str, &[&str]); 2] = [
    (
        "1",
        &[
            "author",
            "author.bio",
            "author.display_name",
            "author.id",
            "author.image",
            "author.username",
            "author_id",
            "content",
            "created_at",
            "id",
            "published",
            "title",
            "updated_at",
        ],
    ),
    (
        "2",
        &[
            "author",
            "author.bio",
            "author.display_name",
            "author.id",
            "author.image",
            "author.username",
            "author_id",
            "content",
            "created_at",
            "format",
            "id",
            "published",
            "published_at",
            "scheduled_at",
            "slug",
            "tags",
            "title",
            "updated_at",
        ],
    ),
];

/// If this fails because a member was added: increase `REPRESENTATION` in `src/http/conditional.rs`, and add
/// the new list here. Otherwise clients are told that their old responses are current.
#[actix_web::test]
async fn every_tag_starts_with_the_number_of_the_members_that_are_shown() {
    let app = TestApp::start().await;
    app.sign_up("ann").await.write(Published::Yes).await;
    let full = app.anonymous().get("/articles/1?expand=author,tags").await.json();
    let mut members: BTreeSet<String> = full.as_object().unwrap().keys().cloned().collect();
    members.extend(full["author"].as_object().unwrap().keys().map(|name| format!("author.{name}")));
    let (number, known) = REPRESENTATIONS[REPRESENTATIONS.len() - 1];
    assert_eq!(members, known.iter().map(|name| (*name).to_owned()).collect());
    for tag in tags(&app.anonymous()).await {
        let rest = tag.strip_prefix('"').unwrap().strip_prefix(number).unwrap();
        assert!(rest.starts_with(['v', 'p']), "{tag}");
    }
}
