//! Bounds on the cost of pages: expensive ones wait for each other, large ones are refused, and a client that
//! does not read loses its connection.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use actix_web::{
    http::{Method, StatusCode},
    rt::{task::spawn_blocking, time::timeout},
};
use futures_util::future::join;
use sea_orm::DbBackend;
use serde_json::json;

use crate::support::{Published, TestApp, wait_until};

const BUSY: &str = "The server is busy";

/// What an expensive page may ask for.
const EXPENSIVE: [&str; 7] = [
    "skip=10001",
    "skip=9223372036854775807&limit=1",
    "limit=10001",
    "count=exact",
    "updated_since=2020-01-01",
    "updated_until=2090-01-01&sort=created_at",
    "since=2020-01-01&sort=-updated_at",
];

/// Pages that never wait.
const ORDINARY: [&str; 7] = [
    "",
    "skip=10000",
    "limit=10000",
    "expand=author",
    "since=2020-01-01&until=2090-01-01",
    "updated_since=2020-01-01&sort=updated_at",
    "author=ann&published=true",
];

/// SQL for the numbers 1 to `count` as rows of `numbers(n)`.
fn numbers(count: usize) -> String {
    format!("WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})")
}

/// SQL for a text of this many bytes.
fn text_of(app: &TestApp, bytes: usize) -> String {
    match app.database.engine() {
        DbBackend::Postgres => format!("repeat('x', {bytes})"),
        _ => format!("printf('%.*c', {bytes}, 'x')"),
    }
}

/// Inserts published articles by the account 1, each with a content of this many bytes.
async fn insert_articles(app: &TestApp, count: usize, bytes: usize) {
    let (numbers, content) = (numbers(count), text_of(app, bytes));
    app.sql(&format!(
        "INSERT INTO articles (title, content, published, author_id, created_at, updated_at) {numbers} \
         SELECT 'title ' || n, {content}, TRUE, 1, '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z' FROM numbers"
    ))
    .await;
}

#[actix_web::test]
async fn an_expensive_page_waits_for_another_and_is_503_before_its_deadline() {
    let app = TestApp::with(&[("REQUEST_TIMEOUT_SECONDS", "1"), ("MAX_PAGE_SIZE", "0")]).await;
    let ann = app.sign_up("ann").await;
    ann.write(Published::Yes).await;
    let admission = app.read_expensively().await;
    for query in EXPENSIVE {
        for client in [&ann, &app.anonymous()] {
            let started = Instant::now();
            let response = client.list(query).await;
            response.expect_error(StatusCode::SERVICE_UNAVAILABLE, BUSY);
            assert_eq!(response.header("retry-after"), Some("1"), "{query}");
            assert!(started.elapsed() > Duration::from_millis(700), "{query} did not wait");
        }
    }
    drop(admission);
    for query in EXPENSIVE {
        assert_eq!(ann.list(query).await.status, StatusCode::OK, "{query}");
    }
}

#[actix_web::test]
async fn an_expensive_page_is_read_when_the_other_one_ends() {
    let app = TestApp::start().await;
    let admission = app.read_expensively().await;
    let client = app.anonymous();
    let release = async {
        actix_web::rt::time::sleep(Duration::from_millis(300)).await;
        drop(admission);
    };
    let started = Instant::now();
    let (response, ()) = join(client.list("skip=20000"), release).await;
    assert_eq!(response.status, StatusCode::OK);
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[actix_web::test]
async fn an_ordinary_page_never_waits() {
    let app = TestApp::with(&[("MAX_PAGE_SIZE", "0")]).await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let _admission = app.read_expensively().await;
    for query in ORDINARY {
        for client in [&ann, &app.anonymous()] {
            assert_eq!(client.list(query).await.status, StatusCode::OK, "{query}");
        }
    }
    ann.get(&article.path()).await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn a_cached_response_to_an_expensive_request_does_not_wait() {
    let app = TestApp::with(&[("REQUEST_TIMEOUT_SECONDS", "2")]).await;
    let client = app.anonymous();
    let mut admission = None;
    // The cache is in use only once its listener has reported.
    wait_until("the page is cached", async || {
        drop(admission.take());
        client.list("count=exact").await.expect(StatusCode::OK);
        admission = Some(app.read_expensively().await);
        client.list("count=exact").await.status == StatusCode::OK
    })
    .await;
}

#[cfg(feature = "long-tests")]
#[actix_web::test]
async fn a_page_by_more_authors_than_a_statement_can_name_shows_them_all() {
    let app = TestApp::with(&[("MAX_PAGE_SIZE", "0")]).await;
    let authors = if app.database.engine() == DbBackend::Postgres { 66_000 } else { 33_000 };
    app.sql(&format!(
        "INSERT INTO users (email, username, hashed_password, created_at, updated_at) {} \
         SELECT 'user' || n || '@example.com', 'user' || n, 'x', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z' FROM numbers",
        numbers(authors)
    ))
    .await;
    app.sql(
        "INSERT INTO articles (title, content, published, author_id, created_at, updated_at) \
         SELECT 'by ' || username, 'ten letters', TRUE, id, '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z' FROM users",
    )
    .await;
    let page = app.anonymous().list("limit=100000&expand=author").await.expect(StatusCode::OK);
    let page = page.as_array().unwrap();
    assert_eq!(page.len(), authors);
    for article in page {
        assert_eq!(article["title"], format!("by {}", article["author"]["username"].as_str().unwrap()));
        assert_eq!(article["author"]["id"], article["author_id"]);
    }
}

#[actix_web::test]
async fn more_tags_than_a_statement_has_values_are_no_error() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let tags: Vec<String> = (0..9000).map(|version| format!("\"1v{version}s1\"")).collect();
    let edit = async |tags: &str| {
        let request = ann.request(Method::PATCH, &article.path()).if_match(tags);
        request.json(&json!({ "title": "changed" })).send().await.status
    };
    assert_eq!(edit(&tags.join(",")).await, StatusCode::PRECONDITION_FAILED);
    let delete = ann.request(Method::DELETE, &article.path()).if_match(&tags.join(",")).send().await;
    assert_eq!(delete.status, StatusCode::PRECONDITION_FAILED);
    let with_the_current = format!("{},{}", article.tag, tags.join(","));
    assert_eq!(edit(&with_the_current).await, StatusCode::OK);
    let page = ann.list("").await.tag();
    let known = format!("{page},{}", tags.join(","));
    let page = ann.request(Method::GET, "/articles/").if_none_match(&known).send().await;
    assert_eq!(page.status, StatusCode::NOT_MODIFIED);
}

#[actix_web::test]
async fn a_large_page_of_more_than_a_hundred_rows_is_422() {
    let app = TestApp::with(&[("MAX_PAGE_BYTES", "200000")]).await;
    app.sign_up("ann").await;
    insert_articles(&app, 150, 1500).await;
    for query in ["limit=150", "limit=149&skip=1", "limit=1000&expand=author&sort=updated_at"] {
        let body = app.anonymous().list(query).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        let limit = query.trim_start_matches("limit=").split('&').next().unwrap();
        let error = "the page has more than 200000 bytes";
        assert_eq!(
            body["detail"],
            json!([{
                "type": "value_error", "loc": ["query", "limit"], "msg": format!("Value error, {error}"),
                "input": limit, "ctx": { "error": error },
            }])
        );
    }
    // 101 articles have less: 1,500 bytes, the title and 400 bytes each.
    assert_eq!(app.anonymous().list("limit=101&skip=20").await.ids().len(), 101);
}

#[actix_web::test]
async fn the_size_of_a_page_is_that_of_its_own_rows() {
    let app = TestApp::with(&[("MAX_PAGE_BYTES", "200000")]).await;
    let ann = app.sign_up("ann").await;
    insert_articles(&app, 150, 1500).await;
    app.sql("UPDATE articles SET published = FALSE WHERE id > 140").await;
    // 40 rows are left, of 1,500 bytes each.
    assert_eq!(ann.list("limit=150&skip=110").await.ids().len(), 40);
    assert_eq!(app.anonymous().list("limit=1000&skip=100").await.ids().len(), 40);
    assert_eq!(ann.list("limit=1000&published=false").await.ids().len(), 10);
    let first = ann.list("limit=20").await;
    let next = first.linked("next").unwrap().replace("limit=20", "limit=1000");
    assert_eq!(ann.get(&next).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let back = ann.list("limit=20&skip=60").await.linked("prev").unwrap().replace("limit=20", "limit=101");
    assert_eq!(ann.get(&back).await.ids().len(), 60);
}

#[actix_web::test]
async fn a_page_of_up_to_a_hundred_rows_is_served_whatever_its_size() {
    let app = TestApp::with(&[("MAX_PAGE_BYTES", "2000")]).await;
    app.sign_up("ann").await;
    insert_articles(&app, 120, 50_000).await;
    for query in ["", "limit=100", "limit=100&skip=10"] {
        assert_eq!(app.anonymous().list(query).await.ids().len(), 100, "{query}");
    }
    app.anonymous().list("limit=101").await.expect_invalid([("value_error", json!(["query", "limit"]))]);
}

#[actix_web::test]
async fn without_a_maximum_a_page_may_have_any_number_of_bytes() {
    let app = TestApp::with(&[("MAX_PAGE_BYTES", "0")]).await;
    app.sign_up("ann").await;
    insert_articles(&app, 150, 50_000).await;
    assert_eq!(app.anonymous().list("limit=150").await.ids().len(), 150);
}

#[actix_web::test]
async fn a_page_of_any_limit_is_304_for_a_client_that_has_it() {
    let app = TestApp::with(&[("MAX_PAGE_SIZE", "0"), ("MAX_PAGE_BYTES", "0")]).await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    for limit in ["1", "10000", "10001", "9223372036854775807"] {
        for query in [format!("limit={limit}"), format!("limit={limit}&count=exact&expand=author")] {
            let path = format!("/articles/?{query}");
            let get = async |tag: &str| ann.request(Method::GET, &path).if_none_match(tag).send().await;
            let tag = ann.list(&query).await.tag();
            assert_eq!(get(&tag).await.status, StatusCode::NOT_MODIFIED, "{query}");
            ann.patch(&article.path(), &json!({ "title": query })).await.expect(StatusCode::OK);
            assert_eq!(get(&tag).await.status, StatusCode::OK, "{query}");
        }
    }
}

/// Asks for a page and reads nothing of it.
fn stall(address: SocketAddr, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /articles/?{query} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    stream
}

#[cfg(target_os = "linux")]
#[actix_web::test]
async fn a_client_that_does_not_read_loses_its_connection_after_the_timeout() {
    let app = TestApp::with(&[("WRITE_TIMEOUT_SECONDS", "1")]).await;
    app.sign_up("ann").await;
    insert_articles(&app, 100, 200_000).await;
    let address = app.address();
    // The kernel of the server sends nothing when it gives up, so the client notices only when it reads on.
    let received = spawn_blocking(move || {
        let mut stream = stall(address, "");
        thread::sleep(Duration::from_secs(6));
        let mut received = Vec::new();
        (stream.read_to_end(&mut received).is_err(), received.len())
    });
    let (failed, received) = received.await.unwrap();
    assert!(failed && received < 20_000_000, "{received} bytes");
}

#[actix_web::test]
async fn a_slow_reader_and_an_idle_client_keep_their_connections() {
    let app = TestApp::with(&[("WRITE_TIMEOUT_SECONDS", "1")]).await;
    app.sign_up("ann").await;
    insert_articles(&app, 100, 100_000).await;
    let address = app.address();
    let read = spawn_blocking(move || {
        let mut stream = stall(address, "");
        let mut buffer = vec![0; 1 << 20];
        let mut read = 0;
        while read < 10_000_000 {
            thread::sleep(Duration::from_millis(300));
            read += stream.read(&mut buffer).unwrap();
        }
        // The rest of the response, then longer than the timeout without a request.
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        while stream.read(&mut buffer).is_ok_and(|bytes| bytes > 0) {}
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "GET /articles/1 HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        stream.read(&mut buffer).unwrap()
    });
    assert!(timeout(Duration::from_mins(1), read).await.unwrap().unwrap() > 0);
}

#[actix_web::test]
async fn stalled_readers_of_large_pages_stop_large_pages_only() {
    // Here a busy machine is no failure.
    let app = TestApp::with(&[("ACQUIRE_TIMEOUT_SECONDS", "25")]).await;
    let ann = app.sign_up("ann").await;
    insert_articles(&app, 110, 100_000).await;
    let address = app.address();
    let stalled = spawn_blocking(move || {
        (0..10).map(|skip| stall(address, &format!("limit=100&skip={skip}"))).collect::<Vec<_>>()
    });
    let stalled = stalled.await.unwrap();
    let mut refused = None;
    wait_until("large pages are refused", async || {
        let response = ann.list("limit=100").await;
        refused = Some(response).filter(|response| response.text().contains(BUSY));
        refused.is_some()
    })
    .await;
    refused.unwrap().expect_error(StatusCode::SERVICE_UNAVAILABLE, BUSY);
    for query in ["limit=1", "limit=1&count=exact"] {
        assert_eq!(ann.list(query).await.status, StatusCode::OK, "{query}");
    }
    drop(stalled);
    wait_until("the memory is free", async || ann.list("limit=100").await.status == StatusCode::OK).await;
}

#[cfg(target_os = "linux")]
#[actix_web::test]
async fn the_memory_of_stalled_pages_is_free_after_the_timeout() {
    let app = TestApp::with(&[("WRITE_TIMEOUT_SECONDS", "28"), ("ACQUIRE_TIMEOUT_SECONDS", "25")]).await;
    let ann = app.sign_up("ann").await;
    insert_articles(&app, 110, 100_000).await;
    let address = app.address();
    let stalled = spawn_blocking(move || {
        (0..10).map(|skip| stall(address, &format!("limit=100&skip={skip}"))).collect::<Vec<_>>()
    });
    let stalled = stalled.await.unwrap();
    wait_until("large pages are refused", async || {
        ann.list("limit=100").await.status == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    wait_until("the memory is free", async || ann.list("limit=100").await.status == StatusCode::OK).await;
    drop(stalled);
}

#[actix_web::test]
async fn a_page_larger_than_the_memory_for_pages_is_served_when_it_is_alone() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    insert_articles(&app, 100, 700_000).await;
    let address = app.address();
    let received = spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /articles/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        received
    });
    let received = received.await.unwrap();
    assert!(received.starts_with(b"HTTP/1.1 200 ") && received.ends_with(b"}]"));
    assert!(received.len() > 70_000_000, "{}", received.len());
}

#[actix_web::test]
async fn a_large_page_is_the_same_in_every_coding() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    insert_articles(&app, 40, 20_000).await;
    for query in ["", "expand=author", "sort=created_at&limit=30"] {
        let plain = ann.list(query).await.expect(StatusCode::OK);
        for coding in ["br", "gzip"] {
            let path = format!("/articles/?{query}");
            let response = ann.request(Method::GET, &path).accept_encoding(coding).send().await;
            assert_eq!(response.header("content-encoding"), Some(coding));
            assert_eq!(response.expect(StatusCode::OK), plain, "{query} {coding}");
        }
    }
}
