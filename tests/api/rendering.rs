//! Contents as readers see them: `expand=html` and `expand=excerpt`.

use actix_web::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Client, Published, Response, TestApp, Viewer, read_list};

const MARKDOWN: &str = "# Title\n\nThe *first* paragraph <script>alert(1)</script>of **two**.\n\nSecond.";

const HTML: &str = "<h1 id=\"user-content-title\">Title</h1>\n<p>The <em>first</em> paragraph \
                    of <strong>two</strong>.</p>\n<p>Second.</p>\n";

fn body(format: &str, published: bool) -> Value {
    json!({ "title": "A title", "content": MARKDOWN, "format": format, "published": published })
}

fn members(article: &Value) -> Vec<&str> {
    article.as_object().unwrap().keys().map(String::as_str).collect()
}

async fn revalidate(client: &Client, path: &str, tag: &str) -> Response {
    client.request(Method::GET, path).if_none_match(tag).send().await
}

#[actix_web::test]
async fn the_content_is_shown_as_html_and_as_an_excerpt_on_request_only() {
    let app = TestApp::start().await;
    let article = app.sign_up("ann").await.create(&body("markdown", true)).await;
    let slug = article.json["slug"].as_str().unwrap();
    for path in [article.path(), format!("/articles/by-slug/{slug}"), "/articles/".to_owned()] {
        let first = |response: Response| {
            let json = response.expect(StatusCode::OK);
            json.get(0).cloned().unwrap_or(json)
        };
        let plain = first(app.anonymous().get(&path).await);
        assert!(plain.get("html").is_none() && plain.get("excerpt").is_none(), "{plain}");
        let html = first(app.anonymous().get(&format!("{path}?expand=html")).await);
        assert_eq!(html["html"], HTML);
        assert_eq!(members(&html), [members(&plain), vec!["html"]].concat());
        let all = first(app.anonymous().get(&format!("{path}?expand=excerpt,html,author")).await);
        let expected = ["author", "html", "excerpt", "word_count", "reading_minutes"];
        assert_eq!(members(&all), [members(&plain), expected.to_vec()].concat());
        assert_eq!(all["excerpt"], "The first paragraph of two.");
        assert_eq!((&all["word_count"], &all["reading_minutes"]), (&json!(7), &json!(1)));
    }
}

#[actix_web::test]
async fn the_format_of_the_article_decides_how_its_content_is_read() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for (format, start) in
        [("markdown", "<h1 id="), ("html", "# Title\n"), ("plain", "<p># Title</p>\n<p>The *first*")]
    {
        let article = ann.create(&body(format, true)).await;
        let shown = app.anonymous().get(&format!("{}?expand=html", article.path())).await.json();
        let html = shown["html"].as_str().unwrap();
        assert!(html.starts_with(start), "{html}");
        assert!(!html.contains("<script"), "{html}");
    }
}

#[actix_web::test]
async fn the_excerpt_that_the_author_wrote_is_shown_unchanged() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&body("markdown", true)).await;
    let article = ann.edit(&article, &json!({ "excerpt": "My *own* <b>" })).await;
    let path = format!("{}?expand=excerpt", article.path());
    let shown = app.anonymous().get(&path).await.json();
    assert_eq!((&shown["excerpt"], &shown["word_count"]), (&json!("My *own* <b>"), &json!(7)));
    ann.edit(&article, &json!({ "excerpt": null })).await;
    assert_eq!(app.anonymous().get(&path).await.json()["excerpt"], "The first paragraph of two.");
}

#[actix_web::test]
async fn an_edit_is_visible_in_the_html_at_once_and_changes_its_tag() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let mut article = ann.create(&body("markdown", true)).await;
    for path in [format!("{}?expand=html", article.path()), "/articles/?expand=html,excerpt".to_owned()] {
        for client in [&app.anonymous(), &ann] {
            let before = client.get(&path).await;
            assert_eq!(client.get(&path).await.tag(), before.tag());
            assert_eq!(revalidate(client, &path, &before.tag()).await.status, StatusCode::NOT_MODIFIED);
            article = ann
                .edit(
                    &article,
                    &json!({ "content": format!("{}!", article.json["content"].as_str().unwrap()) }),
                )
                .await;
            let after = revalidate(client, &path, &before.tag()).await;
            assert_eq!(after.status, StatusCode::OK);
            assert!(after.text().contains("Second.!"), "{}", after.text());
        }
    }
}

#[actix_web::test]
async fn each_expansion_has_a_tag_of_its_own_which_still_protects_the_article() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.create(&body("markdown", true)).await;
    let queries = [
        "",
        "?expand=html",
        "?expand=excerpt",
        "?expand=html,excerpt",
        "?expand=author",
        "?expand=author,html",
    ];
    for path in [article.path(), "/articles/".to_owned()] {
        let mut tags = Vec::new();
        for query in queries {
            tags.push(app.anonymous().get(&format!("{path}{query}")).await.tag());
        }
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), queries.len(), "{tags:?}");
    }
    let tag = ann.get(&format!("{}?expand=html,author", article.path())).await.tag();
    let edit =
        |tag: &str| ann.request(Method::PATCH, &article.path()).if_match(tag).json(&json!({ "title": "b" }));
    assert_eq!(edit(&tag).send().await.status, StatusCode::OK);
    assert_eq!(edit(&tag).send().await.status, StatusCode::PRECONDITION_FAILED);
}

#[actix_web::test]
async fn unknown_words_are_errors_whatever_is_next_to_them() {
    let app = TestApp::start().await;
    for query in [
        "expand=HTML",
        "expand=html,",
        "expand=,html",
        "expand=html,markdown",
        "expand=html&expand=x",
        "expand=html%20,excerpt",
    ] {
        let response = app.anonymous().get(&format!("/articles/?{query}")).await;
        assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
    }
}

#[actix_web::test]
async fn a_page_with_contents_costs_as_many_statements_as_one_without_them() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for _ in 0..50 {
        ann.write(Published::Yes).await;
    }
    for limit in [1, 50] {
        for (query, cost) in [("expand=html", 1), ("expand=excerpt", 1), ("expand=html,excerpt,author", 2)] {
            let query = format!("{query}&limit={limit}");
            let read = read_list(&app, Viewer::SignedIn(1), &query, None).await;
            assert_eq!((read.articles, read.statements.len()), (Some(limit), cost), "{query}");
        }
    }
}

#[actix_web::test]
async fn pages_in_both_directions_show_each_content_with_its_article() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for number in 0..7 {
        let content = format!("Content of number {number} {}", "x".repeat(3000));
        ann.create(&json!({ "title": number.to_string(), "content": content, "published": true })).await;
    }
    let check = |page: &Response| {
        for article in page.json().as_array().unwrap() {
            let start = format!("<p>Content of number {}", article["title"].as_str().unwrap());
            assert!(article["html"].as_str().unwrap().starts_with(&start), "{article}");
        }
    };
    let mut page = app.anonymous().get("/articles/?limit=3&expand=html").await;
    check(&page);
    for rel in ["next", "next", "prev", "prev"] {
        let link =
            page.header("link").unwrap().split(',').find(|link| link.contains(rel)).unwrap().to_owned();
        let target = link.split(['<', '>']).nth(1).unwrap().to_owned();
        page = app.anonymous().get(&page.resolve(&target)).await;
        check(&page);
    }
}

#[actix_web::test]
async fn the_html_of_a_draft_is_visible_to_its_author_only() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let draft = ann.create(&body("markdown", false)).await;
    let path = format!("{}?expand=html,excerpt", draft.path());
    assert_eq!(ann.get(&path).await.json()["html"], HTML);
    for client in [&bob, &app.anonymous()] {
        client.get(&path).await.expect_error(StatusCode::NOT_FOUND, "Article not found");
        assert_eq!(client.get("/articles/?expand=html,excerpt").await.json(), json!([]));
    }
}

#[actix_web::test]
async fn a_large_content_is_rendered_too() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let content = "A paragraph with *emphasis*.\n\n".repeat(20_000);
    let article = ann.create(&json!({ "title": "Large", "content": content, "published": true })).await;
    let shown = app.anonymous().get(&format!("{}?expand=html,excerpt", article.path())).await.json();
    assert!(shown["html"].as_str().unwrap().starts_with("<p>A paragraph with <em>emphasis</em>.</p>\n<p>"));
    assert_eq!((&shown["word_count"], &shown["reading_minutes"]), (&json!(80_000), &json!(400)));
}

#[actix_web::test]
async fn html_counts_toward_the_size_of_a_page() {
    let app = TestApp::with(&[("MAX_PAGE_BYTES", "3000")]).await;
    let ann = app.sign_up("ann").await;
    let content = "x".repeat(1500);
    ann.create(&json!({ "title": "Large", "content": content, "published": true })).await;
    assert_eq!(app.anonymous().get("/articles/?limit=101").await.status, StatusCode::OK);
    let page = app.anonymous().get("/articles/?limit=101&expand=html").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", page.text());
    assert_eq!(app.anonymous().get("/articles/?limit=100&expand=html").await.status, StatusCode::OK);
}
