//! Several servers, and others, on one database: what one writes is never stale on it, and soon fresh on every other one.

use std::{
    cell::Cell,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use actix_web::{
    http::{Method, StatusCode},
    rt::time::sleep,
};
use byline::http::{
    cache::listener::{PATIENCE as SILENCE, POLL_PATIENCE},
    compression::Coding,
};
use fake::{
    Fake as _,
    rand::{SeedableRng as _, rngs::StdRng},
};
use futures_util::future::{join, join_all};
use sea_orm::{
    ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement, TransactionTrait as _,
};
use serde_json::{Value, json};

use crate::{
    cache::{CODINGS, path, read, warm},
    proxy::Proxy,
    support::{Client, Place, TestApp, not_run, say, until},
};

/// After this a write shows on every server that hears of it, unless the machine has no time for it.
const SOON: Duration = Duration::from_millis(100);

/// Whatever a server with the database behind a broken wire answers, it answers within seconds.
const IMPATIENT: [(&str, &str); 4] = [
    ("ACQUIRE_TIMEOUT_SECONDS", "1"),
    ("STATEMENT_TIMEOUT_SECONDS", "1"),
    ("REQUEST_TIMEOUT_SECONDS", "2"),
    ("DATABASE_CONNECTIONS", "4"),
];

/// Within which a write elsewhere shows, whatever happens.
fn bound() -> Duration {
    if Place::is_postgres() { SILENCE } else { POLL_PATIENCE }
}

/// Two servers on one database, and a way to it past both.
struct Two {
    servers: [TestApp; 2],
    behind: DatabaseConnection,
}

impl Two {
    async fn start() -> Self {
        let place = Place::new().await;
        let url = place.url();
        let first = TestApp::on(place, &[]);
        migration::up(&first.db.pool()).await.unwrap();
        let second = TestApp::on(Place::new().await, &[("DATABASE_URL", &url)]);
        Self { servers: [first, second], behind: Database::connect(&url).await.unwrap() }
    }

    fn strangers(&self) -> [Client; 2] {
        [self.servers[0].anonymous(), self.servers[1].anonymous()]
    }
}

/// One author of a random story, who remembers what strangers must see of it.
struct Author<'a> {
    two: &'a Two,
    name: String,
    token: String,
    articles: BTreeMap<i64, Value>,
    random: StdRng,
    /// Between each write and the last read elsewhere that did not show it.
    stale_for: Vec<Duration>,
    /// How often what was written lay in the other server's memory.
    were_kept: usize,
}

impl<'a> Author<'a> {
    async fn new(two: &'a Two, name: &str, seed: u64) -> Self {
        let client = two.servers[0].sign_up(name).await;
        Self {
            two,
            name: name.to_owned(),
            token: client.token.unwrap(),
            articles: BTreeMap::new(),
            random: StdRng::seed_from_u64(seed),
            stale_for: Vec::new(),
            were_kept: 0,
        }
    }

    fn list(&self) -> String {
        format!("/articles/?author={}&limit=5", self.name)
    }

    /// What a stranger must see: the article or 404, and the first page of the list.
    fn expected(&self, id: i64) -> [(String, Option<Value>); 2] {
        let article = self.articles.get(&id).filter(|article| article["published"] == true);
        let page = self.articles.values().rev().filter(|article| article["published"] == true).take(5);
        [
            (format!("/articles/{id}"), article.cloned()),
            (self.list(), Some(page.cloned().collect::<Vec<_>>().into())),
        ]
    }

    async fn shows(&self, server: usize, path: &str, expected: Option<&Value>) -> bool {
        let answers = CODINGS.map(|(takes, _)| read(&self.two.servers[server], path, takes));
        join_all(answers).await.iter().all(|answer| match expected {
            Some(expected) => answer.status == StatusCode::OK && answer.json() == *expected,
            None => answer.status == StatusCode::NOT_FOUND,
        })
    }

    /// No read that begins later than the bound after `written` is stale.
    async fn converges(&mut self, server: usize, id: i64, written: Instant) {
        for (path, expected) in self.expected(id) {
            let mut stale_for = Duration::ZERO;
            loop {
                let begun = written.elapsed();
                if self.shows(server, &path, expected.as_ref()).await {
                    break;
                }
                assert!(begun < bound(), "{path} is stale {begun:?} after the write");
                stale_for = begun;
            }
            self.stale_for.push(stale_for);
        }
    }

    async fn step(&mut self) {
        let here: usize = (0..2).fake_with_rng(&mut self.random);
        let what: usize = (0..7).fake_with_rng(&mut self.random);
        let number: u32 = (0..1_000_000).fake_with_rng(&mut self.random);
        let among: usize = (0..1000).fake_with_rng(&mut self.random);
        let chosen = self.articles.values().nth(among % self.articles.len().max(1)).cloned();
        let client = self.two.servers[here].anonymous().with_token(&self.token);
        let elsewhere = self.two.servers[1 - here].cache();
        if let Some(article) = &chosen {
            self.were_kept += usize::from(elsewhere.get(&path(article), Some(Coding::Brotli)).is_some());
        }
        let id = match (what, chosen) {
            (0, _) | (_, None) => {
                let published = !number.is_multiple_of(4);
                // Of some the answers are compressed.
                let content = "0123456789".repeat(if number.is_multiple_of(3) { 1 } else { 100 });
                let body = json!({ "title": number.to_string(), "content": content, "published": published });
                let article = client.post("/articles/", &body).await.expect(StatusCode::CREATED);
                let id = article["id"].as_i64().unwrap();
                self.articles.insert(id, article);
                id
            }
            (1, Some(article)) => {
                client.delete(&path(&article)).await.expect(StatusCode::NO_CONTENT);
                let id = article["id"].as_i64().unwrap();
                self.articles.remove(&id);
                id
            }
            (2, Some(mut article)) => {
                let id = article["id"].as_i64().unwrap();
                let statement = format!("UPDATE articles SET title = '{number}' WHERE id = {id}");
                self.two.behind.execute_unprepared(&statement).await.unwrap();
                let written = Instant::now();
                article["title"] = number.to_string().into();
                self.articles.insert(id, article);
                // Nobody acknowledged it: either server has the time of one that must hear.
                self.converges(here, id, written).await;
                self.converges(1 - here, id, written).await;
                return;
            }
            (_, Some(article)) => {
                let change = if what < 5 {
                    json!({ "published": article["published"] == false })
                } else {
                    json!({ "title": number.to_string() })
                };
                let article = client.patch(&path(&article), &change).await.expect(StatusCode::OK);
                let id = article["id"].as_i64().unwrap();
                self.articles.insert(id, article);
                id
            }
        };
        let written = Instant::now();
        let mut reads = self.expected(id);
        if number.is_multiple_of(2) {
            reads.reverse();
        }
        for (path, expected) in &reads {
            let fresh = self.shows(here, path, expected.as_ref()).await;
            assert!(fresh, "{path} is stale on the server that wrote it; expected {expected:?}");
        }
        self.converges(1 - here, id, written).await;
    }
}

#[actix_web::test]
async fn the_next_read_shows_a_write_and_every_other_server_soon() {
    const STEPS: usize = 60;
    let two = Two::start().await;
    let mut authors = Vec::new();
    for (seed, name) in (1..).zip(["ann", "bob", "eve"]) {
        authors.push(Author::new(&two, name, seed).await);
    }
    for server in &two.servers {
        warm(server, "/articles/").await;
    }
    let writing = Cell::new(true);
    let strangers = two.strangers();
    // Strangers keep the pages that all authors share in memory, and see no draft in them.
    let reading = strangers.iter().flat_map(|stranger| {
        ["/articles/?limit=20", "/articles/?sort=-updated_at&limit=20"].map(async |page| {
            while writing.get() {
                let listed = stranger.get(page).await.expect(StatusCode::OK);
                for article in listed.as_array().unwrap() {
                    assert_eq!(article["published"], true, "{page}");
                }
            }
        })
    });
    let stories = async {
        join_all(authors.iter_mut().map(async |author| {
            for _ in 0..STEPS {
                author.step().await;
            }
        }))
        .await;
        writing.set(false);
    };
    join(stories, join_all(reading)).await;
    let stale_for: Vec<Duration> = authors.iter().flat_map(|author| author.stale_for.clone()).collect();
    let longest = stale_for.iter().max().unwrap();
    let late = stale_for.iter().filter(|stale_for| **stale_for > SOON).count();
    let were_kept: usize = authors.iter().map(|author| author.were_kept).sum();
    say(&format!(
        "cache: {} writes, {were_kept} of them to what the other server had in memory; the last stale read there begun {longest:?} after its write, {late} later than {SOON:?}",
        STEPS * authors.len()
    ));
    // A poll may take longer than a notification.
    assert!(!Place::is_postgres() || late * 20 <= stale_for.len(), "{late} of {}", stale_for.len());
    assert!(were_kept > STEPS / 6, "hardly anything was in memory: {were_kept}");
}

/// The second of two servers has its database at the other end of a wire.
async fn behind_a_wire(story: &str) -> Option<(TestApp, TestApp, Proxy)> {
    if !Place::is_postgres() {
        not_run(story, "needs PostgreSQL, SQLite has no connection to lose; set TEST_DATABASE_URL");
        return None;
    }
    let place = Place::new().await;
    let url = place.url();
    let (proxy, wired) = wired(&url);
    let whole = TestApp::on(place, &[]);
    migration::up(&whole.db.pool()).await.unwrap();
    Some((whole, impatient(&wired).await, proxy))
}

/// A wire to the database at `url`, and the address at this end.
fn wired(url: &str) -> (Proxy, String) {
    let authority = url.split("://").nth(1).unwrap().split('/').next().unwrap();
    let target = authority.rsplit('@').next().unwrap();
    let proxy = Proxy::to(target);
    let wired = url.replacen(target, &proxy.address().to_string(), 1);
    (proxy, wired)
}

async fn impatient(url: &str) -> TestApp {
    let settings: Vec<(&str, &str)> = IMPATIENT.into_iter().chain([("DATABASE_URL", url)]).collect();
    TestApp::on(Place::new().await, &settings)
}

#[actix_web::test]
async fn a_server_that_lost_its_listener_is_stale_no_longer_than_documented() {
    let Some((whole, lost, wire)) = behind_a_wire("a listener that is lost").await else { return };
    let ann = whole.sign_up("ann").await;
    let mut article = ann.write(true).await;
    let target = path(&article);
    let mut random = StdRng::seed_from_u64(1);
    let (mut stale, mut longest) = (0, Duration::ZERO);
    for round in 0..8 {
        assert_eq!(warm(&lost, &target).await.json(), article);
        warm(&lost, "/articles/").await;
        let pause: u64 = (0..600).fake_with_rng(&mut random);
        sleep(Duration::from_millis(pause)).await;
        // Every second time without a word.
        if round % 2 == 0 {
            wire.cut();
        } else {
            wire.die();
        }
        let pause: u64 = (0..300).fake_with_rng(&mut random);
        sleep(Duration::from_millis(pause)).await;

        let change = json!({ "title": format!("round {round}") });
        article = ann.patch(&target, &change).await.expect(StatusCode::OK);
        let written = Instant::now();
        // Asked until well after the bound; what can't be answered is no lie.
        let readers = [target.as_str(), "/articles/"].map(async |path| {
            let (mut stale, mut longest) = (0, Duration::ZERO);
            while written.elapsed() < SILENCE + Duration::from_millis(700) {
                let begun = written.elapsed();
                let answer = lost.anonymous().get(path).await;
                if answer.status == StatusCode::SERVICE_UNAVAILABLE {
                    continue;
                }
                let shown = answer.expect(StatusCode::OK);
                let shown = if shown.is_array() { &shown[0] } else { &shown };
                if *shown != article {
                    assert!(begun < SILENCE, "round {round}: {path} is stale {begun:?} after the write");
                    stale += 1;
                    longest = longest.max(begun);
                }
                sleep(Duration::from_millis(5)).await;
            }
            (stale, longest)
        });
        for (reads, latest) in join_all(readers).await {
            stale += reads;
            longest = longest.max(latest);
        }
        wire.mend();
        until("the server answers again", async || {
            lost.anonymous().get("/articles/").await.status == StatusCode::OK
        })
        .await;
    }
    assert_eq!(warm(&lost, &target).await.json(), article);
    say(&format!(
        "cache: a listener lost eight times, {stale} stale reads, the last begun {longest:?} after its write"
    ));
    // Else nothing was tried.
    assert!(stale > 0);
}

#[actix_web::test]
async fn a_listener_whose_wire_dies_while_it_is_set_up_listens_again() {
    let story = "a listener that is lost while it is set up";
    let Some((whole, _lost, _wire)) = behind_a_wire(story).await else { return };
    let article = whole.sign_up("ann").await.write(true).await;
    let url = whole.settings.database.url.expose().to_owned();
    let behind = Database::connect(&url).await.unwrap();
    let watching = Database::connect(&url).await.unwrap();

    // The wire dies while the database has not answered the question for the triggers.
    let lock = behind.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE pg_trigger IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let (wire, wired) = wired(&url);
    let lost = impatient(&wired).await;
    until("the listener waits for an answer", async || {
        let waiting =
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let waiting = Statement::from_string(DbBackend::Postgres, waiting);
        watching.query_one_raw(waiting).await.unwrap().is_some()
    })
    .await;
    wire.die();
    lock.rollback().await.unwrap();
    sleep(SOON).await;
    wire.mend();
    until("the server answers again", async || {
        lost.anonymous().get(&path(&article)).await.status == StatusCode::OK
    })
    .await;
    warm(&lost, &path(&article)).await;
}

#[actix_web::test]
async fn what_another_process_does_to_the_database_is_seen() {
    let two = Two::start().await;
    let ann = two.servers[0].sign_up("ann").await;
    let articles = [ann.write(true).await, ann.write(true).await];
    for (statement, left) in [
        (format!("UPDATE articles SET published = FALSE WHERE id = {}", articles[0]["id"]), 1),
        ("UPDATE articles SET published = TRUE".to_owned(), 2),
        ("INSERT INTO articles (title, content, published, author_id, created_at, updated_at) \
          SELECT 'by hand', content, TRUE, author_id, created_at, updated_at FROM articles".to_owned(), 4),
        // More than one notification names one by one.
        ("INSERT INTO articles (title, content, published, author_id, created_at, updated_at) \
          SELECT 'many', a.content, TRUE, a.author_id, a.created_at, a.updated_at FROM articles a, articles b, articles c, articles d".to_owned(), 260),
        (format!("DELETE FROM articles WHERE id <> {}", articles[0]["id"]), 1),
        (format!("DELETE FROM users WHERE id = {}", ann.id), 0),
    ] {
        for server in &two.servers {
            warm(server, "/articles/?limit=1000").await;
        }
        two.behind.execute_unprepared(&statement).await.unwrap();
        let written = Instant::now();
        for server in &two.servers {
            loop {
                let begun = written.elapsed();
                let listed = server.anonymous().get("/articles/?limit=1000").await.json();
                if listed.as_array().unwrap().len() == left {
                    break;
                }
                assert!(begun < bound(), "{} are shown {begun:?} after {statement}", listed.as_array().unwrap().len());
            }
        }
    }
    let answers = two.strangers().map(async |stranger| stranger.get(&path(&articles[0])).await.status);
    assert_eq!(join_all(answers).await, [StatusCode::NOT_FOUND; 2]);
}

#[actix_web::test]
async fn what_another_process_changes_has_another_tag() {
    let two = Two::start().await;
    let ann = two.servers[0].sign_up("ann").await;
    let article = path(&ann.write(true).await);
    let plain = [article.as_str(), "/articles/"].map(str::to_owned);
    let expanded = plain.each_ref().map(|path| format!("{path}?expand=author"));
    let by_name = ["/articles/?author=ann".to_owned()];
    for (statement, other, same) in [
        ("UPDATE articles SET title = 'by hand'", [plain.as_slice(), &expanded, &by_name].concat(), vec![]),
        ("UPDATE users SET username = 'eve'", [expanded.as_slice(), &by_name].concat(), plain.to_vec()),
    ] {
        let mut had = Vec::new();
        for server in &two.servers {
            for path in other.iter().chain(&same) {
                had.push((server, path, warm(server, path).await));
            }
        }
        two.behind.execute_unprepared(statement).await.unwrap();
        let written = Instant::now();
        for (server, path, had) in had {
            let tag = had.header("etag").unwrap();
            let ask =
                async || server.anonymous().send(Method::GET, path, &[("if-none-match", tag)], None).await;
            if same.contains(path) {
                assert_eq!(ask().await.status, StatusCode::NOT_MODIFIED, "{path} after {statement}");
                continue;
            }
            let fresh = loop {
                let begun = written.elapsed();
                let answer = ask().await;
                if answer.status != StatusCode::NOT_MODIFIED {
                    break answer;
                }
                assert!(begun < bound(), "{path} is unchanged {begun:?} after {statement}");
            };
            assert_ne!(fresh.expect(StatusCode::OK), had.json(), "{path} after {statement}");
            assert_ne!(fresh.header("etag"), Some(tag), "{path} after {statement}");
        }
    }
}

#[actix_web::test]
async fn nothing_is_kept_where_a_trigger_is_missing() {
    if !Place::is_postgres() {
        not_run(
            "a cache without triggers",
            "needs PostgreSQL, SQLite has no listener; set TEST_DATABASE_URL",
        );
        return;
    }
    for (table, trigger) in [("articles", "articles_updated"), ("users", "users_renamed")] {
        let whole = TestApp::start().await;
        let article = path(&whole.sign_up("ann").await.write(true).await);
        warm(&whole, &article).await;
        whole.sql(&format!("ALTER TABLE {table} DISABLE TRIGGER {trigger}")).await;
        let url = whole.settings.database.url.expose().to_owned();
        let deaf = TestApp::on(Place::new().await, &[("DATABASE_URL", &url)]);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(1) {
            deaf.anonymous().get(&article).await.expect(StatusCode::OK);
            assert!(deaf.cache().get(&article, None).is_none(), "{trigger} is missing");
        }
        whole.sql(&format!("ALTER TABLE {table} ENABLE TRIGGER {trigger}")).await;
        warm(&deaf, &article).await;
    }
}
