//! What is measured: each row one thing that Byline does, the limits beside it, and what is asked of their ratio.

use byline::{cli::seed, config::Engine};
use serde_json::json;

use crate::{site::Site, wrk::Request};

/// How a subject is driven.
#[derive(Clone, Debug)]
pub(crate) enum Drive {
    /// Requests to Byline's app, its cache off.
    App(Request),
    /// Requests to Byline's app with its cache, for articles of which it holds each.
    Cached(Request),
    /// Requests to Byline's app on a site of [`SMALL`] articles, its cache off.
    Small(Request),
    /// Requests to actix without Byline.
    Plain(Request),
    /// Requests to another server with the same contract.
    Peer(Request),
    /// The statement of a read, by pgbench.
    Pgbench,
    /// bcrypt on every core, and nothing else.
    Bcrypt,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) drive: Drive,
    /// The least share of this one's throughput that Byline is to reach.
    pub(crate) target: Option<f64>,
}

/// Byline and what it is compared to, measured in turns.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) byline: Drive,
    pub(crate) limits: Vec<Subject>,
    /// The most that the 99th percentile may be of the median.
    pub(crate) tail: Option<f64>,
    /// Few requests a second: they take [`FEW`] clients and [`SLOW`] times as long to be counted.
    pub(crate) slow: bool,
}

/// The sizes of the answers that constants are made as long as, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) article: usize,
    pub(crate) page: usize,
    /// The page, compressed.
    pub(crate) brotli: usize,
}

/// Articles that are asked for where the cache is measured: their answers fit in it.
pub(crate) const HOT: usize = 1000;

/// Clients of a slow row: what more of them asked for before they left would be the first load of the next subject.
pub(crate) const FEW: u32 = 4;

/// How many times as long a slow row is measured.
pub(crate) const SLOW: u32 = 5;

/// Articles of a small site.
pub(crate) const SMALL: usize = 1000;

/// The row about memory.
pub(crate) const MEMORY: &str = "memory, GET /articles/{id} a million times";

/// So many reads of articles at random.
pub(crate) const MEMORY_REQUESTS: f64 = 1e6;

/// The most that memory may grow by in the second half of them.
pub(crate) const FLAT: f64 = 1.05;

/// The most that a page may cost, deep in the list or on a large site, of what the first page or a small site's costs.
const COST: f64 = 1.2;

/// The highest ratio of the 99th percentile to the median on reads that are not cached.
const TAIL: f64 = 6.0;

/// Which other servers there are to compare with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beside {
    pub(crate) peer: bool,
    pub(crate) small: bool,
}

fn subject(name: &'static str, drive: Drive, target: Option<f64>) -> Subject {
    Subject { name, drive, target }
}

fn constant(bytes: usize) -> Request {
    Request::get(format!("/limits/constant/{bytes}/{{id}}"))
}

/// Everything that is measured on a site. Writes come last: they change it.
pub(crate) fn rows(site: &Site, engine: Engine, sizes: Sizes, cursor: &str, beside: Beside) -> Vec<Row> {
    let peer = |request: &Request, target| {
        beside.peer.then(|| subject("the peer", Drive::Peer(request.clone()), target))
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
        if beside.small && target.is_some() {
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
    let known = article.clone().header("if-none-match", "\"v1\"");
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
        Row { name: format!("{}, Brotli", brotli.name), ..brotli },
        unchanged,
        read,
        twenty,
        by_cursor,
        list("limit=100", Some(0.9)),
        // What is still counting when its client has left would slow the next row down.
        Row { slow: true, ..list(&format!("skip={deep}&limit=20"), None) },
    ];
    rows.extend(signed_in(site, engine));
    rows
}

/// What an account does; writes come last.
fn signed_in(site: &Site, engine: Engine) -> Vec<Row> {
    let new = json!({ "title": "On the Analytical Engine", "content": "It weaves. ".repeat(91), "published": true });
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
    let me = on_behalf(Request::get("/users/me"), "/limits/me", None);
    let write = Request::json("POST", "/articles/", new.to_string());
    let create = on_behalf(write, "/limits/articles", (engine == Engine::Postgres).then_some(0.8));
    let patch = json!({ "title": "Note {number}" });
    let edit = Request::json("PATCH", "/articles/{id}", patch.to_string());
    let edit = on_behalf(edit, "/limits/articles/{id}", None);

    let form = format!("username={}&password={}", site.username, seed::PASSWORD);
    let form = Request::form("/auth/login", form);
    let login = Row {
        name: "POST /auth/login".into(),
        byline: Drive::App(form),
        limits: vec![subject("bcrypt on every core", Drive::Bcrypt, Some(0.9))],
        tail: None,
        slow: true,
    };

    vec![me, create, edit, login]
}
