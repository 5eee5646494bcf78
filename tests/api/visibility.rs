//! Who sees what: every operation that reads, with every kind of article, as every kind of reader. An operation that
//! is new in the document is part of the test.
//!
//! Each article contains a word that no other has, in its title, its content, its tags and its slug. The word must
//! not occur in any response to a reader who may not see the article.

use actix_web::http::Method;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    document::document,
    support::{Article, Client, Response, TestApp, now, wait_until},
};

/// The states of an article, as the word that it contains.
const DRAFT: &str = "quondraft";
const SCHEDULED: &str = "quonplanned";
const WITHDRAWN: &str = "quonformer";
const PUBLISHED: &str = "quonpublic";
/// A word of no article.
const NEVER: &str = "quonnever";
const WORDS: [&str; 4] = [DRAFT, SCHEDULED, WITHDRAWN, PUBLISHED];

/// Parameters of lists and of what they show. An operation is sent those of which it has one.
const QUERIES: [&str; 10] = [
    "",
    "expand=author,tags,html,excerpt&limit=100",
    "published=false",
    "published=true&sort=-published_at",
    "sort=published_at&count=exact",
    "sort=-updated_at&author=ann&count=exact",
    "tag={word}&count=exact",
    "tag=quon&author=ann",
    "q={word}",
    "q=quon*&tag=quon&author=ann&count=exact",
];

struct World {
    app: TestApp,
    articles: [Article; 4],
    /// The name of a reader, and whether it may see what is not published.
    readers: [(&'static str, bool, Client); 4],
}

impl World {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let (ann, bob, root) =
            (app.sign_up("ann").await, app.sign_up("bob").await, app.sign_up("root").await);
        app.sql("UPDATE users SET is_admin = TRUE WHERE username = 'root'").await;
        let body = |word: &str, published: bool| {
            json!({
                "title": format!("On {word}"),
                "content": format!("# About {word}\n\nA text about {word}, and some more."),
                "tags": ["quon", word],
                "published": published,
            })
        };
        let draft = ann.create(&body(DRAFT, false)).await;
        let mut scheduled = body(SCHEDULED, false);
        scheduled["scheduled_at"] = json!((now() + TimeDelta::days(1)).to_rfc3339());
        let scheduled = ann.create(&scheduled).await;
        let withdrawn = ann.create(&body(WITHDRAWN, true)).await;
        // Read once, so that an anonymous reader's response is in the cache.
        app.anonymous().get(&withdrawn.path()).await;
        app.anonymous().get("/articles/").await;
        // It has a revision, and an old slug.
        let renamed =
            json!({ "slug": format!("new-{WITHDRAWN}"), "content": format!("No more about {WITHDRAWN}.") });
        let withdrawn = ann.edit(&withdrawn, &renamed).await;
        let withdrawn = ann.edit(&withdrawn, &json!({ "published": false })).await;
        let published = ann.create(&body(PUBLISHED, true)).await;
        wait_until("all articles are indexed", async || {
            app.number("SELECT count(*) FROM search_queue").await == 0
        })
        .await;
        let readers = [
            ("a stranger", false, app.anonymous()),
            ("another author", false, bob),
            ("the author", true, ann),
            ("an administrator", true, root),
        ];
        Self { app, articles: [draft, scheduled, withdrawn, published], readers }
    }

    /// The paths of an operation: one for each value of its parameters.
    fn paths(&self, path: &str) -> Vec<String> {
        let ids = self.articles.iter().map(|article| article.id.to_string()).collect();
        let slug = |article: &Article| article.json["slug"].as_str().unwrap().to_owned();
        let words = || WORDS.map(ToOwned::to_owned).to_vec();
        let mut slugs: Vec<String> = self.articles.iter().map(slug).collect();
        slugs.push(format!("on-{WITHDRAWN}"));
        let values: [(&str, Vec<String>); 7] = [
            ("{article_id}", ids),
            ("{slug}", slugs),
            ("{tag}", words()),
            ("{username}", vec!["ann".to_owned()]),
            ("{number}", vec!["1".to_owned(), "2".to_owned()]),
            ("{user_id}", vec!["1".to_owned()]),
            ("{page}", vec!["1".to_owned()]),
        ];
        let mut paths = vec![path.to_owned()];
        for (name, values) in values {
            if path.contains(name) {
                paths = paths
                    .iter()
                    .flat_map(|path| values.iter().map(move |value| path.replace(name, value)))
                    .collect();
            }
        }
        paths.retain(|path| !path.contains('{'));
        paths
    }
}

/// Everything that a reader learns from a response.
fn everything(response: &Response) -> String {
    format!("{:?}\n{}", response.headers, String::from_utf8_lossy(&response.body))
}

/// Whether the operation has one of the parameters of `query`.
fn takes(operation: &Value, query: &str) -> bool {
    let names: Vec<&str> = query.split('&').filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
    let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    let has = |name: &&str| parameters.iter().any(|parameter| parameter["name"] == *name);
    names.is_empty() || names.iter().any(has)
}

#[actix_web::test]
async fn no_response_shows_what_its_reader_must_not_see() {
    let world = World::new().await;
    let mut shown = 0;
    for (path, operations) in document()["paths"].as_object().unwrap() {
        if operations.get("get").is_none() {
            continue;
        }
        for path in world.paths(path) {
            for query in QUERIES.into_iter().filter(|query| takes(&operations["get"], query)) {
                for word in if query.contains("{word}") { &WORDS[..] } else { &WORDS[..1] } {
                    let query = query.replace("{word}", word);
                    let target = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
                    for (reader, may_see_all, client) in &world.readers {
                        // Twice, because the second response may be from the cache.
                        for _ in 0..2 {
                            let response = client.get(&target).await;
                            assert!(
                                response.status.as_u16() < 500,
                                "{target} to {reader}: {}",
                                response.status
                            );
                            let text = everything(&response);
                            for hidden in [DRAFT, SCHEDULED, WITHDRAWN] {
                                let found = text.contains(hidden);
                                if !may_see_all && target.contains(hidden) {
                                    // A response may repeat the request, but not differ from that for a word
                                    // which no article contains.
                                    let other = client.get(&target.replace(hidden, NEVER)).await;
                                    let body = |response: &Response, word| {
                                        String::from_utf8_lossy(&response.body).replace(word, "…")
                                    };
                                    assert_eq!(
                                        (response.status, body(&response, hidden)),
                                        (other.status, body(&other, NEVER)),
                                        "GET {target} to {reader}"
                                    );
                                    continue;
                                }
                                assert!(
                                    *may_see_all || !found,
                                    "GET {target} shows {hidden} to {reader}: {text}"
                                );
                                shown += usize::from(found && *may_see_all);
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(shown > 100, "the author and administrators saw hidden articles {shown} times");
}

#[actix_web::test]
async fn a_hidden_article_is_answered_like_one_that_does_not_exist() {
    let world = World::new().await;
    for (path, operations) in document()["paths"].as_object().unwrap() {
        let of_an_article = path.contains("{article_id}") || path.contains("{slug}");
        if !of_an_article || operations.get("get").is_none() {
            continue;
        }
        let missing =
            path.replace("{article_id}", "999999").replace("{slug}", "never-was").replace("{number}", "1");
        for article in &world.articles[..3] {
            let slug = article.json["slug"].as_str().unwrap();
            let hidden = path
                .replace("{article_id}", &article.id.to_string())
                .replace("{slug}", slug)
                .replace("{number}", "1");
            if hidden.contains('{') {
                continue;
            }
            for (reader, _, client) in &world.readers[..2] {
                let [hidden_response, missing_response] =
                    [client.get(&hidden).await, client.get(&missing).await];
                assert_eq!(
                    (hidden_response.status, &hidden_response.body),
                    (missing_response.status, &missing_response.body),
                    "GET {hidden} to {reader}"
                );
                // The author's tag does not make a difference.
                for tag in [article.tag.as_str(), "*"] {
                    let response = client.request(Method::GET, &hidden).if_none_match(tag).send().await;
                    assert_eq!(
                        response.status, missing_response.status,
                        "GET {hidden} with {tag} to {reader}"
                    );
                }
            }
        }
    }
}

/// The numbers of articles that lists and tags show, for each reader.
#[actix_web::test]
async fn counts_contain_only_what_their_reader_may_see() {
    let world = World::new().await;
    for (reader, may_see_all, client) in &world.readers {
        let all = if *may_see_all { 4 } else { 1 };
        let drafts = if *reader == "an administrator" { "&drafts=all" } else { "" };
        for list in
            ["/articles/?count=exact", "/articles/?count=exact&tag=quon", "/articles/?count=exact&author=ann"]
        {
            let response = client.get(&format!("{list}{drafts}")).await;
            assert_eq!(
                response.header("x-total-count"),
                Some(all.to_string().as_str()),
                "{list} to {reader}"
            );
        }
        let tags = client.get("/tags/").await.json();
        let of = |name: &str| {
            let tag = tags.as_array().unwrap().iter().find(|tag| tag["name"] == name);
            tag.map_or(0, |tag| tag["articles"].as_i64().unwrap())
        };
        let [hidden, public] = [DRAFT, PUBLISHED].map(of);
        assert_eq!(public, 1, "{reader}: {tags}");
        // Administrators see drafts of others in lists only if they ask for them.
        assert_eq!(hidden, i64::from(*reader == "the author"), "{reader}: {tags}");
        let found = client.get("/search?q=quon*").await.json();
        let found = found.as_array().map(Vec::len);
        let expected = if *reader == "the author" { 4 } else { 1 };
        assert_eq!(found, Some(expected), "{reader}");
    }
    drop(world.app);
}

/// Feeds and the sitemap contain only published articles, also for authors and administrators.
#[actix_web::test]
async fn feeds_show_published_articles_only_to_all_readers() {
    let world = World::new().await;
    for path in ["/feeds/atom.xml", "/feeds/rss.xml", "/feeds/feed.json", "/sitemap.xml"] {
        for (reader, _, client) in &world.readers {
            let text = client.get(path).await;
            let text = String::from_utf8_lossy(&text.body).into_owned();
            assert!(text.contains(PUBLISHED), "{path} to {reader}: {text}");
            for hidden in [DRAFT, SCHEDULED, WITHDRAWN] {
                assert!(!text.contains(hidden), "{path} shows {hidden} to {reader}: {text}");
            }
        }
    }
}

/// The kinds of articles are what their names say.
#[actix_web::test]
async fn the_articles_of_these_tests_have_their_states() {
    let world = World::new().await;
    let member = |name: &str| world.articles.each_ref().map(|article| article.json[name].clone());
    assert_eq!(member("published"), [false, false, false, true].map(Value::from));
    assert_eq!(member("scheduled_at").map(|time| time.is_string()), [false, true, false, false]);
    assert_eq!(member("published_at").map(|time| time.is_string()), [false, false, true, true]);
}
