//! What a server logs: one line per request, the cause of a failure once, and no secret.

use std::{
    io::{self, Write},
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use actix_web::{
    HttpResponse,
    body::{BoxBody, to_bytes},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode},
    middleware::{Next, from_fn},
    rt::time::sleep,
    web,
};
use regex::Regex;
use serde_json::{Value, json};
use tracing::Level;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::support::{
    Installation, ORIGIN, PASSWORD, Published, Response, ServerProcess, TestApp, further_error, get_further,
    registration, send_raw, wait_until,
};

/// The log of all applications that run in this process.
#[derive(Clone, Default)]
struct ProcessLog(Arc<Mutex<Vec<u8>>>);

/// For the whole process: a subscriber of one thread may be missed while those of other threads come and go.
static LOG: LazyLock<ProcessLog> = LazyLock::new(|| {
    let log = ProcessLog::default();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt().with_max_level(Level::INFO).with_ansi(false);
    lines.with_writer(move || writer.clone()).finish().try_init().unwrap();
    log
});

impl ProcessLog {
    fn lines_with(&self, part: &str) -> Vec<String> {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        log.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }
}

impl Write for ProcessLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log lines that contain `part`, once there is one.
async fn lines_with(server: &ServerProcess, part: &str) -> Vec<String> {
    wait_until(&format!("{part} is logged"), async || server.output().contains(part)).await;
    server.output().lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
}

/// On the database that [`rename_articles`] breaks.
async fn installation(settings: &[(&str, &str)]) -> Installation {
    let installation = Installation::new().await;
    let url = installation.database.url().to_owned();
    installation.set(&[("DATABASE_URL", &url)]).set(settings)
}

/// Breaks every statement about articles.
async fn rename_articles(installation: &Installation) {
    let db = installation.database.connect().await;
    sea_orm::ConnectionTrait::execute_unprepared(&db, "ALTER TABLE articles RENAME TO renamed")
        .await
        .unwrap();
    db.close().await.unwrap();
}

#[actix_web::test]
async fn a_stored_password_that_is_no_hash_is_logged_at_each_login_without_a_name() {
    LazyLock::force(&LOG);
    let app = TestApp::start().await;
    app.insert_user("secret@example.com", "secret-name", None, "secret text").await;
    app.sql("UPDATE users SET id = 987654").await;
    for _ in 0..2 {
        app.anonymous().log_in("secret-name", PASSWORD).await;
    }
    let lines = LOG.lines_with("user_id=987654");
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in lines {
        assert!(line.contains("WARN") && line.contains("not a bcrypt hash"), "{line}");
        assert!(!line.contains("secret") && !line.contains(PASSWORD), "{line}");
    }
}

#[actix_web::test]
async fn a_request_is_logged_in_one_line_with_route_status_user_and_id() {
    let server = Installation::new().await.serve(&[]);
    let ann = server.client().sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let response = ann.get(&article.path()).await;

    let id = response.header("x-request-id").unwrap();
    let lines = lines_with(&server, id).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    for field in [
        "method=\"GET\"".to_owned(),
        "route=\"/articles/{article_id}\"".to_owned(),
        "status=200".to_owned(),
        "duration_ms=".to_owned(),
        format!("bytes={} ", response.body.len()),
        "client=127.0.0.1".to_owned(),
        format!("user_id={}", ann.id),
    ] {
        assert!(lines[0].contains(&field), "{field} is missing: {}", lines[0]);
    }
}

#[actix_web::test]
async fn the_cause_of_a_failure_is_logged_once_with_what_was_attempted_and_where() {
    let installation = installation(&[("CACHE_BYTES", "0")]).await;
    let server = installation.serve(&[]);
    rename_articles(&installation).await;
    let response = server.client().get("/articles/").await;
    response.expect_error(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");

    let lines = lines_with(&server, response.header("x-request-id").unwrap()).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(
        lines[0].matches("articles\\\"").count() + lines[0].matches(": articles").count(),
        1,
        "{}",
        lines[0]
    );
    assert!(lines[0].contains("ERROR"), "{}", lines[0]);
    assert!(lines[0].contains("attempt=\"query the database\""), "{}", lines[0]);
    assert!(lines[0].contains("location=src/publishing/articles/list.rs:"), "{}", lines[0]);
}

#[actix_web::test]
async fn the_cause_of_a_failed_write_is_logged_with_the_id_of_its_request() {
    let installation = installation(&[]).await;
    let server = installation.serve(&[]);
    let ann = server.client().sign_up("ann").await;
    rename_articles(&installation).await;
    let body = serde_json::json!({ "title": "t", "content": "0123456789" });
    let response = ann.post("/articles/", &body).await;
    response.expect_error(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");

    let lines = lines_with(&server, response.header("x-request-id").unwrap()).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("location=src/publishing/slugs.rs:"), "{}", lines[0]);
}

#[actix_web::test]
async fn the_line_of_a_failure_has_the_request_id_at_every_level() {
    for level in ["error", "warn", "byline=error", "debug"] {
        let installation = installation(&[("LOG", level), ("CACHE_BYTES", "0")]).await;
        let server = installation.serve(&[]);
        rename_articles(&installation).await;
        let response = server.client().get("/articles/").await;

        let lines = lines_with(&server, "request failed").await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(response.header("x-request-id").unwrap()), "{level}: {}", lines[0]);
        assert!(lines[0].contains("client=127.0.0.1"), "{level}: {}", lines[0]);
    }
}

/// The regular expressions in the README, with a group for the address.
fn documented_filter() -> Vec<Regex> {
    let readme = include_str!("../../README.md");
    let filter = readme.split("failregex = ").nth(1).unwrap().split("```").next().unwrap();
    let lines = filter.lines().map(|line| line.trim().replace("<ADDR>", "(?<address>[0-9a-f.:]+)"));
    lines.map(|line| Regex::new(&line).unwrap()).collect()
}

#[actix_web::test]
async fn a_failed_login_is_one_line_that_the_documented_filter_of_fail2ban_finds() {
    // At `warn`, a server does not announce its address as JSON.
    for (format, number, levels) in [("text", 0, &["warn", "info"][..]), ("json", 1, &["info"])] {
        for level in levels.iter().copied() {
            let settings = [("LOG", level), ("LOG_FORMAT", format), ("TRUSTED_PROXIES", r#"["127.0.0.1"]"#)];
            let installation = Installation::new().await.set(&settings);
            let server = installation.serve(&[]);
            server.client().sign_up("ann").await;
            let client = server.client();
            let login = |name: &str| {
                let body = format!("username={name}&password=typed-secret");
                let request = client.request(Method::POST, "/auth/login");
                request
                    .body("application/x-www-form-urlencoded", body)
                    .header("x-forwarded-for", "2001:db8::7")
            };
            let names = ["ann", "typed-name", "typed%00name"];
            for name in names {
                login(name).send().await.expect_unauthorized("Incorrect username or password");
            }
            // Not a failed login: no credentials at all.
            login("").send().await;

            wait_until("the logins are logged", async || {
                server.output().matches("login failed").count() == names.len()
            })
            .await;
            let output = server.output();
            let found: Vec<_> = output
                .lines()
                .filter_map(|line| documented_filter()[number].captures(line))
                .map(|found| found["address"].to_owned())
                .collect();
            assert_eq!(found, ["2001:db8::7"; 3], "{output}");
            assert!(!output.contains("typed"), "{output}");
        }
    }
}

#[actix_web::test]
async fn an_error_of_a_middleware_is_a_response_like_every_other_and_is_logged() {
    LazyLock::force(&LOG);
    let app = TestApp::serving(|config| {
        let fails = async |_: ServiceRequest, _: Next<BoxBody>| -> Result<ServiceResponse, _> {
            Err(actix_web::Error::from(further_error("the middleware fails")))
        };
        config.service(web::resource("/fails").wrap(from_fn(fails)).to(HttpResponse::Ok));
    });
    let request =
        format!("GET /fails HTTP/1.1\r\nHost: a\r\nOrigin: {ORIGIN}\r\nConnection: upgrade\r\n\r\n");
    let response = send_raw(app.address(), request.into_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
    assert!(response.ends_with(r#"{"detail":"Internal Server Error"}"#), "{response}");
    for line in
        [&format!("access-control-allow-origin: {ORIGIN}"), "cache-control: no-store", "connection: close"]
    {
        assert_eq!(response.matches(&format!("\r\n{line}\r\n")).count(), 1, "{line}: {response}");
    }
    let id = response.split("x-request-id: ").nth(1).unwrap().split('\r').next().unwrap();
    let lines = LOG.lines_with(id);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("ERROR") && lines[0].contains("the middleware fails"), "{}", lines[0]);
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_trigger_that_is_missing_is_logged_once() {
    let installation = Installation::new().await;
    let server = installation.serve(&[]);
    let db = installation.database.connect().await;
    sea_orm::ConnectionTrait::execute_unprepared(&db, "DROP TRIGGER articles_updated ON articles")
        .await
        .unwrap();
    drop(server);
    let server = installation.serve(&[]);
    lines_with(&server, "the cache is not used").await;
    sleep(Duration::from_secs(4)).await;
    let lines = lines_with(&server, "the cache is not used").await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(server.output().lines().filter(|line| line.contains("WARN")).count() == 1, "{}", server.output());
}

#[actix_web::test]
async fn the_size_of_a_body_is_logged_as_it_is_sent() {
    let server = Installation::new().await.serve(&[]);
    let ann = server.client().sign_up("ann").await;
    let content = "On the Analytical Engine. ".repeat(100);
    let article = ann.create(&json!({ "title": "t", "content": content })).await;
    let plain = ann.get(&article.path()).await;
    let compressed = ann.request(Method::GET, &article.path()).accept_encoding("gzip").send().await;
    let head = ann.head(&article.path()).await;
    let not_modified = ann.request(Method::GET, &article.path()).if_none_match(&plain.tag()).send().await;
    let length = |response: &Response| response.header("content-length").unwrap().to_owned();
    assert_ne!(length(&plain), length(&compressed));
    for (response, bytes) in [
        (&plain, length(&plain)),
        (&compressed, length(&compressed)),
        (&head, "0".to_owned()),
        (&not_modified, "0".to_owned()),
    ] {
        let lines = lines_with(&server, response.header("x-request-id").unwrap()).await;
        assert!(lines[0].contains(&format!(" bytes={bytes} ")), "{bytes}: {}", lines[0]);
    }
}

#[actix_web::test]
async fn in_production_a_request_is_one_object_with_everything_about_it() {
    let home = Installation::production().await.set(&[("REGISTRATION", "open"), ("BCRYPT_COST", "10")]);
    let server = home.serve(&["serve", "--migrate"]);
    let ann = server.client().sign_up("ann").await;
    let response = ann.get("/users/me").await;
    let id = response.header("x-request-id").unwrap();
    let line: Value = serde_json::from_str(&lines_with(&server, id).await[0]).unwrap();
    for (field, value) in [
        ("level", json!("INFO")),
        ("message", json!("request")),
        ("method", json!("GET")),
        ("route", json!("/users/me")),
        ("status", json!(200)),
        ("bytes", json!(response.body.len())),
        ("client", json!("127.0.0.1")),
        ("user_id", json!(ann.id)),
    ] {
        assert_eq!(line[field], value, "{field}: {line}");
    }
    assert!(line["duration_ms"].as_f64().unwrap() > 0.0, "{line}");
    assert_eq!(line["span"]["id"], id);
}

#[actix_web::test]
async fn in_json_every_line_is_an_object() {
    let installation = installation(&[("LOG_FORMAT", "json"), ("CACHE_BYTES", "0")]).await;
    let server = installation.serve(&[]);
    rename_articles(&installation).await;
    let response = server.client().get("/articles/").await;

    let id = response.header("x-request-id").unwrap();
    let line: Value = serde_json::from_str(&lines_with(&server, id).await[0]).unwrap();
    assert_eq!((&line["level"], &line["status"]), (&Value::from("ERROR"), &Value::from(500)));
    assert_eq!(line["span"]["id"], id);
    for line in server.output().lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()), "{line}");
    }
}

#[actix_web::test]
async fn no_line_contains_a_secret_at_any_level() {
    let key = "a secret key of 32 bytes and more";
    let installation = Installation::new().await.set(&[("LOG", "trace"), ("SECRET_KEY", key)]);
    let server = installation.serve(&[]);
    let ann = server.client().sign_up("ann-of-the-log").await;
    let token = ann.token.clone().unwrap();
    server.client().log_in("ann-of-the-log", "a wrong passphrase").await;
    server.client().post("/auth/register", &registration("ann-of-the-log")).await;
    let article = ann.write(Published::No).await;
    let tokens = server.client().log_in("ann-of-the-log", PASSWORD).await.json();
    let first = tokens["refresh_token"].as_str().unwrap().to_owned();
    // Twice: a token that is used again is reported.
    for _ in 0..2 {
        server.client().post("/auth/refresh", &json!({ "refresh_token": first })).await;
    }
    let scopes = json!({ "name": "script", "scopes": ["articles:read"], "expires_in": 60 });
    let personal = ann.post("/users/me/tokens", &scopes).await.json()["token"].as_str().unwrap().to_owned();
    ann.with_token(&personal).get("/articles/").await;
    let change = json!({ "current_password": PASSWORD, "new_password": "a much better passphrase" });
    ann.post("/users/me/password", &change).await;
    let response = ann.get(&article.path()).await;
    lines_with(&server, response.header("x-request-id").unwrap()).await;

    let output = server.output();
    let title = article.json["title"].as_str().unwrap();
    let signature = token.rsplit('.').next().unwrap();
    let tokens = [signature, &first, &personal];
    let texts =
        [key, PASSWORD, "a wrong passphrase", "a much better passphrase", "@example.com", title, "$2b$"];
    for secret in tokens.into_iter().chain(texts) {
        let line = output.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret:?} is logged: {}", line.unwrap_or_default());
    }
}

#[actix_web::test]
async fn a_panicking_handler_is_answered_with_500_and_logged_with_its_message() {
    LazyLock::force(&LOG);
    let response = get_further(&[], async || -> HttpResponse { panic!("the further handler panics") }).await;

    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(response.headers().contains_key("x-request-id"));
    assert!(response.headers().contains_key("access-control-allow-origin"));
    let body = to_bytes(response.into_body()).await.unwrap_or_default();
    assert_eq!(body, r#"{"detail":"Internal Server Error"}"#);
    let lines = LOG.lines_with("the further handler panics");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("ERROR") && lines[0].contains("route=\"/further\""), "{}", lines[0]);
}

#[actix_web::test]
async fn a_handler_past_its_deadline_is_answered_with_503_and_logged() {
    LazyLock::force(&LOG);
    let endless = async || {
        sleep(Duration::from_hours(1)).await;
        HttpResponse::Ok().finish()
    };
    let response = get_further(&[("REQUEST_TIMEOUT_SECONDS", "1")], endless).await;

    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers().get("retry-after").unwrap(), "1");
    let lines = LOG.lines_with(response.headers().get("x-request-id").unwrap().to_str().unwrap());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("attempt=\"answer within the deadline\""), "{}", lines[0]);
}
