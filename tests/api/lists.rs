//! Lists: orders, filters, totals, and pages that lose and repeat nothing while others write.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Days, FixedOffset, Utc};
use fake::{
    Fake as _,
    rand::{SeedableRng as _, rngs::StdRng},
};
use serde_json::{Value, json};

use crate::support::{Client, Published, Response, TestApp};

pub(crate) const SORTS: [&str; 4] = ["-created_at", "created_at", "-updated_at", "updated_at"];

/// The target of the page that a `Link` header names.
fn linked(answer: &Response, rel: &str) -> Option<String> {
    let wanted = format!("rel=\"{rel}\"");
    answer.header("link")?.split(", ").find_map(|link| {
        let (target, parameters) = link.split_once("; ").unwrap();
        (parameters == wanted).then(|| target.trim_matches(['<', '>']).to_owned())
    })
}

fn cursor(target: &str) -> String {
    let query = target.split_once('?').unwrap().1;
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "cursor").unwrap().1.into_owned()
}

fn ids(answer: &Response) -> Vec<i64> {
    let listed = answer.expect(StatusCode::OK);
    listed.as_array().unwrap().iter().map(|article| article["id"].as_i64().unwrap()).collect()
}

async fn listed(client: &Client, query: &str) -> Vec<i64> {
    ids(&client.get(&format!("/articles/?{query}")).await)
}

fn encoded(value: &str) -> String {
    form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

/// Somebody who writes between the pages that others read: to articles that may go, never to those that stay.
struct Meddler<'a> {
    clients: [&'a Client; 2],
    restless: Vec<(usize, i64)>,
    random: StdRng,
}

impl Meddler<'_> {
    async fn meddle(&mut self) {
        let who: usize = (0..2).fake_with_rng(&mut self.random);
        let what: usize = (0..4).fake_with_rng(&mut self.random);
        let at: usize = (0..1000).fake_with_rng(&mut self.random);
        if what == 0 || self.restless.is_empty() {
            let article = self.clients[who].write(Published::when(at.is_multiple_of(2))).await.json;
            self.restless.push((who, article["id"].as_i64().unwrap()));
            return;
        }
        let at = at % self.restless.len();
        let (who, id) = self.restless[at];
        let target = format!("/articles/{id}");
        match what {
            1 => {
                self.restless.swap_remove(at);
                self.clients[who].delete(&target).await.expect(StatusCode::NO_CONTENT);
            }
            2 => {
                let shown = self.clients[who].get(&target).await.expect(StatusCode::OK);
                let change = json!({ "published": shown["published"] == false });
                self.clients[who].patch(&target, &change).await.expect(StatusCode::OK);
            }
            _ => {
                let change = json!({ "title": format!("edit {at}") });
                self.clients[who].patch(&target, &change).await.expect(StatusCode::OK);
            }
        }
    }
}

#[actix_web::test]
async fn a_walk_shows_what_stays_exactly_once_and_in_order_while_others_write() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let mut restless = Vec::new();
    let mut staying = BTreeSet::new();
    for number in 0..36 {
        let who = number % 2;
        let article = [&ann, &bob][who].write(Published::when(number % 5 != 0)).await.json;
        let id = article["id"].as_i64().unwrap();
        if number % 3 == 0 {
            restless.push((who, id));
        } else {
            staying.insert(id);
        }
    }
    // Ties, in both orders.
    app.sql("UPDATE articles SET created_at = (SELECT max(created_at) FROM articles WHERE id < 10) WHERE id BETWEEN 10 AND 18").await;
    app.sql("UPDATE articles SET updated_at = (SELECT max(updated_at) FROM articles WHERE id < 20) WHERE id BETWEEN 20 AND 29").await;

    let stranger = app.anonymous();
    let mut meddler = Meddler { clients: [&ann, &bob], restless, random: StdRng::seed_from_u64(1) };
    for round in 0..2 {
        for sort in SORTS {
            for (viewer, name) in [(&stranger, "stranger"), (&ann, "ann")] {
                let limit: usize = (1..6).fake_with_rng(&mut meddler.random);
                let all = listed(viewer, &format!("sort={sort}&limit=1000")).await;
                let expected: Vec<i64> = all.into_iter().filter(|id| staying.contains(id)).collect();
                let seen = format!("round {round}: {name}, {sort}, {limit} a page");

                let mut target = format!("/articles/?sort={sort}&limit={limit}");
                let mut forth = Vec::new();
                let last = loop {
                    let page = viewer.get(&target).await;
                    forth.extend(ids(&page));
                    meddler.meddle().await;
                    match linked(&page, "next") {
                        Some(next) => target = next,
                        None => break page,
                    }
                };
                let mut back = ids(&last);
                let mut previous = linked(&last, "prev");
                while let Some(target) = previous {
                    let page = viewer.get(&target).await;
                    back.splice(0..0, ids(&page));
                    meddler.meddle().await;
                    previous = linked(&page, "prev");
                }
                for (walked, way) in [(forth, "forth"), (back, "back")] {
                    if sort.ends_with("created_at") {
                        let once: BTreeSet<_> = walked.iter().collect();
                        assert_eq!(once.len(), walked.len(), "{seen}: {way} repeats: {walked:?}");
                    }
                    let stayed: Vec<i64> = walked.into_iter().filter(|id| staying.contains(id)).collect();
                    assert_eq!(stayed, expected, "{seen}: {way}");
                }
            }
        }
    }
}

#[actix_web::test]
async fn a_cursor_carries_its_order_and_filters_and_takes_no_others() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let mut own = Vec::new();
    for number in 0..5 {
        own.push(ann.write(Published::when(number != 2)).await.json["id"].as_i64().unwrap());
        bob.write(Published::Yes).await.json;
    }
    let query = "author=ann&published=true&sort=created_at&since=2020-01-01&until=2100-01-01&limit=2&count=exact&expand=author";
    let first = ann.get(&format!("/articles/?{query}")).await;
    assert_eq!(ids(&first), [own[0], own[1]]);
    assert_eq!(linked(&first, "prev"), None);
    let next = linked(&first, "next").unwrap();
    let second = ann.get(&next).await;
    assert_eq!(ids(&second), [own[3], own[4]]);
    assert_eq!(linked(&second, "next"), None);
    assert_eq!(second.header("x-total-count"), Some("4"));
    assert_eq!(second.json()[0]["author"], json!({ "id": ann.id, "username": "ann" }));
    assert_eq!(ids(&ann.get(&linked(&second, "prev").unwrap()).await), [own[0], own[1]]);

    let cursor = cursor(&next);
    for (further, fits) in [
        ("sort=created_at", true),
        ("author=ann&published=yes&since=2020-01-01T00:00:00Z", true),
        ("limit=1&expand=author", true),
        ("sort=-created_at", false),
        ("sort=updated_at", false),
        ("author=bob", false),
        ("author=", false),
        ("published=false", false),
        ("since=2020-01-02", false),
        ("until=2099-01-01", false),
        ("skip=0", false),
        ("skip=1", false),
    ] {
        let answer = ann.get(&format!("/articles/?{further}&cursor={cursor}")).await;
        if fits {
            assert_eq!(ids(&answer)[0], own[3], "{further}");
        } else {
            assert_eq!(
                answer.validation_errors(),
                [("value_error".to_owned(), json!(["query", "cursor"]))],
                "{further}"
            );
        }
    }
    // A cursor is a place, not a permission.
    let mine = ann.get("/articles/?sort=created_at&limit=1").await;
    let next = linked(&mine, "next").unwrap();
    for stranger in [&app.anonymous(), &bob] {
        for _ in 0..3 {
            assert!(
                stranger.get(&next).await.json().as_array().unwrap().iter().all(|a| a["published"] == true)
            );
        }
    }
    assert!(!listed(&bob, &format!("limit=1000&cursor={}", self::cursor(&next))).await.contains(&own[2]));
}

#[actix_web::test]
async fn what_is_no_cursor_is_told_so() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for _ in 0..3 {
        ann.write(Published::Yes).await.json;
    }
    let target = linked(&ann.get("/articles/?limit=1&author=ann&since=2020-01-01").await, "next").unwrap();
    let genuine = cursor(&target);
    let said: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(&genuine).unwrap()).unwrap();
    let forged = |change: &dyn Fn(&mut Value)| {
        let mut said = said.clone();
        change(&mut said);
        BASE64_URL_SAFE_NO_PAD.encode(said.to_string())
    };
    assert_eq!(listed(&ann, &format!("cursor={}", forged(&|_| {}))).await.len(), 2);

    let far = i64::MAX;
    // In the year -4800, which PostgreSQL doesn't know, and in the year 99999, which SQLite puts before all others.
    let (long_ago, far_off) = (-213_000_000_000_000_000_i64, 3_093_500_000_000_000_000_i64);
    let mut bad = vec![
        String::new(),
        "x".to_owned(),
        "!!!!".to_owned(),
        format!("{genuine}="),
        format!("{genuine}AA"),
        genuine[1..].to_owned(),
        genuine[..genuine.len() - 2].to_owned(),
        genuine.repeat(50),
        BASE64_URL_SAFE_NO_PAD.encode("null"),
        BASE64_URL_SAFE_NO_PAD.encode("[".repeat(1000)),
        forged(&|said| said["more"] = 1.into()),
        forged(&|said| said["l"]["more"] = 1.into()),
        forged(&|said| said["l"]["s"] = "title".into()),
        forged(&|said| said["d"] = "x".into()),
        forged(&|said| said["t"] = "now".into()),
        forged(&|said| said["t"] = 1.5.into()),
        forged(&|said| said["i"] = (1_i64 << 31).into()),
        forged(&|said| drop(said.as_object_mut().unwrap().remove("i"))),
        forged(&|said| said["l"]["p"] = "yes".into()),
        forged(&|said| said["l"]["a"] = "a".repeat(4000).into()),
        forged(&|said| said["l"]["a"] = "a\0".into()),
    ];
    for moment in [far, -far, long_ago, far_off] {
        bad.push(forged(&|said| said["t"] = moment.into()));
        bad.push(forged(&|said| said["l"]["f"] = moment.into()));
        bad.push(forged(&|said| said["l"]["u"] = moment.into()));
    }
    for cursor in bad {
        let answer = app.anonymous().get(&format!("/articles/?cursor={}", encoded(&cursor))).await;
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(&cursor).unwrap_or_default();
        let seen = format!("{cursor}: {}", String::from_utf8_lossy(&decoded));
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{seen}: {}", answer.text());
        assert_eq!(
            answer.validation_errors(),
            [("value_error".to_owned(), json!(["query", "cursor"]))],
            "{seen}"
        );
    }
    // Whatever a letter is changed to, the answer is none of a server that failed.
    for at in 0..genuine.len() {
        let letter = if &genuine[at..=at] == "A" { "Z" } else { "A" };
        let cursor = format!("{}{letter}{}", &genuine[..at], &genuine[at + 1..]);
        let status = app.anonymous().get(&format!("/articles/?cursor={cursor}")).await.status;
        assert!([StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY].contains(&status), "{cursor}: {status}");
    }
}

#[actix_web::test]
async fn totals_are_told_when_asked_for_and_count_what_the_viewer_may_see() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    for number in 0..6 {
        ann.write(Published::when(number % 3 != 0)).await.json;
        bob.write(Published::when(number % 2 == 0)).await.json;
    }
    let stranger = app.anonymous();
    for target in ["/articles/", "/articles/?limit=0", "/articles/?limit=1&sort=updated_at"] {
        assert_eq!(stranger.get(target).await.header("x-total-count"), None, "{target}");
    }
    for (viewer, query, total) in [
        (&stranger, "limit=2", "7"),
        (&stranger, "limit=0", "7"),
        (&stranger, "skip=100", "7"),
        (&stranger, "author=ann", "4"),
        (&stranger, "author=nobody", "0"),
        (&stranger, "published=false", "0"),
        (&ann, "", "9"),
        (&ann, "published=false", "2"),
        (&ann, "author=bob", "3"),
        (&bob, "sort=-updated_at&limit=1", "10"),
        (&bob, "author=bob&published=true", "3"),
        (&stranger, "since=2100-01-01", "0"),
    ] {
        let answer = viewer.get(&format!("/articles/?count=exact&{query}")).await;
        answer.expect(StatusCode::OK);
        assert_eq!(answer.header("x-total-count"), Some(total), "{query}");
    }
    let next = linked(&ann.get("/articles/?count=exact&limit=3").await, "next").unwrap();
    assert_eq!(ann.get(&next).await.header("x-total-count"), Some("9"));
    let empty = stranger.get("/articles/?limit=0").await;
    assert_eq!((ids(&empty).len(), empty.header("link")), (0, None));
}

#[actix_web::test]
async fn lists_are_narrowed_by_author_state_and_time() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let mut articles = Vec::new();
    for number in 0..6 {
        articles.push([&ann, &bob][number % 2].write(Published::when(number < 4)).await.json);
    }
    let id = |number: usize| articles[number]["id"].as_i64().unwrap();
    let stranger = app.anonymous();

    assert_eq!(listed(&stranger, "author=ann").await, [id(2), id(0)]);
    assert_eq!(listed(&ann, "author=ann").await, [id(4), id(2), id(0)]);
    assert_eq!(listed(&ann, "author=bob").await, [id(3), id(1)]);
    for name in ["Ann", "nobody", "", "ann%20", "%25", "a".repeat(500).as_str()] {
        assert_eq!(listed(&ann, &format!("author={name}")).await, [0; 0], "{name}");
    }
    assert_eq!(listed(&ann, "published=false").await, [id(4)]);
    assert_eq!(listed(&bob, "published=false").await, [id(5)]);
    assert_eq!(listed(&bob, "published=true").await, [id(3), id(2), id(1), id(0)]);
    assert_eq!(listed(&bob, "published=false&author=ann").await, [0; 0]);
    for query in ["published=false", "published=false&author=ann", "published=no&sort=updated_at"] {
        assert_eq!(stranger.get(&format!("/articles/?{query}")).await.json(), json!([]), "{query}");
    }

    let moment = |number: usize| articles[number]["created_at"].as_str().unwrap().to_owned();
    assert_eq!(listed(&stranger, &format!("since={}", moment(2))).await, [id(3), id(2)]);
    assert_eq!(listed(&stranger, &format!("until={}", moment(2))).await, [id(1), id(0)]);
    assert_eq!(listed(&stranger, &format!("since={}&until={}", moment(1), moment(3))).await, [id(2), id(1)]);
    assert_eq!(listed(&stranger, &format!("since={}&until={}", moment(3), moment(1))).await, [0; 0]);
    let query = format!("since={}&sort=updated_at&author=ann", moment(1));
    assert_eq!(listed(&ann, &query).await, [id(2), id(4)]);
    // The same moment elsewhere; a plus may come as it is.
    for hours in [5, -8] {
        let there = moment(2).parse::<DateTime<Utc>>().unwrap();
        let there = there.with_timezone(&FixedOffset::east_opt(hours * 3600).unwrap()).to_rfc3339();
        for there in [encoded(&there), there] {
            assert_eq!(listed(&stranger, &format!("since={there}")).await, [id(3), id(2)], "{there}");
        }
    }
    let today = moment(0).parse::<DateTime<Utc>>().unwrap().date_naive();
    let overmorrow = today + Days::new(2);
    assert_eq!(listed(&stranger, &format!("since={today}&until={overmorrow}")).await.len(), 4);
    assert_eq!(listed(&stranger, &format!("until={today}")).await, [0; 0]);
    assert_eq!(listed(&stranger, &format!("since={overmorrow}")).await, [0; 0]);
    assert_eq!(listed(&stranger, "since=0001-01-01&until=9999-12-31T23:59:59Z").await.len(), 4);

    for name in ["since", "until"] {
        for bad in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-02-30",
            "2026-11-23T10:00:00",
            "1700000000",
            "-4800-01-01",
            "+99999-01-01",
            "+262142-12-31",
            "9999-12-31T23:59:59-01:00",
        ] {
            let answer = stranger.get(&format!("/articles/?{name}={}", encoded(bad))).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}={bad}: {}", answer.text());
            assert_eq!(
                answer.validation_errors(),
                [("datetime_parsing".to_owned(), json!(["query", name]))],
                "{bad}"
            );
        }
    }
    for (query, kind) in [
        ("sort=title", "literal_error"),
        ("sort=", "literal_error"),
        ("count=yes", "literal_error"),
        ("expand=authors", "literal_error"),
        ("published=maybe", "bool_parsing"),
        ("author=%00", "string_pattern_mismatch"),
    ] {
        let name = query.split('=').next().unwrap();
        let faults = stranger.get(&format!("/articles/?{query}")).await.validation_errors();
        assert_eq!(faults, [(kind.to_owned(), json!(["query", name]))], "{query}");
    }
}

#[actix_web::test]
async fn public_drafts_are_listed_for_everyone_by_every_filter() {
    let app = TestApp::with(&[("PUBLIC_DRAFTS", "true")]).await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let drafts = [ann.write(Published::No).await.json, bob.write(Published::No).await.json];
    ann.write(Published::Yes).await.json;
    for viewer in [&app.anonymous(), &ann, &bob] {
        assert_eq!(viewer.get("/articles/?published=false&sort=created_at").await.json(), json!(drafts));
        assert_eq!(viewer.get("/articles/?published=false&author=ann").await.json(), json!([drafts[0]]));
    }
}

#[actix_web::test]
async fn authors_are_shown_where_they_are_asked_for() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let articles = [ann.write(Published::Yes).await.json, bob.write(Published::Yes).await.json];
    let stranger = app.anonymous();
    assert_eq!(stranger.get("/articles/?sort=created_at").await.json(), json!(articles));
    let expanded = stranger.get("/articles/?sort=created_at&expand=author").await.json();
    for (number, (author, name)) in [(&ann, "ann"), (&bob, "bob")].into_iter().enumerate() {
        let mut expected = articles[number].clone();
        expected["author"] = json!({ "id": author.id, "username": name });
        assert_eq!(expanded[number], expected);
        let target = format!("/articles/{}?expand=author", articles[number]["id"]);
        assert_eq!(stranger.get(&target).await.json(), expected);
    }
}
