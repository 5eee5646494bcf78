//! The rows of the table. Each row measures one operation of Byline and its limits, with targets for their
//! ratios.

use byline::{
    cli::seed,
    config::Engine,
    http::conditional::{EntityTag, RowState},
};
use serde_json::json;

use crate::{
    site::{Site, TAG},
    wrk::Request,
};

/// The load on a subject.
#[derive(Clone, Debug)]
pub(crate) enum Drive {
    /// Requests to Byline without its cache.
    App(Request),
    /// Requests to Byline with its cache, for articles that fit into the cache.
    Cached(Request),
    /// Requests to Byline on a site of [`SMALL`] articles, without its cache.
    Small(Request),
    /// Requests to actix without Byline.
    Plain(Request),
    /// Requests to another server with the same contract.
    Peer(Request),
    /// The statement of a read, run by pgbench.
    Pgbench,
    /// bcrypt on every core, without a server.
    Bcrypt,
}

/// A limit that Byline is compared with: one line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) drive: Drive,
    /// The minimum ratio of Byline's throughput to that of this subject.
    pub(crate) target: Option<f64>,
}

/// Byline and the limits that it is compared with, measured in turn.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) byline: Drive,
    pub(crate) limits: Vec<Subject>,
    /// The maximum ratio of the 99th percentile to the median.
    pub(crate) tail: Option<f64>,
    /// Whether the row has few requests per second. It is then measured with [`FEW`] clients and [`SLOW`]
    /// times as long.
    pub(crate) slow: bool,
}

/// The sizes of responses in bytes. Constant responses have the same sizes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) article: usize,
    pub(crate) page: usize,
    /// The page, compressed.
    pub(crate) brotli: usize,
    /// The Atom feed.
    pub(crate) feed: usize,
}

/// The number of articles that are read to measure the cache. Their responses fit into it.
pub(crate) const HOT: usize = 1000;

/// The state of all articles. It is not the first version, because a trigger renews the state of a change that
/// does not raise the version.
pub(crate) const KNOWN: RowState = RowState { version: 2, id: 1 };

/// The number of clients of a slow row. The server still processes the last requests of all clients while the
/// next subject is measured, so there must be few.
pub(crate) const FEW: u32 = 4;

/// The factor by which a slow row is measured longer.
pub(crate) const SLOW: u32 = 5;

/// The number of articles of a small site.
pub(crate) const SMALL: usize = 1000;

/// The name of the row that measures memory.
pub(crate) const MEMORY: &str = "memory, GET /articles/{id} a million times";

/// The number of random reads that the row for memory sends.
pub(crate) const MEMORY_REQUESTS: f64 = 1e6;

/// The name of the row that measures memory under mixed load.
pub(crate) const MIXED_MEMORY: &str = "memory, requests of all kinds";

/// Its target, in MiB.
pub(crate) const MIXED_TARGET: f64 = 96.0;

/// How long these are sent, as a multiple of a measurement.
pub(crate) const SOAK: u32 = 30;

/// The maximum growth of memory in the second half of these reads.
pub(crate) const FLAT: f64 = 1.05;

/// The maximum cost of a page deep in the list, or on a large site, relative to the first page or to a small
/// site.
const COST: f64 = 1.2;

/// The feed that is measured.
pub(crate) const FEED: &str = "/feeds/atom.xml";

/// The maximum ratio of the 99th percentile to the median for reads without the cache.
const TAIL: f64 = 6.0;

/// The other servers that are available for comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparisons {
    pub(crate) peer: bool,
    pub(crate) small: bool,
}

fn subject(name: &'static str, drive: Drive, target: Option<f64>) -> Subject {
    Subject { name, drive, target }
}

fn constant(bytes: usize) -> Request {
    Request::get(format!("/limits/constant/{bytes}/{{id}}"))
}

/// All rows of a site. Writes come last, because they change the site.
pub(crate) fn rows(
    site: &Site,
    engine: Engine,
    sizes: Sizes,
    cursor: &str,
    comparisons: Comparisons,
) -> Vec<Row> {
    let peer = |request: &Request, target| {
        comparisons.peer.then(|| subject("the peer", Drive::Peer(request.clone()), target))
    };

    let article = Request::get("/articles/{id}");
    let mut read = Row {
        name: "GET /articles/{id}".into(),
        byline: Drive::App(article.clone()),
        limits: vec![
            subject("bare sqlx", Drive::App(Request::get("/limits/articles/{id}")), Some(0.9)),
            subject("constant", Drive::App(constant(sizes.article)), None),
            subject("constant, bare actix", Drive::Plain(constant(sizes.article)), None),
        ],
        tail: Some(TAIL),
        slow: false,
    };
    if engine == Engine::Postgres {
        read.limits.push(subject("pgbench", Drive::Pgbench, None));
    }
    read.limits.extend(peer(&article, Some(10.0)));

    let list = |query: &str, target| {
        let request = Request::get(format!("/articles/?{query}"));
        let limit = Request::get(format!("/limits/articles?{query}"));
        let mut limits = vec![subject("bare sqlx", Drive::App(limit), target)];
        if comparisons.small && target.is_some() {
            limits.push(subject("1,000 articles", Drive::Small(request.clone()), Some(1.0 / COST)));
        }
        limits.extend(peer(&request, target.map(|_| 10.0)));
        Row {
            name: format!("GET /articles/?{query}"),
            byline: Drive::App(request),
            limits,
            tail: Some(TAIL),
            slow: false,
        }
    };
    let cached = |request: Request, bytes: usize, limit: &'static str| {
        let mut limits = vec![subject(limit, Drive::Cached(constant(bytes)), Some(0.6))];
        limits.extend(peer(&request, Some(20.0)));
        Row {
            name: format!("{} {}, cached", request.method, request.path),
            byline: Drive::Cached(request),
            limits,
            tail: None,
            slow: false,
        }
    };
    let known = article.clone().header("if-none-match", EntityTag::of_row(KNOWN).header().1);
    let unchanged = Row {
        name: "304 GET /articles/{id}, cached".into(),
        limits: vec![subject("an empty constant", Drive::Cached(constant(0)), Some(0.6))],
        ..cached(known, 0, "an empty constant")
    };
    let first = Request::get("/articles/?limit=20");
    let by_cursor = Row {
        name: "GET /articles/?cursor=…&limit=20, nine tenths deep".into(),
        byline: Drive::App(Request::get(format!("/articles/?limit=20&cursor={cursor}"))),
        limits: vec![subject("the first page", Drive::App(first.clone()), Some(1.0 / COST))],
        tail: Some(TAIL),
        slow: false,
    };
    let mut twenty = list("limit=20", Some(0.9));
    twenty.limits.insert(1, subject("constant", Drive::App(constant(sizes.page)), None));
    let deep = site.articles / 10 * 9;

    let brotli = cached(first.clone().header("accept-encoding", "br"), sizes.brotli, "constant");
    let mut rows = vec![
        cached(article.clone(), sizes.article, "constant"),
        cached(first, sizes.page, "constant"),
        cached(Request::get(FEED), sizes.feed, "constant"),
        Row { name: format!("{}, Brotli", brotli.name), ..brotli },
        unchanged,
        read,
        twenty,
        by_cursor,
        list("limit=100", Some(0.9)),
        // Queries that still run when their clients have disconnected would slow down the next row.
        Row { slow: true, ..list(&format!("skip={deep}&limit=20"), None) },
    ];
    rows.extend(publishing(&article));
    rows.extend(signed_in(site, engine));
    rows
}

/// Rows of what a blog needs beyond rows, next to the plain requests that they are compared with. Their targets leave
/// room below the first measurements.
fn publishing(article: &Request) -> [Row; 7] {
    let row = |request: &str, limit: Subject| Row {
        name: format!("GET {request}"),
        byline: Drive::App(Request::get(request)),
        limits: vec![limit],
        tail: Some(TAIL),
        slow: false,
    };
    let by_id = |target| subject("GET /articles/{id}", Drive::App(article.clone()), target);
    let first = || Drive::App(Request::get("/articles/?limit=20"));
    [
        row("/articles/by-slug/post-{id}", by_id(Some(0.7))),
        row("/articles/{id}?expand=html", by_id(Some(0.7))),
        row("/articles/{id}?expand=author,tags,html,excerpt", by_id(Some(0.4))),
        row("/articles/?limit=20&sort=-published_at", subject("the list by creation", first(), Some(0.8))),
        row(&format!("/articles/?limit=20&tag={TAG}"), subject("the whole list", first(), Some(0.25))),
        // One of a thousand articles has these words; the next ones are in almost every article.
        row("/search?q=analytical+engine&limit=20", by_id(Some(0.03))),
        Row { slow: true, tail: None, ..row("/search?q=dolor+sit&limit=20", by_id(None)) },
    ]
}

/// Requests of all kinds. The new articles have 10 KB, so that pages become large.
pub(crate) fn mixture(site: &Site) -> Vec<Request> {
    let token = format!("Bearer {}", site.token);
    let list = |query: &str| Request::get(format!("/articles/?{query}"));
    let deep = site.articles / 10 * 9;
    let mut requests = vec![
        Request::get("/articles/{id}"),
        Request::get("/articles/{id}").header("accept-encoding", "br"),
        list("limit=20").header("accept-encoding", "br"),
        list("limit=100&expand=author"),
        list(&format!("limit=20&skip={deep}&count=exact")),
        Request::get("/users/me"),
        Request::json("POST", "/articles/", new_article(10)),
        edit_article(),
    ];
    for request in requests.iter_mut().skip(4) {
        request.headers.push(("authorization", token.clone()));
    }
    requests.push(log_in(site));
    requests
}

/// An article of some KB. Its title is new as a rule: titles that many articles share make slugs that collide.
fn new_article(kilobytes: usize) -> String {
    let content = "It weaves. ".repeat(kilobytes * 91);
    json!({ "title": "Note {number}", "content": content, "published": true }).to_string()
}

fn edit_article() -> Request {
    Request::json("PATCH", "/articles/{id}", json!({ "title": "Note {number}" }).to_string())
}

fn log_in(site: &Site) -> Request {
    Request::form("/auth/login", format!("username={}&password={}", site.username, seed::PASSWORD))
}

/// The rows of a signed-in user. Writes come last.
fn signed_in(site: &Site, engine: Engine) -> Vec<Row> {
    let on_behalf = |request: Request, limit: &str, target| {
        let request = request.header("authorization", format!("Bearer {}", site.token));
        let bare = Request { path: limit.into(), ..request.clone() };
        Row {
            name: format!("{} {}", request.method, request.path),
            byline: Drive::App(request),
            limits: vec![subject("bare sqlx", Drive::App(bare), target)],
            tail: None,
            slow: false,
        }
    };
    let me = on_behalf(Request::get("/users/me"), "/limits/me", Some(0.8));
    let read = on_behalf(Request::get("/articles/{id}"), "/limits/signed-in/articles/{id}", Some(0.8));
    let read = Row { name: format!("{}, signed in", read.name), tail: Some(TAIL), ..read };
    let write = Request::json("POST", "/articles/", new_article(1));
    let create = on_behalf(write, "/limits/articles", (engine == Engine::Postgres).then_some(0.8));
    let edit = on_behalf(edit_article(), "/limits/articles/{id}", None);

    let login = Row {
        name: "POST /auth/login".into(),
        byline: Drive::App(log_in(site)),
        limits: vec![subject("bcrypt on every core", Drive::Bcrypt, Some(0.9))],
        tail: None,
        slow: true,
    };

    vec![me, read, create, edit, login]
}
