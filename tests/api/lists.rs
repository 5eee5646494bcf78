//! Lists: orders, filters, totals, and pages that lose and repeat nothing while others write.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use chrono::{DateTime, Days, FixedOffset, Utc};
use fake::{
    Fake as _,
    rand::{SeedableRng as _, rngs::StdRng},
};
use serde_json::json;

use crate::support::{Client, Published, Response, TestApp};

pub(crate) const SORTS: [&str; 4] = ["-created_at", "created_at", "-updated_at", "updated_at"];

/// The target of the page that a `Link` header names.
pub(crate) fn linked(answer: &Response, rel: &str) -> Option<String> {
    let wanted = format!("rel=\"{rel}\"");
    answer.header("link")?.split(", ").find_map(|link| {
        let (target, parameters) = link.split_once("; ").unwrap();
        (parameters == wanted).then(|| target.trim_matches(['<', '>']).to_owned())
    })
}

pub(crate) fn cursor(target: &str) -> String {
    let query = target.split_once('?').unwrap().1;
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "cursor").unwrap().1.into_owned()
}

pub(crate) fn ids(answer: &Response) -> Vec<i64> {
    let listed = answer.expect(StatusCode::OK);
    listed.as_array().unwrap().iter().map(|article| article["id"].as_i64().unwrap()).collect()
}

pub(crate) async fn listed(client: &Client, query: &str) -> Vec<i64> {
    ids(&client.get(&format!("/articles/?{query}")).await)
}

pub(crate) fn encoded(value: &str) -> String {
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
