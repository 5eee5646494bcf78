//! Feeds, the sitemap and `robots.txt`.

use actix_web::http::{Method, StatusCode};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{Client, Published, Response, TestApp, now};

const FEEDS: [(&str, &str); 3] = [
    ("/feeds/atom.xml", "application/atom+xml; charset=utf-8"),
    ("/feeds/rss.xml", "application/rss+xml; charset=utf-8"),
    ("/feeds/feed.json", "application/feed+json; charset=utf-8"),
];

/// A server with a site.
async fn start() -> TestApp {
    TestApp::with(&[("PUBLIC_URL", "https://blog.example"), ("ROOT_PATH", "/api"), ("APP_NAME", "A & B")])
        .await
}

fn titled(title: &str) -> Value {
    json!({ "title": title, "content": "Some *content* [a](/b).", "published": true })
}

async fn items(app: &TestApp, query: &str) -> Vec<Value> {
    let feed = app.anonymous().get(&format!("/feeds/feed.json{query}")).await;
    serde_json::from_str::<Value>(feed.text()).unwrap()["items"].as_array().unwrap().clone()
}

async fn titles(app: &TestApp, query: &str) -> Vec<String> {
    items(app, query).await.iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect()
}

async fn revalidate(client: &Client, path: &str, tag: &str) -> Response {
    client.request(Method::GET, path).if_none_match(tag).send().await
}

#[actix_web::test]
async fn a_feed_has_the_twenty_articles_that_were_published_last() {
    let app = start().await;
    let ann = app.sign_up("ann").await;
    let draft = ann.write(Published::No).await;
    for number in 0..25 {
        ann.create(&titled(&number.to_string())).await;
        app.advance(TimeDelta::seconds(1));
    }
    let expected: Vec<String> = (5..25).rev().map(|number| number.to_string()).collect();
    assert_eq!(titles(&app, "").await, expected);
    ann.edit(&draft, &json!({ "published": true, "title": "late" })).await;
    assert_eq!(titles(&app, "").await[..2], ["late", "24"]);
    for (path, _) in FEEDS {
        let feed = app.anonymous().get(path).await;
        let places = ["late", ">24<", ">6<"].map(|title| feed.text().find(title));
        assert!(path.ends_with("json") || places.is_sorted(), "{path}: {places:?}");
    }
}

#[actix_web::test]
async fn an_item_has_stable_ids_absolute_links_and_the_content_as_html() {
    let app = start().await;
    let ann = app.sign_up("ann").await;
    ann.patch("/users/me", &json!({ "display_name": "Ann & Co" })).await;
    let article = ann.create(&titled("A <title>")).await;
    let item = items(&app, "").await.remove(0);
    let (day, id) = (now().format("%Y-%m-%d"), article.id);
    let expected = json!({
        "id": format!("tag:blog.example,{day}:articles/{id}"),
        "url": "https://blog.example/posts/a-title",
        "title": "A <title>",
        "content_html": "<p>Some <em>content</em> <a href=\"https://blog.example/b\" rel=\"noopener\">a</a>.</p>\n",
        "summary": "Some content a.",
        "date_published": article.json["published_at"],
        "date_modified": article.json["updated_at"],
        "authors": [{ "name": "Ann & Co" }],
        "tags": [],
    });
    assert_eq!(item, expected);
    for (path, part) in [
        ("/feeds/atom.xml", "<title>A &lt;title&gt;</title>"),
        ("/feeds/atom.xml", "<link href=\"https://blog.example/api/feeds/atom.xml\" rel=\"self\""),
        ("/feeds/rss.xml", "<atom:link href=\"https://blog.example/api/feeds/rss.xml\""),
        ("/feeds/rss.xml", "<link>https://blog.example/posts/a-title</link>"),
    ] {
        let feed = app.anonymous().get(path).await;
        assert!(feed.text().contains(part), "{part} in {}", feed.text());
    }
    ann.edit(&article, &json!({ "title": "Other", "slug": "other" })).await;
    let edited = items(&app, "").await.remove(0);
    assert_eq!((&edited["id"], &edited["url"]), (&item["id"], &json!("https://blog.example/posts/other")));
}

#[actix_web::test]
async fn a_feed_is_limited_to_an_author_and_to_tags() {
    let app = start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    for (author, title, tags) in
        [(&ann, "1", json!(["Rust", "web"])), (&ann, "2", json!(["rust"])), (&bob, "3", json!(["web"]))]
    {
        let mut body = titled(title);
        body["tags"] = tags;
        author.create(&body).await;
        app.advance(TimeDelta::seconds(1));
    }
    for (query, expected) in [
        ("", vec!["3", "2", "1"]),
        ("?author=ann", vec!["2", "1"]),
        ("?author=nobody", vec![]),
        ("?tag=RUST", vec!["2", "1"]),
        ("?tag=rust&tag=web", vec!["1"]),
        ("?tag=web&author=bob", vec!["3"]),
        ("?tag=none", vec![]),
    ] {
        assert_eq!(titles(&app, query).await, expected, "{query}");
        for (path, _) in FEEDS {
            assert_eq!(app.anonymous().get(&format!("{path}{query}")).await.status, StatusCode::OK);
        }
    }
    let limited = app.anonymous().get("/feeds/feed.json?author=ann&tag=web&tag=Rust").await;
    let limited: Value = serde_json::from_str(limited.text()).unwrap();
    assert_eq!(limited["title"], "A & B: ann, web, Rust");
    assert_eq!(limited["feed_url"], "https://blog.example/api/feeds/feed.json?author=ann&tag=web&tag=Rust");
    for query in ["?tag=", "?tag=a&tag=b&tag=c&tag=d&tag=e&tag=f"] {
        let response = app.anonymous().get(&format!("/feeds/atom.xml{query}")).await;
        assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
    }
}

#[actix_web::test]
async fn no_feed_and_no_sitemap_shows_a_draft_to_anyone() {
    let app = start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let mut secret = titled("Secret");
    secret["published"] = json!(false);
    ann.create(&secret).await;
    let withdrawn = ann.create(&titled("Secret withdrawn")).await;
    for (path, _) in FEEDS {
        assert!(app.anonymous().get(path).await.text().contains("Secret withdrawn"));
    }
    ann.edit(&withdrawn, &json!({ "published": false })).await;
    let paths = FEEDS.iter().map(|(path, _)| *path).chain(["/sitemap.xml", "/sitemap-1.xml"]);
    for path in paths {
        for client in [&app.anonymous(), &bob, &ann] {
            let response = client.get(path).await;
            assert_eq!(response.status, StatusCode::OK, "{path}");
            assert!(!response.text().to_lowercase().contains("secret"), "{}", response.text());
        }
    }
}

#[actix_web::test]
async fn a_feed_is_revalidated_until_something_that_it_shows_changes() {
    let app = start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&titled("One")).await;
    for (path, media_type) in FEEDS {
        let first = app.anonymous().get(path).await;
        assert_eq!(first.header("content-type"), Some(media_type));
        assert_eq!(first.header("cache-control"), Some("public, no-cache"));
        assert!(first.header("last-modified").unwrap().ends_with(" GMT"));
        assert_eq!(app.anonymous().get(path).await.tag(), first.tag());
        assert_eq!(revalidate(&app.anonymous(), path, &first.tag()).await.status, StatusCode::NOT_MODIFIED);
        let mut tag = first.tag();
        for change in ["title", "name", "deletion"] {
            match change {
                "title" => drop(ann.patch(&article.path(), &json!({ "title": path })).await),
                "name" => drop(ann.patch("/users/me", &json!({ "display_name": path })).await),
                _ => drop(ann.delete(&ann.create(&titled("Two")).await.path()).await),
            }
            let changed = revalidate(&app.anonymous(), path, &tag).await;
            let expected = if change == "deletion" { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
            assert_eq!(changed.status, expected, "{path}: {change}");
            tag = changed.tag();
        }
    }
}

#[actix_web::test]
async fn an_empty_feed_is_a_feed() {
    let app = start().await;
    assert_eq!(items(&app, "").await, Vec::<Value>::new());
    for (path, media_type) in FEEDS {
        let feed = app.anonymous().get(path).await;
        assert_eq!((feed.status, feed.header("content-type")), (StatusCode::OK, Some(media_type)));
    }
}

#[actix_web::test]
async fn a_large_content_is_replaced_by_its_excerpt() {
    let app = start().await;
    let ann = app.sign_up("ann").await;
    let large = format!("First *paragraph*.\n\n{}", "A paragraph.\n\n".repeat(20_000));
    ann.create(&json!({ "title": "Large", "content": large, "published": true })).await;
    let item = items(&app, "").await.remove(0);
    assert_eq!((&item["summary"], item.get("content_html")), (&json!("First paragraph."), None));
    assert_eq!(item["content_text"], item["summary"]);
}

#[actix_web::test]
async fn characters_that_xml_forbids_are_removed() {
    let app = start().await;
    let ann = app.sign_up("ann").await;
    ann.create(&json!({
        "title": "a\u{1}\u{b}\u{fffe}b ]]> &amp;", "content": "text \u{2} &#3; &#xFFFF; \u{1f600}", "published": true,
    }))
    .await;
    for (path, _) in FEEDS {
        let feed = app.anonymous().get(path).await;
        let forbidden = |character: &char| {
            (*character < ' ' && !"\t\n\r".contains(*character)) || "\u{fffe}\u{ffff}".contains(*character)
        };
        assert_eq!(feed.text().chars().find(forbidden), None, "{path}");
        assert!(feed.text().contains("ab ]]"), "{}", feed.text());
    }
}

#[actix_web::test]
async fn without_the_url_of_the_site_there_are_no_feeds() {
    let key = ("SECRET_KEY", "f3b1c7d92e8a4f60b5d81c3e7a9260f4");
    let app = TestApp::with(&[("APP_ENV", "production"), key, ("BCRYPT_COST", "10")]).await;
    let paths = FEEDS.iter().map(|(path, _)| *path).chain(["/sitemap.xml", "/sitemap-1.xml"]);
    for path in paths {
        app.anonymous().get(path).await.expect_error(StatusCode::NOT_FOUND, "PUBLIC_URL is not set");
    }
    let robots = app.anonymous().get("/robots.txt").await;
    assert_eq!((robots.status, robots.text()), (StatusCode::OK, "User-agent: *\nAllow: /\n"));
}

#[actix_web::test]
async fn the_sitemap_has_every_published_article_and_robots_are_told() {
    let app = start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&titled("One & two")).await;
    app.sql("UPDATE articles SET slug = NULL").await;
    ann.create(&titled("Two")).await;
    let updated = &article.json["updated_at"].as_str().unwrap()[..19];
    let sitemap = app.anonymous().get("/sitemap.xml").await;
    assert_eq!(sitemap.header("content-type"), Some("application/xml; charset=utf-8"));
    for part in [
        "<loc>https://blog.example/</loc>".to_owned(),
        format!("<loc>https://blog.example/posts/article-{}</loc><lastmod>{updated}Z</lastmod>", article.id),
        "<loc>https://blog.example/posts/two</loc>".to_owned(),
    ] {
        assert!(sitemap.text().contains(&part), "{part} in {}", sitemap.text());
    }
    assert_eq!(app.anonymous().get("/sitemap-1.xml").await.text(), sitemap.text());
    assert_eq!(
        revalidate(&app.anonymous(), "/sitemap.xml", &sitemap.tag()).await.status,
        StatusCode::NOT_MODIFIED
    );
    for number in ["0", "2", "-1", "99999999999"] {
        let missing = app.anonymous().get(&format!("/sitemap-{number}.xml")).await;
        missing.expect_error(StatusCode::NOT_FOUND, "Sitemap not found");
    }
    let robots = app.anonymous().get("/robots.txt").await;
    assert_eq!(robots.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(robots.text(), "User-agent: *\nAllow: /\n\nSitemap: https://blog.example/api/sitemap.xml\n");
}

#[cfg(feature = "long-tests")]
#[actix_web::test]
async fn a_sitemap_of_more_pages_than_fit_is_an_index_of_its_parts() {
    let app = start().await;
    app.sign_up("ann").await;
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)";
    app.sql(&format!(
        "INSERT INTO articles (title, content, published, author_id, created_at, updated_at, slug)
         {numbers} SELECT 't', '0123456789', TRUE, 1, '2026-01-01T00:00:00.000000+00:00', '2026-01-01T00:00:00.000000+00:00', 's' || i FROM n"
    ))
    .await;
    let index = app.anonymous().get("/sitemap.xml").await;
    assert!(index.text().contains("<sitemapindex "), "{:.300}", index.text());
    assert_eq!(index.text().matches("<sitemap>").count(), 2);
    let parts = [app.anonymous().get("/sitemap-1.xml").await, app.anonymous().get("/sitemap-2.xml").await];
    let pages = parts.map(|part| part.text().matches("<url>").count());
    assert_eq!(pages, [50_000, 1]);
}
