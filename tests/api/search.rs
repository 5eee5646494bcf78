//! Search: which articles each reader finds, their order, and the queries that are refused.

use actix_web::http::StatusCode;
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::support::{Client, Response, TestApp, now, percent_encoded, wait_until};

/// Texts that mean something to one of the engines, to a shell of SQL, or to a careless parser.
const PUNCTUATION: [&str; 34] = [
    "'", "\"", "\\", "*", ":", "&", "|", "!", "<->", "<2>", "(", ")", "{", "}", "^", "+", "-", ";", "--",
    "/*", "%", "_", "$1", "?", "@@", "\u{0}", "\u{1}", "NEAR", "NOT", "AND", "OR", "title", "~", "\u{2019}",
];

impl TestApp {
    /// Waits until all changes are indexed.
    async fn indexed(&self) {
        wait_until("all articles are indexed", async || {
            self.number("SELECT count(*) FROM search_queue").await == 0
        })
        .await;
    }
}

impl Client {
    async fn search(&self, query: &str) -> Response {
        self.get(&format!("/search?q={}", percent_encoded(query))).await
    }

    /// The titles of the results, best first.
    async fn found(&self, query: &str) -> Vec<String> {
        titles(&self.search(query).await)
    }

    async fn publish(&self, title: &str, content: &str) -> i64 {
        self.create(&json!({ "title": title, "content": content, "published": true })).await.id
    }
}

fn titles(response: &Response) -> Vec<String> {
    let results = response.expect(StatusCode::OK);
    results.as_array().unwrap().iter().map(|result| result["title"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn every_operator_means_what_it_says() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    ann.publish("One", "The analytical engine weaves patterns").await;
    ann.publish("Two", "An engine that is analytical").await;
    ann.publish("Three", "Engineers weave nothing").await;
    app.indexed().await;
    for (query, expected) in [
        ("analytical engine", &["One", "Two"][..]),
        ("\"analytical engine\"", &["One"]),
        ("analytical -weaves", &["Two"]),
        ("engine -\"analytical engine\"", &["Two"]),
        ("weaves OR nothing", &["One", "Three"]),
        ("analytical weaves OR that", &["One", "Two"]),
        ("engine*", &["One", "Three", "Two"]),
        ("\"engineers wea\"*", &["Three"]),
        ("engine", &["One", "Two"]),
        ("weav", &[]),
        ("engine absent", &[]),
    ] {
        let mut found = ann.found(query).await;
        found.sort();
        assert_eq!(found, expected, "{query}");
    }
}

#[actix_web::test]
async fn titles_contents_tags_and_names_of_authors_are_searched() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let profile = json!({ "display_name": "Bob Babbage" });
    bob.patch("/users/me", &profile).await.expect(StatusCode::OK);
    let first = ann.publish("Looms", "They weave cloth of many colours").await;
    bob.publish("Mills", "They grind numbers into tables").await;
    app.sql("INSERT INTO tags (id, key, name) VALUES (1, 'punched cards', 'Punched Cards')").await;
    app.sql(&format!("INSERT INTO article_tags (article_id, tag_id, position) VALUES ({first}, 1, 0)")).await;
    app.indexed().await;
    for (query, expected) in [
        ("looms", "Looms"),
        ("cloth", "Looms"),
        ("ann", "Looms"),
        ("\"punched cards\"", "Looms"),
        ("punched cloth looms ann", "Looms"),
        ("bob", "Mills"),
        ("babbage tables", "Mills"),
    ] {
        assert_eq!(ann.found(query).await, [expected], "{query}");
    }
    // No phrase reaches from one part into the next.
    for phrase in ["\"looms punched\"", "\"looms they\"", "\"cards ann\"", "\"colours ann\"", "\"ann they\""]
    {
        assert_eq!(ann.found(phrase).await, [""; 0], "{phrase}");
    }
}

/// Articles of which some mention a word once and some are about it.
const CORPUS: [(&str, &str); 8] = [
    ("Rust and SQLite", "How an embedded database and a language without garbage collection fit together."),
    (
        "A week of cooking",
        "Monday soup, Tuesday rust-coloured curry. The database of recipes grows every single day.",
    ),
    ("Databases", "A database stores rows. Which database to choose: every database has its own trade-offs."),
    (
        "Gardening in March",
        "Sow peas early. Keep the tools dry or they will rust, and store seeds in the shed.",
    ),
    (
        "Async Rust",
        "Futures, executors and pinning. Rust makes concurrency explicit; rust code does not block.",
    ),
    ("Travel notes", "Trains across the Alps, and a long walk to the café at the lake."),
    ("Le café", "Torréfaction, mouture et préparation du café à la maison."),
    ("Straßenbahn", "Die Straße, die Schiene und der Fahrplan der Strassenbahn in Łódź."),
];

#[actix_web::test]
async fn both_engines_show_the_same_results_first() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for (title, content) in CORPUS {
        ann.publish(title, content).await;
    }
    app.indexed().await;
    for (query, best, count) in [
        ("rust", "Async Rust", 4),
        ("database", "Databases", 3),
        ("rust database", "Rust and SQLite", 2),
        ("sqlite OR pinning", "Rust and SQLite", 2),
        ("rust -futures -sqlite -curry", "Gardening in March", 1),
        ("CAFE", "Le café", 2),
        ("café alps", "Travel notes", 1),
        ("strasse", "Straßenbahn", 1),
        ("lodz", "Straßenbahn", 1),
        ("torref*", "Le café", 1),
        ("\"long walk\"", "Travel notes", 1),
        ("rust-coloured", "A week of cooking", 1),
    ] {
        let found = ann.found(query).await;
        assert_eq!(
            (found.first().map(String::as_str), found.len()),
            (Some(best), count),
            "{query}: {found:?}"
        );
    }
}

#[actix_web::test]
async fn equal_ranks_are_ordered_by_id() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(ann.publish("Same title", "and the same content").await);
    }
    app.indexed().await;
    ids.reverse();
    assert_eq!(ann.search("same").await.ids(), ids);
}

#[actix_web::test]
async fn a_draft_is_found_by_its_author_and_by_administrators_who_ask_for_it() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let admin = app.sign_up_admin("admin").await;
    let draft = json!({ "title": "Draft", "content": "secret words", "published": false });
    ann.create(&draft).await;
    let scheduled = json!({
        "title": "Scheduled", "content": "secret words", "published": false,
        "scheduled_at": (now() + chrono::TimeDelta::days(1)).to_rfc3339(),
    });
    ann.create(&scheduled).await;
    let withdrawn =
        ann.create(&json!({ "title": "Withdrawn", "content": "secret words", "published": true })).await;
    ann.edit(&withdrawn, &json!({ "published": false })).await;
    ann.publish("Public", "no secret words").await;
    app.indexed().await;
    let all = ["Draft", "Public", "Scheduled", "Withdrawn"];
    for (client, query, expected) in [
        (&app.anonymous(), "", &["Public"][..]),
        (&bob, "", &["Public"]),
        (&ann, "", &all),
        (&ann, "&published=true", &["Public"]),
        (&ann, "&published=false", &["Draft", "Scheduled", "Withdrawn"]),
        (&bob, "&published=false", &[]),
        (&admin, "", &["Public"]),
        (&admin, "&drafts=all", &all),
    ] {
        let mut found = titles(&client.get(&format!("/search?q=secret{query}")).await);
        found.sort();
        assert_eq!(found, expected, "{query}");
    }
    app.anonymous().get("/search?q=secret&drafts=all").await.expect_unauthorized("Not authenticated");
    let detail = "Only administrators may do this";
    bob.get("/search?q=secret&drafts=all").await.expect_error(StatusCode::FORBIDDEN, detail);
}

#[actix_web::test]
async fn articles_of_a_suspended_author_are_not_found() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let admin = app.sign_up_admin("admin").await;
    ann.publish("Hidden", "text of a suspended author").await;
    app.indexed().await;
    assert_eq!(app.anonymous().found("suspended").await, ["Hidden"]);
    admin.suspend(ann.id, "hide").await.expect(StatusCode::OK);
    assert_eq!(app.anonymous().found("suspended").await, [""; 0]);
    admin.act(&format!("/admin/users/{}/reinstate", ann.id)).await.expect(StatusCode::OK);
    assert_eq!(app.anonymous().found("suspended").await, ["Hidden"]);
}

#[actix_web::test]
async fn an_article_is_found_by_its_current_text_only() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let draft = json!({ "title": "Old title", "content": "confidential figures", "published": false });
    let article = ann.create(&draft).await;
    app.indexed().await;
    let change = json!({ "title": "New title", "content": "public figures", "published": true });
    ann.edit(&article, &change).await;
    // Also before the change is indexed, which is a moment later.
    assert_eq!(app.anonymous().found("confidential").await, [""; 0]);
    app.indexed().await;
    for (query, expected) in
        [("confidential", &[][..]), ("old", &[]), ("public", &["New title"]), ("new", &["New title"])]
    {
        assert_eq!(app.anonymous().found(query).await, expected, "{query}");
    }
    ann.delete(&article.path()).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(app.anonymous().found("public").await, [""; 0]);
    assert_eq!(app.number("SELECT count(*) FROM article_search").await, 0);
}

#[actix_web::test]
async fn changes_by_other_programs_are_found() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let id = ann.id;
    app.sql(&format!(
        "INSERT INTO articles (id, title, content, published, author_id, created_at, updated_at) \
         VALUES (70, 'Written in SQL', 'inserted elsewhere', TRUE, {id}, '2026-01-01 00:00:00+00:00', '2026-01-01 00:00:00+00:00')"
    ))
    .await;
    app.sql("INSERT INTO tags (id, key, name) VALUES (7, 'looms', 'looms')").await;
    app.sql("INSERT INTO article_tags (article_id, tag_id, position) VALUES (70, 7, 0)").await;
    app.indexed().await;
    for query in ["elsewhere", "looms", "ann"] {
        assert_eq!(ann.found(query).await, ["Written in SQL"], "{query}");
    }
    app.sql(&format!("UPDATE users SET username = 'ada' WHERE id = {id}")).await;
    app.sql("UPDATE tags SET name = 'mills' WHERE id = 7").await;
    app.sql("UPDATE articles SET content = 'changed elsewhere' WHERE id = 70").await;
    app.indexed().await;
    for (query, count) in
        [("ann", 0), ("ada", 1), ("looms", 0), ("mills", 1), ("inserted", 0), ("changed", 1)]
    {
        assert_eq!(ann.found(query).await.len(), count, "{query}");
    }
    app.sql("DELETE FROM article_tags").await;
    app.indexed().await;
    assert_eq!(ann.found("mills").await, [""; 0]);
    app.sql("DELETE FROM articles").await;
    assert_eq!(ann.found("changed").await, [""; 0]);
}

#[actix_web::test]
async fn filters_narrow_the_results() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    ann.publish("By Ann", "common words").await;
    let before = percent_encoded(&now().to_rfc3339());
    bob.publish("By Bob", "common words").await;
    app.indexed().await;
    for (filter, expected) in [
        ("author=ann".to_owned(), &["By Ann"][..]),
        ("author=bob".to_owned(), &["By Bob"]),
        ("author=eve".to_owned(), &[]),
        ("since=2020-01-01".to_owned(), &["By Bob", "By Ann"]),
        ("until=2020-01-01".to_owned(), &[]),
        ("updated_since=2020-01-01".to_owned(), &["By Bob", "By Ann"]),
        ("updated_until=2020-01-01".to_owned(), &[]),
        (format!("since={before}"), &["By Bob"]),
        (format!("until={before}"), &["By Ann"]),
    ] {
        assert_eq!(titles(&ann.get(&format!("/search?q=common&{filter}")).await), expected, "{filter}");
    }
}

#[actix_web::test]
async fn a_tag_narrows_the_results() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for (title, tags) in [("One", json!(["rust"])), ("Two", json!(["Rust", "web dev"])), ("Three", json!([]))]
    {
        let body = json!({ "title": title, "content": "common words", "published": true, "tags": tags });
        ann.create(&body).await;
    }
    app.indexed().await;
    for (query, expected) in [
        ("q=common&tag=RUST", &["Two", "One"][..]),
        ("q=common&tag=rust&tag=web+dev", &["Two"]),
        ("q=common&tag=absent", &[]),
        ("q=dev", &["Two"]),
        ("q=rust+-dev", &["One"]),
    ] {
        let mut found = titles(&ann.get(&format!("/search?{query}")).await);
        found.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
}

#[actix_web::test]
async fn the_links_lead_through_all_results() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for n in 0..7 {
        ann.publish(&format!("Title {n}"), "the same & content").await;
    }
    app.indexed().await;
    let mut response = ann.get("/search?limit=3&q=same+%26+content&author=ann").await;
    let mut walked = response.ids();
    assert_eq!(response.linked("prev"), None);
    while let Some(next) = response.linked("next") {
        response = ann.get(&next).await;
        walked.extend(response.ids());
    }
    assert_eq!(walked.len(), 7);
    assert_eq!(ann.get(&response.linked("prev").unwrap()).await.ids(), walked[3..6]);
    walked.sort_unstable();
    walked.dedup();
    assert_eq!(walked.len(), 7);
    assert_eq!(ann.get("/search?q=same&limit=0").await.json(), json!([]));
    assert_eq!(ann.get("/search?q=same&skip=1000").await.json(), json!([]));
}

#[actix_web::test]
async fn pages_are_bounded() {
    let app = TestApp::start().await;
    for (parameter, value, kind) in [
        ("limit", "51", "less_than_equal"),
        ("limit", "-1", "greater_than_equal"),
        ("skip", "1001", "less_than_equal"),
        ("skip", "-1", "greater_than_equal"),
        ("skip", "x", "int_parsing"),
        ("author", "\u{0}", "string_pattern_mismatch"),
    ] {
        let response =
            app.anonymous().get(&format!("/search?q=word&{parameter}={}", percent_encoded(value))).await;
        response.expect_invalid([(kind, json!(["query", parameter]))]);
    }
}

#[actix_web::test]
async fn what_is_not_a_query_is_422_with_its_reason() {
    let app = TestApp::start().await;
    app.anonymous().get("/search").await.expect_invalid([("missing", json!(["query", "q"]))]);
    for (query, kind, reason) in [
        ("", "string_too_short", "at least 1 character"),
        (&"a".repeat(201), "string_too_long", "at most 200 characters"),
        ("a\u{0}", "string_pattern_mismatch", "pattern"),
        (&"a ".repeat(33), "value_error", "the query has more than 32 words"),
        ("?!", "value_error", "the query has no word to search for"),
        ("-rust", "value_error", "the query has no word to search for"),
        ("\"rust", "value_error", "a quotation mark is not closed"),
        ("rust OR", "value_error", "OR needs a word or a phrase on each side"),
        ("rust OR -sqlite", "value_error", "an exclusion cannot be an alternative of OR"),
        ("r*st", "value_error", "* is allowed at the end of a word only"),
        ("r*", "value_error", "a prefix has at least 2 characters before its *"),
    ] {
        let response = app.anonymous().search(query).await;
        response.expect_invalid([(kind, json!(["query", "q"]))]);
        let message = response.json()["detail"][0]["msg"].as_str().unwrap().to_owned();
        assert!(message.contains(reason), "{query}: {message}");
    }
}

#[actix_web::test]
async fn no_text_is_read_as_an_operator_of_the_engine() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    ann.publish("Title", "some content").await;
    app.indexed().await;
    let mut texts: Vec<String> = Vec::new();
    for mark in PUNCTUATION {
        texts.extend([
            mark.to_owned(),
            format!("content{mark}"),
            format!("{mark}content"),
            format!("con{mark}tent {mark}"),
        ]);
    }
    let mut runner = TestRunner::deterministic();
    let part = prop_oneof![
        proptest::sample::select(&PUNCTUATION[..]).prop_map(str::to_owned),
        "\\PC{0,3}",
        "[a-c ]{1,3}"
    ];
    let text = proptest::collection::vec(part, 1..12).prop_map(|parts| parts.concat());
    texts.extend((0..300).map(|_| text.new_tree(&mut runner).unwrap().current()));
    for text in texts {
        let response = ann.search(&text).await;
        let status = response.status;
        assert!(
            [StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY].contains(&status),
            "{text:?}: {}",
            response.text()
        );
    }
    assert_eq!(ann.found("content'); DELETE FROM articles; --").await, [""; 0]);
    assert_eq!(ann.found("content").await, ["Title"]);
}

#[actix_web::test]
async fn a_result_shows_where_the_words_are_and_escapes_everything_else() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let content = format!("{} An <b>engine</b> & \"more\"", "Filler words here. ".repeat(50));
    let article = json!({ "title": "<script>Engine</script>", "content": content, "published": true });
    let article = ann.create(&article).await;
    app.indexed().await;
    let results = ann.search("ENGINE").await.expect(StatusCode::OK);
    let highlight = &results[0]["highlight"];
    assert_eq!(highlight["title"], "&lt;script&gt;<mark>Engine</mark>&lt;/script&gt;");
    let snippet = highlight["snippet"].as_str().unwrap();
    assert!(
        snippet.ends_with("An &lt;b&gt;<mark>engine</mark>&lt;/b&gt; &amp; &quot;more&quot;"),
        "{snippet}"
    );
    assert!(snippet.starts_with('…') && snippet.len() < 400, "{snippet}");
    let Value::Object(mut expected) = article.json else { panic!("an article is an object") };
    expected.remove("content");
    let Value::Object(mut result) = results[0].clone() else { panic!("a result is an object") };
    result.remove("highlight");
    assert_eq!(result, expected);
}

#[actix_web::test]
async fn a_content_of_many_different_words_is_indexed() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    // Each ideograph is a word, and no text needs more bytes of the index than one of different short words.
    let ideographs = ('\u{4e00}'..='\u{9fff}').chain('\u{20000}'..='\u{2a6df}').collect::<String>();
    let numbers = (0..200_000).map(|number| format!("{number:x} ")).collect::<Vec<_>>().concat();
    let expansions = "\u{fdfa}".repeat(300_000);
    for (title, content) in [("Ideographs", ideographs), ("Numbers", numbers), ("Expansions", expansions)] {
        ann.publish(title, &format!("first {content}")).await;
    }
    app.indexed().await;
    let mut found = ann.found("first").await;
    found.sort();
    assert_eq!(found, ["Expansions", "Ideographs", "Numbers"]);
}

#[actix_web::test]
async fn search_says_that_many_articles_are_not_indexed_yet() {
    let app = TestApp::start().await;
    let missing = "WITH RECURSIVE n (id) AS (SELECT 1000 UNION ALL SELECT id + 1 FROM n WHERE id < 6000) \
                   INSERT INTO search_queue (article_id) SELECT id FROM n";
    app.sql(missing).await;
    let response = app.anonymous().search("anything").await;
    response.expect(StatusCode::OK);
    assert_eq!(response.header("x-search-incomplete"), Some("true"));
    app.indexed().await;
    assert_eq!(app.anonymous().search("anything").await.header("x-search-incomplete"), None);
}

#[actix_web::test]
async fn an_index_that_was_lost_is_built_again() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    ann.publish("Title", "some content").await;
    app.indexed().await;
    app.sql("DELETE FROM article_search").await;
    assert_eq!(ann.found("content").await, [""; 0]);
    app.sql("INSERT INTO search_queue (article_id) SELECT id FROM articles").await;
    app.indexed().await;
    assert_eq!(ann.found("content").await, ["Title"]);
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn the_language_of_the_site_finds_other_forms_of_a_word() {
    let app = TestApp::with(&[("SEARCH_LANGUAGE", "english")]).await;
    let ann = app.sign_up("ann").await;
    ann.publish("Weaving", "The engines were weaving").await;
    app.indexed().await;
    for (query, count) in [
        ("engine", 1),
        ("weave", 1),
        ("the engine", 1),
        ("\"engine weave\"", 0),
        ("the", 0),
        ("the -loom", 0),
    ] {
        assert_eq!(ann.found(query).await.len(), count, "{query}");
    }
    // A server with another language has the articles indexed again.
    let other = app.another(&[("SEARCH_LANGUAGE", "simple")]);
    wait_until("the articles are indexed again", async || {
        other.anonymous().found("engines").await.len() == 1
            && other.anonymous().found("engine").await.is_empty()
    })
    .await;
    assert_eq!(app.anonymous().found("the").await, ["Weaving"]);
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn an_article_is_indexed_as_its_last_transaction_left_it() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let id = ann.publish("Title", "first content").await;
    app.indexed().await;
    // The article is in the queue already when the transaction changes it again.
    app.sql(&format!("INSERT INTO search_queue (article_id) VALUES ({id})")).await;
    let other = app.database.connect().await;
    let change = format!(
        "BEGIN; UPDATE articles SET content = 'second content' WHERE id = {id}; SELECT pg_sleep(1); COMMIT"
    );
    other.execute_unprepared(&change).await.unwrap();
    app.indexed().await;
    assert_eq!(ann.found("first").await, [""; 0]);
    assert_eq!(ann.found("second").await, ["Title"]);
}
