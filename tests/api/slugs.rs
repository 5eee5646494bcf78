//! Slugs: how they are derived and chosen, and how articles are read by them.

use actix_web::http::{Method, StatusCode};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Article, Client, Published, Response, TestApp, article_body};

fn by_slug(slug: &str) -> String {
    format!("/articles/by-slug/{slug}")
}

fn body(title: &str, published: bool) -> Value {
    json!({ "title": title, "content": "0123456789", "published": published })
}

fn with_slug(slug: &str, published: bool) -> Value {
    json!({ "title": "Any", "content": "0123456789", "published": published, "slug": slug })
}

/// The slug that a response shows.
fn slug(article: &Article) -> &str {
    article.json["slug"].as_str().unwrap()
}

/// Checks that a slug leads to another one, and returns the response there.
async fn follow(client: &Client, from: &str, to: &str) -> Response {
    let response = client.get(&by_slug(from)).await;
    assert_eq!(response.status, StatusCode::PERMANENT_REDIRECT, "{}", response.text());
    assert_eq!(response.header("cache-control"), Some("no-cache"));
    let target = response.resolve(response.header("location").unwrap());
    assert_eq!(target, by_slug(to));
    client.get(&target).await
}

async fn expect_missing(client: &Client, slug: &str) {
    client.get(&by_slug(slug)).await.expect_error(StatusCode::NOT_FOUND, "Article not found");
}

#[actix_web::test]
async fn published_articles_with_the_same_title_get_numbers() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    for number in 1..=12 {
        let author = if number % 2 == 0 { &ann } else { &bob };
        let expected = if number == 1 { "weekly-news".to_owned() } else { format!("weekly-news-{number}") };
        let article = author.create(&article_body("Weekly news")).await;
        assert_eq!(slug(&article), expected);
        assert_eq!(app.anonymous().get(&by_slug(&expected)).await.json(), article.json);
    }
}

#[actix_web::test]
async fn a_number_that_became_free_is_given_again() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let mut articles = Vec::new();
    for _ in 0..5 {
        articles.push(ann.create(&article_body("News")).await);
    }
    ann.delete(&articles[4].path()).await;
    assert_eq!(slug(&ann.create(&article_body("News")).await), "news-5");
    ann.delete(&articles[0].path()).await;
    assert_eq!(slug(&ann.create(&article_body("News")).await), "news");
}

#[actix_web::test]
async fn many_publications_of_one_title_at_the_same_time_all_succeed_with_different_slugs() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let mut drafts = Vec::new();
    for _ in 0..10 {
        drafts.push(ann.create(&body("News", false)).await);
    }
    let publish = json!({ "published": true });
    let published = join_all(drafts.iter().map(|draft| ann.edit(draft, &publish)));
    let body = article_body("News");
    let created = join_all((0..10).map(|_| ann.create(&body)));
    let (published, created) = futures_util::future::join(published, created).await;
    let mut slugs: Vec<&str> = published.iter().chain(&created).map(slug).collect();
    slugs.sort_unstable();
    slugs.dedup();
    assert_eq!(slugs.len(), 20, "{slugs:?}");
    assert!(slugs.iter().all(|slug| slug.starts_with("news")), "{slugs:?}");
}

#[actix_web::test]
async fn of_many_that_choose_the_same_slug_at_the_same_time_one_succeeds() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let body = with_slug("mine", true);
    let responses = join_all((0..8).map(|_| ann.post("/articles/", &body))).await;
    let created = responses.iter().filter(|response| response.status == StatusCode::CREATED).count();
    assert_eq!(created, 1);
    for response in responses.iter().filter(|response| response.status != StatusCode::CREATED) {
        response.expect_error(StatusCode::CONFLICT, "The slug is taken");
    }
}

#[actix_web::test]
async fn the_slug_of_a_draft_is_provisional_and_gets_its_number_when_it_is_published() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let (first, second) = (ann.create(&body("News", false)).await, bob.create(&body("News", false)).await);
    // Nobody learns of the draft of somebody else.
    assert_eq!((slug(&first), slug(&second)), ("news", "news"));
    assert_eq!(slug(&bob.edit(&second, &json!({ "published": true })).await), "news");
    assert_eq!(slug(&ann.edit(&first, &json!({ "title": "News!" })).await), "news");
    assert_eq!(slug(&ann.edit(&first, &json!({ "published": true })).await), "news-2");
}

#[actix_web::test]
async fn a_derived_slug_follows_the_title_until_the_first_publication() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&body("First", false)).await;
    for (change, expected) in [
        (json!({ "title": "Second" }), "second"),
        (json!({ "content": "another content" }), "second"),
        (json!({ "title": "Third", "published": true }), "third"),
        (json!({ "title": "Fourth" }), "third"),
        (json!({ "published": false }), "third"),
        (json!({ "title": "Fifth" }), "third"),
        (json!({ "slug": null }), "fifth"),
        (json!({ "slug": "chosen" }), "chosen"),
        (json!({ "title": "Sixth", "published": true }), "chosen"),
    ] {
        assert_eq!(slug(&ann.edit(&article, &change).await), expected, "{change}");
    }
}

#[actix_web::test]
async fn a_slug_that_was_chosen_for_a_draft_stays() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&with_slug("chosen", false)).await;
    for change in [json!({ "title": "Other" }), json!({ "published": true }), json!({ "title": "Third" })] {
        assert_eq!(slug(&ann.edit(&article, &change).await), "chosen", "{change}");
    }
}

#[actix_web::test]
async fn a_slug_that_a_published_article_has_cannot_be_chosen() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    ann.create(&with_slug("taken", true)).await;
    let (draft, public) = (bob.write(Published::No).await, bob.write(Published::Yes).await);
    for published in [false, true] {
        let refused = bob.post("/articles/", &with_slug("taken", published)).await;
        refused.expect_error(StatusCode::CONFLICT, "The slug is taken");
    }
    for (article, change) in [
        (&draft, json!({ "slug": "taken" })),
        (&draft, json!({ "slug": "taken", "published": true })),
        (&public, json!({ "slug": "taken", "title": "Other" })),
    ] {
        let refused = bob.patch(&article.path(), &change).await;
        refused.expect_error(StatusCode::CONFLICT, "The slug is taken");
        assert_eq!(bob.get(&article.path()).await.json(), article.json);
    }
    // The article's own slug is no conflict.
    let edited = bob.edit(&public, &json!({ "slug": slug(&public), "title": "Other" })).await;
    assert_eq!(slug(&edited), slug(&public));
}

#[actix_web::test]
async fn a_client_that_chose_no_slug_in_a_request_never_gets_a_conflict() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let draft = bob.create(&with_slug("wanted", false)).await;
    let withdrawn = bob.create(&article_body("News")).await;
    bob.edit(&withdrawn, &json!({ "published": false })).await;
    ann.create(&with_slug("wanted", true)).await;
    ann.create(&article_body("News")).await;
    assert_eq!(slug(&bob.edit(&draft, &json!({ "published": true })).await), "wanted-2");
    assert_eq!(slug(&bob.edit(&withdrawn, &json!({ "published": true })).await), "news-2");
}

#[actix_web::test]
async fn a_malformed_slug_is_refused_with_the_pattern() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::No).await;
    for (wrong, error) in [
        (json!(""), "string_too_short"),
        (json!("a".repeat(81)), "string_too_long"),
        (json!("Hello"), "string_pattern_mismatch"),
        (json!("a b"), "string_pattern_mismatch"),
        (json!("a/b"), "string_pattern_mismatch"),
        (json!("-a"), "string_pattern_mismatch"),
        (json!("\u{e4}"), "string_pattern_mismatch"),
        (json!("a\u{0}"), "string_pattern_mismatch"),
        (json!("2024"), "value_error"),
        (json!("article-1"), "value_error"),
        (json!(1), "string_type"),
    ] {
        let body = json!({ "title": "t", "content": "0123456789", "slug": wrong });
        for response in [ann.post("/articles/", &body).await, ann.patch(&article.path(), &body).await] {
            response.expect_invalid([(error, json!(["body", "slug"]))]);
            if error == "string_pattern_mismatch" {
                assert_eq!(response.json()["detail"][0]["ctx"]["pattern"], "^[a-z0-9]+(-[a-z0-9]+)*$");
            }
        }
    }
}

#[actix_web::test]
async fn an_article_reads_by_its_slug_as_by_its_id() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&article_body("Notes")).await;
    for client in [app.anonymous(), ann] {
        for query in ["", "?expand=author"] {
            let by_id = client.get(&format!("{}{query}", article.path())).await;
            // The second response may come from the cache.
            for _ in 0..2 {
                let shown = client.get(&format!("{}{query}", by_slug("notes"))).await;
                assert_eq!(shown.expect(StatusCode::OK), by_id.json());
                for header in ["etag", "cache-control", "vary"] {
                    assert_eq!(shown.header(header), by_id.header(header), "{header}");
                }
            }
            let path = format!("{}{query}", by_slug("notes"));
            let again = client.request(Method::GET, &path).if_none_match(&by_id.tag()).send().await;
            assert_eq!(again.status, StatusCode::NOT_MODIFIED);
        }
    }
}

#[actix_web::test]
async fn drafts_read_by_their_slug_follow_the_rule_of_visibility() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let root = app.sign_up_admin("root").await;
    let older = ann.create(&body("Notes", false)).await;
    let newer = ann.create(&body("Notes", false)).await;
    for client in [&app.anonymous(), &bob] {
        expect_missing(client, "notes").await;
    }
    for client in [&ann, &root] {
        assert_eq!(client.get(&by_slug("notes")).await.expect(StatusCode::OK), newer.json);
    }
    let of_bob = bob.create(&body("Notes", false)).await;
    assert_eq!(ann.get(&by_slug("notes")).await.expect(StatusCode::OK), newer.json);
    assert_eq!(root.get(&by_slug("notes")).await.expect(StatusCode::OK), of_bob.json);
    // What is published comes first.
    let published = ann.edit(&older, &json!({ "published": true })).await;
    for client in [&app.anonymous(), &ann, &bob, &root] {
        assert_eq!(client.get(&by_slug("notes")).await.expect(StatusCode::OK), published.json);
    }
}

#[actix_web::test]
async fn an_article_without_a_slug_is_found_by_its_id() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&article_body("Notes")).await;
    app.sql("UPDATE articles SET slug = NULL").await;
    let shown = app.anonymous().get(&by_slug("article-1")).await.expect(StatusCode::OK);
    assert_eq!(shown["slug"], "article-1");
    app.sql("UPDATE articles SET published = FALSE").await;
    expect_missing(&app.anonymous(), "article-1").await;
    ann.get(&by_slug("article-1")).await.expect(StatusCode::OK);
    app.sql("UPDATE articles SET published = TRUE").await;
    // Once it has one, the old one leads there.
    assert_eq!(slug(&ann.edit(&article, &json!({ "title": "Other notes" })).await), "other-notes");
    assert_eq!(follow(&app.anonymous(), "article-1", "other-notes").await.expect(StatusCode::OK)["id"], 1);
}

#[actix_web::test]
async fn an_old_slug_leads_to_the_new_one_until_another_article_takes_it() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let article = ann.create(&with_slug("first", true)).await;
    ann.edit(&article, &json!({ "slug": "second" })).await;
    let third = ann.edit(&article, &json!({ "slug": "third" })).await;
    for old in ["first", "second"] {
        assert_eq!(follow(&app.anonymous(), old, "third").await.expect(StatusCode::OK), third.json);
    }
    let expanded = app.anonymous().get(&format!("{}?expand=author", by_slug("first"))).await;
    assert!(expanded.header("location").unwrap().ends_with("third?expand=author"));
    // A draft does not take it, and the published article does.
    let other = bob.create(&with_slug("first", false)).await;
    follow(&app.anonymous(), "first", "third").await;
    assert_eq!(bob.get(&by_slug("first")).await.expect(StatusCode::OK), other.json);
    let taken = bob.edit(&other, &json!({ "published": true })).await;
    assert_eq!(app.anonymous().get(&by_slug("first")).await.expect(StatusCode::OK), taken.json);
    bob.delete(&other.path()).await;
    follow(&app.anonymous(), "first", "third").await;
    // The article itself takes it back.
    let back = ann.edit(&article, &json!({ "slug": "first" })).await;
    assert_eq!(app.anonymous().get(&by_slug("first")).await.expect(StatusCode::OK), back.json);
    follow(&app.anonymous(), "third", "first").await;
}

#[actix_web::test]
async fn old_slugs_of_drafts_lead_nowhere() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let draft = ann.create(&with_slug("first", false)).await;
    ann.edit(&draft, &json!({ "slug": "second" })).await;
    expect_missing(&ann, "first").await;
    let article = ann.create(&with_slug("third", true)).await;
    ann.edit(&article, &json!({ "slug": "fourth" })).await;
    ann.edit(&article, &json!({ "published": false })).await;
    for client in [&app.anonymous(), &ann] {
        expect_missing(client, "third").await;
    }
    ann.edit(&article, &json!({ "published": true })).await;
    follow(&app.anonymous(), "third", "fourth").await;
    ann.delete(&article.path()).await;
    expect_missing(&app.anonymous(), "third").await;
}

#[actix_web::test]
async fn an_article_has_a_bounded_number_of_old_slugs() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&with_slug("s-0", true)).await;
    for number in 1..=60 {
        ann.edit(&article, &json!({ "slug": format!("s-{number}") })).await;
    }
    assert_eq!(app.number("SELECT CAST(count(*) AS bigint) FROM slug_redirects").await, 50);
    expect_missing(&app.anonymous(), "s-9").await;
    follow(&app.anonymous(), "s-10", "s-60").await;
}

#[actix_web::test]
async fn what_cannot_be_a_slug_is_not_found() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    ann.create(&article_body("Notes")).await;
    for wrong in
        ["Notes", "notes-", "%00", "notes%00", "%C3%A4", "a".repeat(81).as_str(), "article-99999999999", "1"]
    {
        expect_missing(&ann, wrong).await;
    }
}

#[actix_web::test]
async fn the_articles_of_a_suspended_author_keep_their_slugs() {
    let app = TestApp::start().await;
    let (root, ann, bob) =
        (app.sign_up_admin("root").await, app.sign_up("ann").await, app.sign_up("bob").await);
    let article = ann.create(&article_body("Notes")).await;
    root.suspend(ann.id, "hide").await.expect(StatusCode::OK);
    expect_missing(&app.anonymous(), "notes").await;
    assert_eq!(slug(&bob.create(&article_body("Notes")).await), "notes-2");
    root.post(&format!("/admin/users/{}/reinstate", ann.id), &json!({})).await.expect(StatusCode::OK);
    assert_eq!(app.anonymous().get(&by_slug("notes")).await.expect(StatusCode::OK)["id"], article.id);
}

#[actix_web::test]
async fn lists_by_time_of_publication_show_what_was_published_in_pages() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let mut articles = Vec::new();
    for number in 0..6 {
        articles.push(ann.create(&body(&format!("a {number}"), false)).await);
    }
    // Published in another order than they were created.
    for index in [3, 0, 4, 1] {
        ann.edit(&articles[index], &json!({ "published": true })).await;
    }
    ann.edit(&articles[4], &json!({ "published": false })).await;
    let ids = |order: &[usize]| order.iter().map(|index| articles[*index].id).collect::<Vec<_>>();
    for (client, order) in
        [(&app.anonymous(), ids(&[1, 0, 3])), (&ann, ids(&[1, 4, 0, 3])), (&bob, ids(&[1, 0, 3]))]
    {
        let reversed: Vec<_> = order.iter().rev().copied().collect();
        for (sort, order) in [("-published_at", order), ("published_at", reversed)] {
            assert_eq!(client.list_ids(&format!("sort={sort}")).await, order, "{sort}");
            let mut page = client.list(&format!("sort={sort}&limit=1")).await;
            let mut seen = page.ids();
            while let Some(next) = page.linked("next") {
                page = client.get(&next).await;
                seen.extend(page.ids());
            }
            assert_eq!(seen, order, "{sort}");
            let count = client.list(&format!("sort={sort}&count=exact")).await;
            assert_eq!(count.header("x-total-count"), Some(order.len().to_string().as_str()));
        }
    }
}
