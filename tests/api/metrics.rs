//! The metrics of a server: what is counted, where they are served, and the files that name them.
#![expect(clippy::float_cmp, reason = "the values that are compared are whole numbers")]

use std::{collections::BTreeSet, fs, net::TcpStream, path::Path};

use actix_web::http::{Method, StatusCode};
use regex::Regex;
use serde_json::{Value, json};

use crate::support::{
    Installation, Metrics, PASSWORD, Proxy, Published, TestApp, TestDatabase, migrate, send_raw, wait_until,
};

/// Any free port.
const ON: (&str, &str) = ("METRICS_BIND", "127.0.0.1:0");

/// Starts a server with metrics.
async fn start() -> TestApp {
    TestApp::with(&[ON]).await
}

fn requests(method: &str, route: &str, status: u16) -> String {
    format!("byline_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}")
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The metrics of a server that has done a bit of everything.
async fn after_some_use() -> Metrics {
    let app = start().await;
    let ann = app.sign_up("ann").await;
    ann.write(Published::Yes).await;
    app.fill_cache("/articles/").await;
    wait_until("the queue of mail was counted", async || {
        app.metrics().await.text().contains("byline_mail_queue_messages{")
    })
    .await;
    app.metrics().await
}

#[actix_web::test]
async fn requests_are_counted_by_method_route_and_status() {
    let app = start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    for _ in 0..3 {
        ann.get(&article.path()).await.expect(StatusCode::OK);
    }
    ann.get("/articles").await.expect(StatusCode::OK);
    ann.get("/articles/").await.expect(StatusCode::OK);
    ann.head("/articles/999999").await;
    ann.request(Method::PUT, "/articles/").send().await.expect(StatusCode::METHOD_NOT_ALLOWED);
    app.anonymous().log_in("ann", "wrong").await.expect(StatusCode::UNAUTHORIZED);

    let metrics = app.metrics().await;
    for (method, route, status, count) in [
        ("GET", "/articles/{article_id}", 200, 3.0),
        ("HEAD", "/articles/{article_id}", 404, 1.0),
        ("GET", "/articles", 200, 2.0),
        ("POST", "/articles", 201, 1.0),
        ("PUT", "/articles", 405, 1.0),
        ("POST", "/auth/login", 401, 1.0),
        ("POST", "/auth/register", 201, 1.0),
    ] {
        let sample = requests(method, route, status);
        assert_eq!(metrics.value(&sample), count, "{sample}: {}", metrics.text());
    }
    let durations = "byline_http_request_duration_seconds";
    let labels = "method=\"GET\",route=\"/articles/{article_id}\"";
    assert_eq!(metrics.value(&format!("{durations}_count{{{labels}}}")), 3.0);
    assert_eq!(metrics.value(&format!("{durations}_bucket{{{labels},le=\"+Inf\"}}")), 3.0);
    assert!(metrics.value(&format!("{durations}_sum{{{labels}}}")) > 0.0);
}

#[actix_web::test]
async fn unknown_paths_share_one_label_and_so_do_unknown_methods() {
    let app = start().await;
    let client = app.anonymous();
    for number in 0..50 {
        client.get(&format!("/unknown/{number}")).await.expect(StatusCode::NOT_FOUND);
        client.get(&format!("/{number}?query={number}")).await.expect(StatusCode::NOT_FOUND);
        let method = Method::from_bytes(format!("BREW{number}").as_bytes()).unwrap();
        client.request(method, "/unknown").send().await.expect(StatusCode::NOT_FOUND);
    }
    let metrics = app.metrics().await;
    assert_eq!(metrics.value(&requests("GET", "unmatched", 404)), 100.0);
    assert_eq!(metrics.value(&requests("other", "unmatched", 404)), 50.0);
    // Two counters, and two histograms with 14 bounds, infinity, sum and count.
    let samples = metrics.samples();
    let of_requests = samples.keys().filter(|sample| sample.starts_with("byline_http_request"));
    assert_eq!(of_requests.filter(|sample| sample.contains("route=")).count(), 2 + 2 * 17);
    assert!(!metrics.text().contains("BREW") && !metrics.text().contains("/unknown"));
}

#[actix_web::test]
async fn preflights_and_malformed_bodies_are_counted() {
    let app = start().await;
    let anonymous = app.anonymous();
    let preflight = anonymous.request(Method::OPTIONS, "/articles/");
    preflight.origin("http://localhost:3000").header("access-control-request-method", "POST").send().await;
    let ann = app.sign_up("ann").await;
    ann.request(Method::POST, "/articles/").body("application/json", "{").send().await;
    let metrics = app.metrics().await;
    assert_eq!(metrics.value(&requests("OPTIONS", "unmatched", 204)), 1.0, "{}", metrics.text());
    assert_eq!(metrics.value(&requests("POST", "/articles", 422)), 1.0, "{}", metrics.text());
}

#[actix_web::test]
async fn the_cache_counts_hits_and_misses_and_shows_its_entries() {
    let app = start().await;
    app.sign_up("ann").await.write(Published::Yes).await;
    app.fill_cache("/articles/").await;
    let before = app.metrics().await;
    assert_eq!(before.value("byline_cache_trusted"), 1.0);
    assert!(before.value("byline_cache_entries") >= 1.0 && before.value("byline_cache_bytes") > 0.0);

    app.anonymous().get("/articles/").await.expect(StatusCode::OK);
    app.anonymous().get("/articles/?limit=7").await.expect(StatusCode::OK);
    // Not a read that the cache could serve.
    app.anonymous().get("/health/live").await.expect(StatusCode::OK);
    let after = app.metrics().await;
    for metric in ["byline_cache_hits_total", "byline_cache_misses_total"] {
        assert_eq!(after.value(metric) - before.value(metric), 1.0, "{metric}");
    }
}

#[actix_web::test]
async fn a_cache_that_is_off_is_not_trusted_and_has_no_entries() {
    let app = TestApp::with(&[ON, ("CACHE_BYTES", "0")]).await;
    app.anonymous().get("/articles/").await.expect(StatusCode::OK);
    let metrics = app.metrics().await;
    for metric in ["byline_cache_trusted", "byline_cache_entries", "byline_cache_max_bytes"] {
        assert_eq!(metrics.samples().get(metric), Some(&0.0), "{metric}");
    }
}

#[actix_web::test]
async fn statements_and_connections_of_the_database_are_counted() {
    let app = start().await;
    let statements = |metrics: &Metrics, pool: &str| {
        metrics.value(&format!("byline_database_statement_duration_seconds_count{{pool=\"{pool}\"}}"))
    };
    let ann = app.sign_up("ann").await;
    let before = app.metrics().await;
    ann.write(Published::Yes).await;
    ann.get("/articles/").await.expect(StatusCode::OK);
    let after = app.metrics().await;
    for pool in ["reader", "writer"] {
        assert!(statements(&after, pool) > statements(&before, pool), "{pool}: {}", after.text());
        let opened = format!("byline_database_connections_opened_total{{pool=\"{pool}\"}}");
        assert!(after.value(&opened) >= 1.0, "{}", after.text());
        assert_eq!(after.value(&format!("byline_database_waiting{{pool=\"{pool}\"}}")), 0.0);
    }
    assert_eq!(after.value("byline_database_connections_max"), 16.0);
}

#[actix_web::test]
async fn tasks_process_and_build_are_shown() {
    let metrics = after_some_use().await;
    assert!(metrics.text().contains("byline_build_info{version=\""), "{}", metrics.text());
    assert_eq!(metrics.value("byline_task_running{task=\"mail\"}"), 1.0);
    assert_eq!(metrics.samples().get("byline_task_failures_total{task=\"mail\"}"), Some(&0.0));
    assert!(metrics.value("process_resident_memory_bytes") > 1e6);
    assert!(metrics.value("process_open_fds") > 3.0);
    assert!(metrics.value("process_cpu_seconds_total") > 0.0);
    assert!(metrics.value("process_start_time_seconds") > 1e9);
    assert!(metrics.value("byline_http_connections_accepted_total") >= 1.0);
    assert_eq!(metrics.value("byline_http_requests_in_flight"), 0.0);
    assert!(metrics.value("byline_passwords_max_concurrent") >= 1.0);
}

#[actix_web::test]
async fn a_request_is_in_flight_while_its_password_is_hashed() {
    let app = TestApp::with(&[ON, ("BCRYPT_COST", "14")]).await;
    let login = app.anonymous();
    let login = actix_web::rt::spawn(async move { login.log_in("ann", PASSWORD).await });
    wait_until("the login is counted", async || {
        let metrics = app.metrics().await;
        metrics.value("byline_http_requests_in_flight") == 1.0
            && metrics.value("byline_passwords_hashing") == 1.0
            && metrics.value("byline_http_connections") >= 1.0
    })
    .await;
    login.await.unwrap().expect(StatusCode::UNAUTHORIZED);
    let metrics = app.metrics().await;
    assert_eq!(metrics.value("byline_http_requests_in_flight"), 0.0);
    assert_eq!(metrics.value("byline_http_requests_abandoned_total"), 0.0);
}

#[actix_web::test]
async fn mail_that_is_not_delivered_is_counted() {
    let app = TestApp::with(&[
        ON,
        ("SMTP_URL", "smtp://127.0.0.1:9"),
        ("MAIL_FROM", "byline@example.com"),
        ("PASSWORD_RESET_URL", "https://blog.example/reset/{token}"),
        ("EMAIL_CONFIRM_URL", "https://blog.example/confirm/{token}"),
    ])
    .await;
    app.sign_up("ann").await;
    let forgotten = json!({ "email": "ann@example.com" });
    app.anonymous().post("/auth/password/forgot", &forgotten).await;
    wait_until("the message is counted", async || {
        app.metrics().await.value("byline_mail_queue_messages{state=\"waiting\"}") == 1.0
    })
    .await;
    assert_eq!(app.metrics().await.value("byline_mail_queue_messages{state=\"given_up\"}"), 0.0);
}

#[actix_web::test]
async fn the_public_listener_serves_no_metrics_and_the_other_one_nothing_else() {
    let app = start().await;
    app.anonymous().get("/metrics").await.expect_error(StatusCode::NOT_FOUND, "Not Found");
    let address = app.metrics_address().unwrap();
    for (request, status) in [
        ("GET /", 404),
        ("GET /articles/", 404),
        ("GET /health/live", 404),
        ("GET /metrics/", 404),
        ("POST /metrics", 405),
        ("DELETE /metrics", 405),
    ] {
        let request = format!("{request} HTTP/1.1\r\nhost: metrics\r\nconnection: close\r\n\r\n");
        let response = send_raw(address, request.clone().into()).await;
        let is_refused = response.starts_with("HTTP/1.1 404 ") || response.starts_with("HTTP/1.1 405 ");
        assert!(is_refused, "{status}: {request}{response}");
    }
}

#[actix_web::test]
async fn without_the_setting_nothing_listens() {
    for settings in [&[][..], &[("METRICS_BIND", "")][..]] {
        let app = TestApp::with(settings).await;
        assert_eq!(app.metrics_address(), None);
        app.anonymous().get("/metrics").await.expect_error(StatusCode::NOT_FOUND, "Not Found");
    }
}

#[actix_web::test]
async fn the_listener_stops_with_the_server() {
    let mut server = Installation::new().await.set(&[ON]).serve(&[]);
    let address = Regex::new(r"metrics +http://([0-9.:]+)/metrics").unwrap();
    wait_until("the address is printed", async || address.is_match(&server.output())).await;
    let address = address.captures(&server.output()).unwrap()[1].parse().unwrap();
    assert!(Metrics::scrape(address).await.text().contains("byline_build_info"));
    server.terminate();
    assert!(server.wait().await.success(), "{}", server.output());
    TcpStream::connect(address).unwrap_err();
}

#[actix_web::test]
async fn an_address_that_cannot_be_used_is_reported_with_its_setting() {
    let server = Installation::new().await.serve(&[]);
    let taken = server.address.to_string();
    for (bind, expected) in [
        (taken.as_str(), format!("byline: METRICS_BIND: {taken} is in use: ")),
        (
            "192.0.2.1:9464",
            "byline: METRICS_BIND: 192.0.2.1:9464 is not an address of this machine: ".to_owned(),
        ),
    ] {
        let message = Installation::new().await.set(&[("METRICS_BIND", bind)]).fail(&[]);
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(message.starts_with(&expected), "{message}");
    }
    for wrong in ["9464", "localhost:9464", "127.0.0.1", "on"] {
        let message = Installation::new().await.set(&[("METRICS_BIND", wrong)]).fail(&[]);
        assert!(message.contains("METRICS_BIND: must be an IP address with a port"), "{message}");
    }
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn metrics_are_served_while_the_database_does_not_respond() {
    let database = TestDatabase::postgres().await;
    migrate(&database).await;
    let (proxy, url) = Proxy::for_database(database.url());
    let settings = [
        ON,
        ("DATABASE_URL", &*url),
        ("DATABASE_CONNECTIONS", "4"),
        ("ACQUIRE_TIMEOUT_SECONDS", "3"),
        ("REQUEST_TIMEOUT_SECONDS", "3"),
    ];
    let app = TestApp::on(database.into(), &settings);
    app.anonymous().get("/articles/").await.expect(StatusCode::OK);
    proxy.go_silent();
    let readers: Vec<_> = (0..8)
        .map(|number| {
            let client = app.anonymous();
            actix_web::rt::spawn(async move { client.get(&format!("/articles/?skip={number}")).await })
        })
        .collect();
    let waiting = "byline_database_waiting{pool=\"reader\"}";
    wait_until("readers wait for a connection", async || app.metrics().await.value(waiting) >= 1.0).await;
    for reader in readers {
        reader.await.unwrap().expect(StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(app.metrics().await.value(waiting), 0.0);
}

/// The rows of the tables: name, type, labels.
fn documented() -> Vec<(String, String, Vec<String>)> {
    let row = Regex::new(r"(?m)^\| `(\w+)` \| (\w+) \| ([^|]*) \|").unwrap();
    let text = read("docs/metrics.md");
    row.captures_iter(&text)
        .map(|row| {
            let labels = row[3].split(',').map(|label| label.trim().trim_matches('`').to_owned());
            let mut labels: Vec<String> = labels.filter(|label| !label.is_empty() && label != "–").collect();
            labels.sort_unstable();
            (row[1].to_owned(), row[2].to_owned(), labels)
        })
        .collect()
}

#[actix_web::test]
async fn the_document_describes_every_metric_with_its_type_and_its_labels() {
    let (mut documented, mut served) = (documented(), after_some_use().await.metrics());
    documented.sort_unstable();
    served.sort_unstable();
    assert_eq!(documented, served);
}

/// The names of metrics in a text, without the suffixes of a histogram's samples.
fn named(text: &str) -> BTreeSet<String> {
    let name = Regex::new(r"\b(?:byline|process)_[a-z_]+\b").unwrap();
    let histogram = Regex::new(r"^(byline_\w+_seconds)_(?:bucket|sum|count)$").unwrap();
    name.find_iter(text).map(|name| histogram.replace(name.as_str(), "$1").into_owned()).collect()
}

#[test]
fn the_dashboard_and_the_alerts_name_documented_metrics_only() {
    let documented: BTreeSet<String> = documented().into_iter().map(|(name, ..)| name).collect();
    for path in ["deploy/grafana/byline.json", "deploy/prometheus/alerts.yml"] {
        let named = named(&read(path));
        assert!(named.len() > 5, "{path}");
        assert!(named.is_subset(&documented), "{path}: {:?}", named.difference(&documented));
    }
}

#[test]
fn the_dashboard_shows_every_group_of_metrics() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/byline.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let titles: BTreeSet<&str> = panels.iter().map(|panel| panel["title"].as_str().unwrap()).collect();
    assert_eq!(titles.len(), panels.len(), "a title is used twice");
    let ids: BTreeSet<i64> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "an id is used twice");
    let shown = named(&dashboard.to_string());
    for group in ["http", "database", "passwords", "cache", "task", "mail"] {
        assert!(shown.iter().any(|name| name.starts_with(&format!("byline_{group}"))), "{group}");
    }
}
