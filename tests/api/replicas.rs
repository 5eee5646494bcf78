//! Two servers and another process on one database: a write is never stale on the server that made it, and
//! shows on every other one within a bound.

use std::{
    cell::Cell,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use actix_web::http::{Method, StatusCode};
use fake::{
    Fake as _,
    rand::{SeedableRng as _, rngs::StdRng},
};
use futures_util::future::{join, join_all};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend};
use serde_json::{Value, json};

use crate::support::{BROTLI, CODINGS, Client, Published, Response, TestApp, print};

/// Most writes show on the other server this soon, if it is notified of them and the machine is not too busy.
const SOON: Duration = Duration::from_millis(100);

/// Two servers, and a connection of another process, on one database.
struct TwoServers {
    servers: [TestApp; 2],
    other_process: DatabaseConnection,
}

impl TwoServers {
    async fn start() -> Self {
        let first = TestApp::start().await;
        let other_process = first.database.connect().await;
        let second = first.another(&[]);
        Self { servers: [first, second], other_process }
    }

    fn staleness_bound(&self) -> Duration {
        self.servers[0].staleness_bound()
    }

    /// Sends a request until the response `is_fresh`, and fails if one that began after the bound is stale.
    async fn wait_until_fresh(
        &self,
        what: &str,
        written: Instant,
        send: impl AsyncFn() -> Response,
        is_fresh: impl Fn(&Response) -> bool,
    ) -> Response {
        loop {
            let begun = written.elapsed();
            let response = send().await;
            if is_fresh(&response) {
                return response;
            }
            assert!(begun < self.staleness_bound(), "{what} is stale {begun:?} after the write");
        }
    }
}

/// An author who writes at random, and remembers what anonymous clients must see of it.
struct RandomAuthor<'a> {
    two: &'a TwoServers,
    name: String,
    token: String,
    articles: BTreeMap<i64, Value>,
    random: StdRng,
    /// For each write and read: when the last stale read on the other server began, counted from the write.
    stale_for: Vec<Duration>,
    /// How many writes changed an article that the other server had in its cache.
    were_cached: usize,
}

impl<'a> RandomAuthor<'a> {
    async fn new(two: &'a TwoServers, name: &str, seed: u64) -> Self {
        let client = two.servers[0].sign_up(name).await;
        Self {
            two,
            name: name.to_owned(),
            token: client.token.unwrap(),
            articles: BTreeMap::new(),
            random: StdRng::seed_from_u64(seed),
            stale_for: Vec::new(),
            were_cached: 0,
        }
    }

    /// What an anonymous client must see: the article or 404, and the first page of the author's list.
    fn expected(&self, id: i64) -> [(String, Option<Value>); 2] {
        let is_public = |article: &&Value| article["published"] == true;
        let page = self.articles.values().rev().filter(is_public).take(5);
        [
            (format!("/articles/{id}"), self.articles.get(&id).filter(is_public).cloned()),
            (format!("/articles/?author={}&limit=5", self.name), Some(page.cloned().collect())),
        ]
    }

    /// Whether a server shows this in every coding.
    async fn shows(&self, server: usize, path: &str, expected: Option<&Value>) -> bool {
        let responses = CODINGS.map(|accepted| self.two.servers[server].read_as(path, accepted));
        join_all(responses).await.iter().all(|response| match expected {
            Some(expected) => response.status == StatusCode::OK && response.json() == *expected,
            None => response.status == StatusCode::NOT_FOUND,
        })
    }

    /// Fails if a read that begins after the bound is stale.
    async fn expect_fresh_within_bound(&mut self, server: usize, id: i64, written: Instant) {
        for (path, expected) in self.expected(id) {
            let mut stale_for = Duration::ZERO;
            loop {
                let begun = written.elapsed();
                if self.shows(server, &path, expected.as_ref()).await {
                    break;
                }
                assert!(begun < self.two.staleness_bound(), "{path} is stale {begun:?} after the write");
                stale_for = begun;
            }
            self.stale_for.push(stale_for);
        }
    }

    /// Creates, deletes, publishes, withdraws or edits an article on one of the servers, or past both.
    async fn write(&mut self) {
        let here: usize = (0..2).fake_with_rng(&mut self.random);
        let action: usize = (0..7).fake_with_rng(&mut self.random);
        let number: u32 = (0..1_000_000).fake_with_rng(&mut self.random);
        let at: usize = (0..1000).fake_with_rng(&mut self.random);
        let chosen = self.articles.values().nth(at % self.articles.len().max(1)).cloned();
        if let Some(article) = &chosen {
            let path = format!("/articles/{}", article["id"]);
            self.were_cached += usize::from(self.two.servers[1 - here].is_cached_as(&path, BROTLI));
        }
        match (action, chosen) {
            (0, _) | (_, None) => self.create(here, number).await,
            (1, Some(article)) => self.delete(here, &article, number).await,
            (2, Some(article)) => self.edit_past_the_servers(here, article, number).await,
            (3 | 4, Some(article)) => {
                let change = json!({ "published": article["published"] == false });
                self.edit(here, &article, &change, number).await;
            }
            (_, Some(article)) => {
                self.edit(here, &article, &json!({ "title": number.to_string() }), number).await;
            }
        }
    }

    async fn create(&mut self, here: usize, number: u32) {
        // Some responses are long enough to be compressed.
        let content = "0123456789".repeat(if number.is_multiple_of(3) { 1 } else { 100 });
        let published = !number.is_multiple_of(4);
        let body = json!({ "title": number.to_string(), "content": content, "published": published });
        let article = self.client(here).create(&body).await;
        self.articles.insert(article.id, article.json);
        self.expect_shown(here, article.id, number).await;
    }

    async fn delete(&mut self, here: usize, article: &Value, number: u32) {
        let id = article["id"].as_i64().unwrap();
        self.client(here).delete(&format!("/articles/{id}")).await.expect(StatusCode::NO_CONTENT);
        self.articles.remove(&id);
        self.expect_shown(here, id, number).await;
    }

    async fn edit(&mut self, here: usize, article: &Value, change: &Value, number: u32) {
        let id = article["id"].as_i64().unwrap();
        let edited = self.client(here).patch(&format!("/articles/{id}"), change).await.expect(StatusCode::OK);
        self.articles.insert(id, edited);
        self.expect_shown(here, id, number).await;
    }

    /// No server acknowledges such a write, so both may be stale within the bound.
    async fn edit_past_the_servers(&mut self, here: usize, mut article: Value, number: u32) {
        let id = article["id"].as_i64().unwrap();
        let statement = format!("UPDATE articles SET title = '{number}' WHERE id = {id}");
        self.two.other_process.execute_unprepared(&statement).await.unwrap();
        let written = Instant::now();
        article["title"] = number.to_string().into();
        self.articles.insert(id, article);
        self.expect_fresh_within_bound(here, id, written).await;
        self.expect_fresh_within_bound(1 - here, id, written).await;
    }

    /// Fails unless the server that wrote shows the write at once, and the other one within the bound.
    async fn expect_shown(&mut self, here: usize, id: i64, number: u32) {
        let written = Instant::now();
        let mut reads = self.expected(id);
        if number.is_multiple_of(2) {
            reads.reverse();
        }
        for (path, expected) in &reads {
            let is_fresh = self.shows(here, path, expected.as_ref()).await;
            assert!(is_fresh, "{path} is stale on the server that wrote it; expected {expected:?}");
        }
        self.expect_fresh_within_bound(1 - here, id, written).await;
    }

    fn client(&self, server: usize) -> Client {
        self.two.servers[server].anonymous().with_token(&self.token)
    }
}

#[actix_web::test]
async fn a_write_shows_at_once_on_its_server_and_soon_on_every_other() {
    const WRITES: usize = 60;
    let two = TwoServers::start().await;
    let mut authors = Vec::new();
    for (seed, name) in (1..).zip(["ann", "bob", "eve"]) {
        authors.push(RandomAuthor::new(&two, name, seed).await);
    }
    for server in &two.servers {
        server.fill_cache("/articles/").await;
    }
    let writing = Cell::new(true);
    let clients = two.servers.each_ref().map(TestApp::anonymous);
    // Anonymous clients keep the pages that all authors share in the caches, and never see a draft.
    let reading = clients.iter().flat_map(|client| {
        ["/articles/?limit=20", "/articles/?sort=-updated_at&limit=20"].map(async |page| {
            while writing.get() {
                let listed = client.get(page).await.expect(StatusCode::OK);
                for article in listed.as_array().unwrap() {
                    assert_eq!(article["published"], true, "{page}");
                }
            }
        })
    });
    let all_writes = async {
        join_all(authors.iter_mut().map(async |author| {
            for _ in 0..WRITES {
                author.write().await;
            }
        }))
        .await;
        writing.set(false);
    };
    join(all_writes, join_all(reading)).await;

    let stale_for: Vec<Duration> = authors.iter().flat_map(|author| author.stale_for.clone()).collect();
    let longest = stale_for.iter().max().unwrap();
    let late = stale_for.iter().filter(|stale_for| **stale_for > SOON).count();
    let were_cached: usize = authors.iter().map(|author| author.were_cached).sum();
    print(&format!(
        "cache: {} writes, {were_cached} of them to articles in the other server's cache; the last stale read there began \
         {longest:?} after its write, {late} later than {SOON:?}",
        WRITES * authors.len()
    ));
    // A poll may take longer than a notification.
    let is_notified = two.servers[0].database.engine() == DbBackend::Postgres;
    assert!(!is_notified || late * 20 <= stale_for.len(), "{late} of {}", stale_for.len());
    assert!(were_cached > WRITES / 6, "too few writes changed a cached article: {were_cached}");
}

#[actix_web::test]
async fn what_another_process_writes_shows_within_the_bound() {
    const COPY: &str = "INSERT INTO articles (title, content, published, author_id, created_at, updated_at)";
    let two = TwoServers::start().await;
    let ann = two.servers[0].sign_up("ann").await;
    let [first, _] = [ann.write(Published::Yes).await, ann.write(Published::Yes).await];
    for (statement, left) in [
        (format!("UPDATE articles SET published = FALSE WHERE id = {}", first.id), 1),
        ("UPDATE articles SET published = TRUE".to_owned(), 2),
        (format!("{COPY} SELECT 'copy', content, TRUE, author_id, created_at, updated_at FROM articles"), 4),
        // More rows than one notification lists one by one.
        (
            format!(
                "{COPY} SELECT 'many', a.content, TRUE, a.author_id, a.created_at, a.updated_at \
                 FROM articles a, articles b, articles c, articles d"
            ),
            260,
        ),
        (format!("DELETE FROM articles WHERE id <> {}", first.id), 1),
        (format!("DELETE FROM users WHERE id = {}", ann.id), 0),
    ] {
        for server in &two.servers {
            server.fill_cache("/articles/?limit=1000").await;
        }
        two.other_process.execute_unprepared(&statement).await.unwrap();
        let written = Instant::now();
        for server in &two.servers {
            let read = async || server.anonymous().get("/articles/?limit=1000").await;
            let is_fresh = |response: &Response| response.json().as_array().unwrap().len() == left;
            two.wait_until_fresh(&statement, written, read, is_fresh).await;
        }
    }
    for server in &two.servers {
        assert_eq!(server.anonymous().get(&first.path()).await.status, StatusCode::NOT_FOUND);
    }
}

/// Reads each path on both servers, lets another process write, and expects what each path then does.
async fn expect_tags_after(statement: &str, changed: &[&str], unchanged: &[&str]) {
    let two = TwoServers::start().await;
    let article = two.servers[0].sign_up("ann").await.write(Published::Yes).await;
    assert_eq!(article.path(), ARTICLE);
    let mut before = Vec::new();
    for server in &two.servers {
        for path in changed.iter().chain(unchanged) {
            before.push((server, *path, server.fill_cache(path).await));
        }
    }

    two.other_process.execute_unprepared(statement).await.unwrap();
    let written = Instant::now();

    for (server, path, old) in before {
        let client = server.anonymous();
        let read = async || client.request(Method::GET, path).if_none_match(&old.tag()).send().await;
        if unchanged.contains(&path) {
            assert_eq!(read().await.status, StatusCode::NOT_MODIFIED, "{path}");
            continue;
        }
        let is_fresh = |response: &Response| response.status != StatusCode::NOT_MODIFIED;
        let fresh = two.wait_until_fresh(path, written, read, is_fresh).await;
        assert_ne!(fresh.expect(StatusCode::OK), old.json(), "{path}");
        assert_ne!(fresh.tag(), old.tag(), "{path}");
    }
}

const ARTICLE: &str = "/articles/1";
const LIST: &str = "/articles/";
const EXPANDED_ARTICLE: &str = "/articles/1?expand=author";
const EXPANDED_LIST: &str = "/articles/?expand=author";
const LIST_BY_AUTHOR: &str = "/articles/?author=ann";

#[actix_web::test]
async fn an_edit_by_another_process_changes_every_tag_of_the_article() {
    let changed = [ARTICLE, LIST, EXPANDED_ARTICLE, EXPANDED_LIST, LIST_BY_AUTHOR];
    expect_tags_after("UPDATE articles SET title = 'by hand'", &changed, &[]).await;
}

#[actix_web::test]
async fn a_rename_by_another_process_changes_the_tags_that_depend_on_the_name() {
    let changed = [EXPANDED_ARTICLE, EXPANDED_LIST, LIST_BY_AUTHOR];
    expect_tags_after("UPDATE users SET username = 'eve'", &changed, &[ARTICLE, LIST]).await;
}
