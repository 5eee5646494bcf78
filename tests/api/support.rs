//! What every story starts from: a server with an empty database, and clients that talk to it.

use std::{
    env,
    io::Read as _,
    io::{self, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use actix_web::{
    dev::ServerHandle,
    http::{Method, StatusCode, header::HeaderMap},
    rt::{self, System, task::spawn_blocking, time::sleep},
    web::Bytes,
};
use awc::Client as HttpClient;
use byline::{config::Settings, db::Db, server::Server, state::AppState};
use fake::{
    Fake as _,
    faker::lorem::en::{Paragraph, Sentence},
};
use flate2::read::GzDecoder;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::document;

/// The password of everyone who signs up.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// What signs the tokens of every test.
pub(crate) const SECRET_KEY: &str = "a key of the tests, 32 bytes and more";

/// A page that may call, by default.
pub(crate) const ORIGIN: &str = "http://localhost:3000";

/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running server of one test.
pub(crate) struct TestApp {
    address: SocketAddr,
    handle: ServerHandle,
    pub(crate) state: AppState,
    _place: Place,
}

impl TestApp {
    /// With the settings that a developer has.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With further settings.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let place = Place::new().await;
        let app = Self::on(place, settings);
        migration::up(&app.state.db.pool()).await.unwrap();
        app
    }

    /// On a database that is there already.
    pub(crate) fn on(place: Place, settings: &[(&str, &str)]) -> Self {
        let settings = place.settings(settings);
        let db = Db::lazy(&settings).unwrap();
        let state = AppState::new(settings, db);
        let server = Server::bind(state.clone()).unwrap();
        let (address, handle) = (server.address(), server.handle());
        rt::spawn(server.run());
        Self { address, handle, state, _place: place }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Somebody without an account.
    pub(crate) fn anonymous(&self) -> Client {
        Client::of(self.address)
    }

    /// Changes the database behind the server's back.
    pub(crate) async fn sql(&self, statement: &str) {
        self.state.db.writer.execute_unprepared(statement).await.unwrap();
        // Past the one path through which articles change.
        self.state.cache().forget_all();
    }

    /// Makes an account and signs in.
    pub(crate) async fn sign_up(&self, name: &str) -> Client {
        self.anonymous().sign_up(name).await
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        // Nothing is in flight any more; the runtime of the test ends the server.
        drop(self.handle.stop(false));
    }
}

/// Where a test's database is; goes with it.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    database: Option<(String, String)>,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let Ok(server) = env::var("TEST_DATABASE_URL") else { return Self { directory, database: None } };
        let name = format!("byline_test_{}", Uuid::new_v4().simple());
        let admin = Database::connect(&server).await.expect("TEST_DATABASE_URL can't be reached");
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        Self { directory, database: Some((server, name)) }
    }

    /// Whether this run is on PostgreSQL.
    pub(crate) fn is_postgres() -> bool {
        env::var("TEST_DATABASE_URL").is_ok()
    }

    pub(crate) fn url(&self) -> String {
        match &self.database {
            Some((server, name)) => {
                let (base, query) = server
                    .split_once('?')
                    .map_or((server.as_str(), String::new()), |(base, query)| (base, format!("?{query}")));
                let root = base.rsplit_once('/').unwrap().0;
                format!("{root}/{name}{query}")
            }
            None => format!("sqlite://{}/byline.db?mode=rwc", self.directory.path().display()),
        }
    }

    pub(crate) async fn connect(&self) -> DatabaseConnection {
        Database::connect(self.url()).await.unwrap()
    }

    pub(crate) fn settings(&self, further: &[(&str, &str)]) -> Settings {
        let directory = self.directory.path().display().to_string();
        let common = [
            ("DATA_DIR", directory.as_str()),
            ("DATABASE_URL", &self.url()),
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("WORKERS", "1"),
            ("BCRYPT_COST", "4"),
            ("SECRET_KEY", SECRET_KEY),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let further = further.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::from_parts(common.into_iter().chain(further), None).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((server, name)) = self.database.take() else { return };
        let drop_database = async move {
            let admin = Database::connect(&server).await.unwrap();
            admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
        };
        thread::spawn(|| System::new().block_on(drop_database)).join().unwrap();
    }
}

/// Somebody who talks to the server.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    pub(crate) token: Option<String>,
    pub(crate) id: i64,
}

/// What the server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Who somebody is before registration.
pub(crate) fn newcomer(name: &str) -> Value {
    json!({ "email": format!("{name}@example.com"), "username": name, "password": PASSWORD })
}

impl Client {
    /// Of the server at `address`, without an account.
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self { address, token: None, id: 0 }
    }

    /// Makes an account and signs in.
    pub(crate) async fn sign_up(&self, name: &str) -> Self {
        let account = self.post("/auth/register", &newcomer(name)).await.expect(StatusCode::CREATED);
        let id = account["id"].as_i64().unwrap();
        Self { id, ..self.sign_in(name, PASSWORD).await }
    }

    /// Signs in.
    pub(crate) async fn sign_in(&self, name: &str, password: &str) -> Self {
        let answer = self.log_in(name, password).await.expect(StatusCode::OK);
        self.with_token(answer["access_token"].as_str().unwrap())
    }

    /// The same with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub(crate) async fn head(&self, path: &str) -> Answer {
        self.send(Method::HEAD, path, &[], None).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::POST, path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::PATCH, path, body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], None).await
    }

    pub(crate) async fn json(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.send(method, path, &[("content-type", "application/json")], Some(body.to_string())).await
    }

    pub(crate) async fn log_in(&self, name: &str, password: &str) -> Answer {
        let form: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("username", name)
            .append_pair("password", password)
            .finish();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send(Method::POST, "/auth/login", &headers, Some(form)).await
    }

    /// Writes an article with made-up prose and answers with it.
    pub(crate) async fn write(&self, published: bool) -> Value {
        let (title, content): (String, String) = (Sentence(2..5).fake(), Paragraph(2..4).fake());
        let body = json!({ "title": title, "content": content, "published": published });
        self.post("/articles/", &body).await.expect(StatusCode::CREATED)
    }

    /// Sends anything, and sees that the answer is one that the OpenAPI document knows.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let http = HttpClient::builder().timeout(PATIENCE).disable_redirects().finish();
        let mut request =
            http.request(method.clone(), format!("http://{}{path}", self.address)).no_decompress();
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        if let Some(token) = &self.token {
            request = request.insert_header(("authorization", format!("Bearer {token}")));
        }
        let mut response = match body {
            Some(body) => request.send_body(body).await,
            None => request.send().await,
        }
        .unwrap();
        let body = response.body().limit(64 << 20).await.unwrap();
        let coding = response.headers().get("content-encoding").filter(|_| method != Method::HEAD);
        let coding = coding.map(|coding| coding.to_str().unwrap());
        let body = decoded(coding, body);
        let answer = Answer { status: response.status(), headers: response.headers().clone(), body };
        let content_type = answer.header("content-type");
        document::check(method.as_str(), path, answer.status.as_u16(), content_type, &answer.body);
        answer
    }
}

fn decoded(coding: Option<&str>, body: Bytes) -> Bytes {
    let mut plain = Vec::new();
    match coding {
        None => return body,
        Some("gzip") => drop(GzDecoder::new(&*body).read_to_end(&mut plain).unwrap()),
        Some("br") => brotli::BrotliDecompress(&mut &*body, &mut plain).unwrap(),
        Some(other) => panic!("nobody asked for {other}"),
    }
    plain.into()
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Whether a header, on one line or several, lists this item.
    pub(crate) fn lists(&self, name: &str, item: &str) -> bool {
        let mut items = self.headers.get_all(name).flat_map(|value| value.to_str().unwrap().split(','));
        items.any(|known| known.trim().eq_ignore_ascii_case(item))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The body of an answer that must have this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Fails unless this is the error, word for word.
    #[track_caller]
    pub(crate) fn expect_error(&self, status: StatusCode, detail: &str) {
        assert_eq!(self.expect(status), json!({ "detail": detail }));
    }

    /// The faults of a 422 as (type, loc).
    #[track_caller]
    pub(crate) fn faults(&self) -> Vec<(String, Value)> {
        let body = self.expect(StatusCode::UNPROCESSABLE_ENTITY);
        let faults = body["detail"].as_array().unwrap();
        faults
            .iter()
            .map(|fault| (fault["type"].as_str().unwrap().to_owned(), fault["loc"].clone()))
            .collect()
    }
}

/// Asks again and again, with a little rest between, until `done` or out of patience.
pub(crate) async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !done().await {
        assert!(started.elapsed() < PATIENCE, "never happened: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Sends bytes as they are, and answers with everything that comes back until the server closes.
pub(crate) async fn converse(address: SocketAddr, sent: Vec<u8>) -> String {
    let talk = move || -> io::Result<String> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut received = Vec::new();
        thread::scope(|scope| {
            // A server that refuses early closes before all is sent; only its answer counts.
            scope.spawn(|| (&stream).write_all(&sent).ok());
            (&stream).read_to_end(&mut received)
        })?;
        Ok(String::from_utf8_lossy(&received).into_owned())
    };
    spawn_blocking(talk).await.unwrap().unwrap()
}

/// Says on the terminal that a story doesn't apply to this run.
pub(crate) fn not_run(story: &str, why: &str) {
    say(&format!("NOT RUN: {story}: {why}"));
}

/// Says something on the terminal that the capture of a passing test's output would hide.
pub(crate) fn say(what: &str) {
    io::stderr().write_all(format!("{what}\n").as_bytes()).unwrap();
}
