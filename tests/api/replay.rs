//! Replays the recorded wire contract against a running server: every case of `tests/contract/cases.json`,
//! whose `about` says how requests are sent and responses compared.

mod compare;
mod wire;

use std::{collections::BTreeMap, fmt, net::SocketAddr, panic::resume_unwind, thread};

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use serde_json::Value;

use compare::{Context, Ids, compare, fill, json};
use wire::{Request, Response};

pub(crate) struct Report {
    pub(crate) ran: usize,
    pub(crate) failures: Vec<Failure>,
}

/// A case whose response differs from the contract.
pub(crate) struct Failure {
    pub(crate) name: String,
    pub(crate) rule: String,
    pub(crate) expected: String,
    /// What differs, then the response.
    pub(crate) got: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rule, expected, got } = self;
        write!(f, "{name} ({rule})\n  expected {expected}\n  got      {got}")
    }
}

/// Replays all cases against `addr`, where the users of the file exist and nothing else does.
///
/// Blocks until the last response; one case at a time.
///
/// # Panics
///
/// If the server fails at what every case begins with: logging in, writing, deleting and listing articles.
pub(crate) fn replay(addr: SocketAddr) -> Report {
    // The contract nests 500 levels deep and comparing recurses: that needs more than the usual stack.
    let thread = thread::Builder::new().stack_size(16 << 20).spawn(move || replay_all(addr));
    thread.unwrap().join().unwrap_or_else(|panic| resume_unwind(panic))
}

fn replay_all(addr: SocketAddr) -> Report {
    let contract = json(include_str!("../contract/cases.json").as_bytes(), true).unwrap();
    let mut replay = Replay { addr, contract: &contract, tokens: BTreeMap::new(), ids: Ids::new() };
    replay.prepare();
    let cases = contract["cases"].as_array().unwrap();
    let failures = cases.iter().filter_map(|case| {
        let got = replay.run(case).err()?;
        let or = case.get("or").map(|or| format!("\n  or       {}", excerpt(&or.to_string())));
        Some(Failure {
            name: text(&case["name"]).into(),
            rule: text(&case["rule"]).into(),
            expected: excerpt(&case["expect"].to_string()) + &or.unwrap_or_default(),
            got,
        })
    });
    Report { failures: failures.collect(), ran: cases.len() }
}

/// The server, and what every case finds there.
struct Replay<'a> {
    addr: SocketAddr,
    contract: &'a Value,
    tokens: BTreeMap<&'a str, String>,
    ids: Ids,
}

/// What cleaning up needs to know of an article.
struct Listed {
    id: i64,
    author: i64,
}

impl Replay<'_> {
    fn prepare(&mut self) {
        for name in ["alice", "bob"] {
            self.tokens.insert(name, self.log_in(&self.contract["users"][name]).unwrap());
        }
        for (symbol, name) in [("{GONE}", "GONE"), ("{A}", "A"), ("{B}", "B")] {
            let article = &self.contract["articles"][name];
            let id = self.write(text(&article["author"]), article).unwrap();
            self.ids.insert(symbol, id);
        }
        self.delete(self.ids["{GONE}"], "alice").unwrap();
        let left: Vec<_> = self.list().unwrap().iter().map(|article| article.id).collect();
        assert_eq!(left, [self.ids["{B}"], self.ids["{A}"]], "the database was not empty");
    }

    /// Runs one case from setting up to cleaning up; the error says what differs, and the response.
    fn run(&self, case: &Value) -> Result<(), String> {
        let mut ids = self.ids.clone();
        if let Some(user) = case["setup"].as_str() {
            ids.insert("{X}", self.write(user, &self.contract["articles"]["X"])?);
        }
        let request = self.request(&case["request"], &ids);
        let response = self.send(&request);
        let created: Vec<_> =
            self.list()?.into_iter().filter(|article| !ids.values().any(|id| *id == article.id)).collect();
        if let Some(article) = created.first() {
            ids.insert("{NEW}", article.id);
        }
        let comparison = response.and_then(|response| {
            self.check(case, &request, &response, &ids, created.len())
                .map_err(|difference| with_response(&difference, &response))
        });
        // Cleaned up in any case, so that one failure does not cause others.
        comparison.and(self.clean_up())
    }

    fn check(
        &self,
        case: &Value,
        request: &Request,
        response: &Response,
        ids: &Ids,
        created: usize,
    ) -> Result<(), String> {
        if created > usize::from((200..300).contains(&response.status)) {
            return Err(format!("{created} articles created"));
        }
        let context = Context {
            contract: self.contract,
            ids,
            sent: request.body.as_deref().unwrap_or_default(),
            preflight: request.method == "OPTIONS"
                && ["origin", "access-control-request-method"]
                    .iter()
                    .all(|wanted| request.headers.iter().any(|(name, _)| name == wanted)),
            now: now(),
        };
        if let Err(difference) = compare(&case["expect"], response, &context) {
            return match case.get("or") {
                Some(or) => {
                    compare(or, response, &context).map_err(|other| format!("{difference}; or {other}"))
                }
                None => Err(difference),
            };
        }
        if request.method == "HEAD" {
            self.head_is_as_long_as_get(request, response)?;
        }
        match case.get("after") {
            None => Ok(()),
            Some(after) => {
                let response = self.send(&Request::get(&fill(text(&after["target"]), ids)))?;
                compare(after, &response, &context)
                    .map_err(|difference| with_response(&format!("afterwards {difference}"), &response))
            }
        }
    }

    fn head_is_as_long_as_get(&self, head: &Request, response: &Response) -> Result<(), String> {
        let get = Request { headers: head.headers.clone(), ..Request::get(&head.target) };
        let length = self.send(&get)?.body.len().to_string();
        match response.header("content-length") {
            Some(announced) if announced != length => {
                Err(format!("content-length {announced}, of GET {length}"))
            }
            _ => Ok(()),
        }
    }

    /// Deletes everything but A and B, and checks that these are left.
    fn clean_up(&self) -> Result<(), String> {
        let keep = [self.ids["{B}"], self.ids["{A}"]];
        for article in self.list()?.iter().filter(|article| !keep.contains(&article.id)) {
            let users = self.contract["users"].as_object().unwrap();
            let author = users.iter().find(|(_, user)| user["id"] == article.author);
            self.delete(article.id, author.ok_or("an article without an author")?.0)?;
        }
        let left: Vec<_> = self.list()?.iter().map(|article| article.id).collect();
        if left == keep { Ok(()) } else { Err(format!("articles {left:?} are left, not {keep:?}")) }
    }

    fn request(&self, case: &Value, ids: &Ids) -> Request {
        let mut request = Request {
            method: text(&case["method"]).into(),
            target: fill(text(&case["target"]), ids),
            headers: Vec::new(),
            body: body(case),
            chunked: case["chunked"].as_bool().unwrap(),
        };
        request = match &case["authorization"] {
            Value::Null => request,
            Value::String(user) => request.with("authorization", &self.bearer(user)),
            other => request.with("authorization", text(&other["raw"])),
        };
        for header in case["headers"].as_array().unwrap() {
            let (name, value) = (text(&header[0]), fill(text(&header[1]), ids));
            // HOST is a placeholder in this header only.
            let value = if name == "host" { value.replace("HOST", "blog.example") } else { value };
            request = request.with(name, &value);
        }
        request
    }

    fn log_in(&self, user: &Value) -> Result<String, String> {
        let (name, password) = (percent_encoded(&user["username"]), percent_encoded(&user["password"]));
        let mut request =
            Request::get("/auth/login").with("content-type", "application/x-www-form-urlencoded");
        request.method = "POST".into();
        request.body = Some(format!("username={name}&password={password}").into());
        let response = self.answered(&request, 200)?;
        response["access_token"].as_str().map(str::to_owned).ok_or_else(|| "no access_token".into())
    }

    /// Creates an article and returns its id.
    fn write(&self, author: &str, article: &Value) -> Result<i64, String> {
        let mut request = Request::get("/articles/")
            .with("authorization", &self.bearer(author))
            .with("content-type", "application/json");
        request.method = "POST".into();
        let article = serde_json::json!({"title": article["title"], "content": article["content"]});
        request.body = Some(article.to_string().into());
        self.answered(&request, 201)?["id"].as_i64().ok_or_else(|| "an article without id".into())
    }

    fn delete(&self, id: i64, author: &str) -> Result<(), String> {
        let mut request =
            Request::get(&format!("/articles/{id}")).with("authorization", &self.bearer(author));
        request.method = "DELETE".into();
        self.answered(&request, 204).map(drop)
    }

    fn list(&self) -> Result<Vec<Listed>, String> {
        let articles = self.answered(&Request::get("/articles/"), 200)?;
        let listed = articles.as_array().and_then(|articles| {
            let listed = |article: &Value| {
                Some(Listed { id: article["id"].as_i64()?, author: article["author_id"].as_i64()? })
            };
            articles.iter().map(listed).collect()
        });
        listed.ok_or_else(|| format!("no list of articles: {articles}"))
    }

    fn bearer(&self, user: &str) -> String {
        format!("Bearer {}", self.tokens[user])
    }

    fn send(&self, request: &Request) -> Result<Response, String> {
        request.send(self.addr).map_err(|error| format!("no response: {error}"))
    }

    /// The JSON of the response to a request that belongs to no case; null if there is no body.
    fn answered(&self, request: &Request, status: u16) -> Result<Value, String> {
        let Request { method, target, .. } = request;
        let response = self.send(request).map_err(|difference| format!("{method} {target}: {difference}"))?;
        if response.status != status {
            return Err(with_response(&format!("{method} {target}: status {}", response.status), &response));
        }
        if response.body.is_empty() {
            return Ok(Value::Null);
        }
        json(&response.body, false)
            .map_err(|error| with_response(&format!("{method} {target}: {error}"), &response))
    }
}

#[expect(clippy::disallowed_methods, reason = "a client's clock, not the server's")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The body of a request in one of its three notations.
fn body(case: &Value) -> Option<Vec<u8>> {
    if let Some(coded) = case.get("body_base64") {
        return Some(BASE64_STANDARD.decode(text(coded)).unwrap());
    }
    if let Some(repeat) = case.get("body_repeat") {
        let count = usize::try_from(repeat["count"].as_u64().unwrap()).unwrap();
        let body = [text(&repeat["prefix"]), &text(&repeat["char"]).repeat(count), text(&repeat["suffix"])];
        return Some(body.concat().into());
    }
    match &case["body"] {
        Value::Null => None,
        body => Some(text(body).into()),
    }
}

fn percent_encoded(value: &Value) -> String {
    text(value).bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
}

fn with_response(difference: &str, response: &Response) -> String {
    let headers: Vec<_> = response.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!(
        "{}\n  response {} [{}] {}",
        excerpt(difference),
        response.status,
        headers.join(", "),
        excerpt(&String::from_utf8_lossy(&response.body))
    )
}

fn excerpt(text: &str) -> String {
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.into(),
    }
}
