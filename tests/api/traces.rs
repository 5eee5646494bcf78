//! Traces: what a collector receives of requests and their statements.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use actix_web::http::{Method, StatusCode};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;

use crate::support::{Collector, Installation, Published, ServerProcess, Span, wait_until};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A server that sends its traces to `url` soon.
async fn serve(url: &str) -> ServerProcess {
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", url), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
    Installation::new().await.set(&settings).serve(&[])
}

/// The spans of the requests with this name, once there are as many.
async fn spans_named(collector: &Collector, name: &str, number: usize) -> Vec<Span> {
    let named = || collector.spans().into_iter().filter(|span| span.name == name).collect::<Vec<_>>();
    wait_until(&format!("{name} is received"), async || named().len() >= number).await;
    named()
}

fn statements_of(collector: &Collector, request: &Span) -> Vec<Span> {
    let mut spans = collector.spans();
    spans.retain(|span| span.trace_id == request.trace_id && span.parent_id == request.id);
    spans
}

#[actix_web::test]
async fn a_request_is_a_span_and_so_is_each_of_its_statements() {
    let collector = Collector::start();
    let server = serve(&collector.url).await;
    let ann = server.client().sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let response = ann.get(&article.path()).await;
    response.expect(StatusCode::OK);

    let request = spans_named(&collector, "GET /articles/{article_id}", 1).await.remove(0);
    assert_eq!((request.kind, request.parent_id.as_str(), request.is_error), (SpanKind::Server, "", false));
    let expected = [
        ("http.request.method", "GET".to_owned()),
        ("http.route", "/articles/{article_id}".to_owned()),
        ("http.response.status_code", "200".to_owned()),
        ("client.address", "127.0.0.1".to_owned()),
        ("user.id", ann.id.to_string()),
    ];
    assert_eq!(request.attributes.len(), expected.len(), "{request:?}");
    for (name, value) in expected {
        assert_eq!(request.attributes.get(name), Some(&value), "{name}");
    }
    // The account of the token, and the article.
    let statements = statements_of(&collector, &request);
    let texts: Vec<&str> = statements.iter().map(|span| span.attributes["db.query.text"].as_str()).collect();
    for table in ["users", "articles"] {
        assert!(texts.iter().any(|text| text.contains(&format!("FROM \"{table}\""))), "{table}: {texts:?}");
    }
    for statement in statements {
        assert_eq!((statement.name.as_str(), statement.kind), ("SELECT", SpanKind::Client));
        assert!(["postgresql", "sqlite"].contains(&&*statement.attributes["db.system.name"]));
    }
    let service = collector.service();
    assert_eq!(service["service.name"], "byline");
    assert!(service.contains_key("service.version"), "{service:?}");
}

#[actix_web::test]
async fn the_statements_of_a_transaction_belong_to_its_request() {
    let collector = Collector::start();
    let server = serve(&collector.url).await;
    let ann = server.client().sign_up("ann").await;
    ann.create(&json!({ "title": "t", "content": "0123456789", "tags": ["rust"] })).await;
    let request = spans_named(&collector, "POST /articles", 1).await.remove(0);
    let statements = statements_of(&collector, &request);
    let names: Vec<&str> = statements.iter().map(|statement| statement.name.as_str()).collect();
    for name in ["BEGIN", "INSERT", "COMMIT"] {
        assert!(names.contains(&name), "{names:?}");
    }
}

#[actix_web::test]
async fn spans_contain_no_value_no_path_and_no_body() {
    let collector = Collector::start();
    let server = serve(&collector.url).await;
    let ann = server.client().sign_up("hidden-name").await;
    let body = json!({ "title": "hidden-title", "content": "hidden-content", "published": true });
    let article = ann.create(&body).await;
    ann.get("/articles/?limit=7&author=4711&cursor=hidden-query").await;
    ann.get("/hidden-path").await.expect(StatusCode::NOT_FOUND);
    ann.log_in("hidden-login", "hidden-password").await;
    ann.edit(&article, &json!({ "title": "hidden-change" })).await;
    ann.get("/users/me").await.expect(StatusCode::OK);

    spans_named(&collector, "GET /users/me", 1).await;
    assert!(collector.spans().len() > 10);
    for hidden in ["hidden-", "4711", ann.token.as_deref().unwrap()] {
        assert!(!collector.has_received(hidden), "{hidden}");
    }
    // No route has the path.
    assert!(
        collector
            .spans()
            .iter()
            .any(|span| span.name == "GET" && !span.attributes.contains_key("http.route"))
    );
}

#[actix_web::test]
async fn a_valid_traceparent_is_continued_and_others_are_ignored() {
    let collector = Collector::start();
    let server = serve(&collector.url).await;
    let client = server.client();
    let valid = format!("00-{TRACE}-{PARENT}-01");
    let get = |traceparent: String| {
        let client = client.clone();
        async move { client.request(Method::GET, "/articles/").header("traceparent", &traceparent).send().await }
    };
    get(valid.clone()).await.expect(StatusCode::OK);
    let request = spans_named(&collector, "GET /articles", 1).await.remove(0);
    assert_eq!((request.trace_id.as_str(), request.parent_id.as_str()), (TRACE, PARENT));

    let invalid = [
        "00-0-0-01".to_owned(),
        format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-0000000000000000-01"),
        format!("00-00000000000000000000000000000000-{PARENT}-01"),
        format!("ff-{TRACE}-{PARENT}-01"),
        format!("{valid}-more"),
        "hidden".to_owned(),
    ];
    for traceparent in &invalid {
        get(traceparent.clone()).await.expect(StatusCode::OK);
    }
    let requests = spans_named(&collector, "GET /articles", 1 + invalid.len()).await;
    for request in requests.iter().filter(|span| span.id != request.id) {
        assert_ne!(request.trace_id, TRACE);
        assert_eq!(request.parent_id, "", "{request:?}");
    }
}

#[actix_web::test]
async fn a_trace_that_the_client_does_not_record_is_not_sent() {
    let collector = Collector::start();
    let server = serve(&collector.url).await;
    let unrecorded = format!("00-{TRACE}-{PARENT}-00");
    server.client().request(Method::GET, "/articles/").header("traceparent", &unrecorded).send().await;
    server.client().get("/health/ready").await.expect(StatusCode::OK);
    spans_named(&collector, "GET /health/ready", 1).await;
    assert!(collector.spans().iter().all(|span| span.trace_id != TRACE));
}

#[actix_web::test]
async fn a_failure_is_an_error_of_the_request_and_of_its_statement_without_its_message() {
    let collector = Collector::start();
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
    let installation = Installation::new().await;
    let url = installation.database.url().to_owned();
    let installation = installation.set(&settings).set(&[("DATABASE_URL", &url), ("CACHE_BYTES", "0")]);
    let server = installation.serve(&[]);
    let db = installation.database.connect().await;
    sea_orm::ConnectionTrait::execute_unprepared(&db, "ALTER TABLE articles RENAME TO renamed")
        .await
        .unwrap();
    db.close().await.unwrap();
    server.client().get("/articles/").await.expect(StatusCode::INTERNAL_SERVER_ERROR);
    server.client().get("/articles/x").await.expect(StatusCode::UNPROCESSABLE_ENTITY);

    let failed = spans_named(&collector, "GET /articles", 1).await.remove(0);
    assert!(failed.is_error && failed.attributes["error.type"] == "500", "{failed:?}");
    let statements = statements_of(&collector, &failed);
    assert!(
        statements.iter().any(|span| span.is_error && span.attributes.contains_key("error.type")),
        "{statements:?}"
    );
    // An error of the client is none of the server.
    let refused = spans_named(&collector, "GET /articles/{article_id}", 1).await.remove(0);
    assert!(!refused.is_error && refused.attributes["http.response.status_code"] == "422", "{refused:?}");
    assert!(!collector.has_received("no such table") && !collector.has_received("does not exist"));
}

#[actix_web::test]
async fn log_lines_name_the_trace() {
    let collector = Collector::start();
    let server = serve(&collector.url).await;
    server.client().get("/articles/").await.expect(StatusCode::OK);
    let request = spans_named(&collector, "GET /articles", 1).await.remove(0);
    let field = format!("trace_id=\"{}\"", request.trace_id);
    wait_until("the request is logged", async || server.output().contains(&field)).await;
}

#[actix_web::test]
async fn the_collector_gets_protobuf_at_its_path_with_the_headers_of_the_environment() {
    let collector = Collector::start();
    let url = format!("{}/base/", collector.url);
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*url),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20of-a-test,x-tenant=blog"),
        ("OTEL_SERVICE_NAME", "blog"),
    ];
    let mut server = Installation::new().await.set(&settings).serve(&[]);
    server.client().get("/articles/").await.expect(StatusCode::OK);
    // The last spans are sent when the server stops.
    server.terminate();
    assert!(server.wait().await.success());
    let heads = collector.heads();
    let head = heads[0].to_lowercase();
    assert!(head.starts_with("post /base/v1/traces http/1.1\r\n"), "{head}");
    for header in
        ["content-type: application/x-protobuf", "authorization: bearer of-a-test", "x-tenant: blog"]
    {
        assert!(head.contains(header), "{header}: {head}");
    }
    assert_eq!(collector.service()["service.name"], "blog");
    assert!(collector.spans().iter().any(|span| span.name == "GET /articles"));
}

#[actix_web::test]
async fn a_collector_that_is_not_there_is_logged_once_and_delays_nothing() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut server = serve(&format!("http://{nobody}")).await;
    for _ in 0..5 {
        server.client().get("/articles/").await.expect(StatusCode::OK);
        actix_web::rt::time::sleep(Duration::from_millis(100)).await;
    }
    wait_until("it is logged", async || server.output().contains("traces cannot be sent")).await;
    let stopped = Instant::now();
    server.terminate();
    assert!(server.wait().await.success());
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
    assert_eq!(server.output().matches("traces cannot be sent").count(), 1, "{}", server.output());
    assert!(!server.output().contains("ERROR"), "{}", server.output());
}

#[actix_web::test]
async fn a_collector_that_never_answers_delays_the_end_of_the_server_only_briefly() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut server = serve(&format!("http://{}", silent.local_addr().unwrap())).await;
    server.client().get("/articles/").await.expect(StatusCode::OK);
    actix_web::rt::time::sleep(Duration::from_millis(200)).await;
    server.client().get("/articles/").await.expect(StatusCode::OK);
    let stopped = Instant::now();
    server.terminate();
    assert!(server.wait().await.success());
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
}

#[actix_web::test]
async fn without_a_collector_no_thread_sends_traces() {
    let is_exporting =
        |server: &ServerProcess| server.threads().iter().any(|name| name.starts_with("OpenTelemetry"));
    let off = Installation::new().await.serve(&[]);
    off.client().get("/articles/").await.expect(StatusCode::OK);
    assert!(!is_exporting(&off), "{:?}", off.threads());
    assert!(!off.output().contains("trace_id"), "{}", off.output());
    let on = serve(&Collector::start().url).await;
    assert!(is_exporting(&on), "{:?}", on.threads());
}
