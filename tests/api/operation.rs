//! The binary as an operator knows it: how a server starts, what it refuses, and how it stops.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    thread,
    time::{Duration, Instant},
};

use actix_web::{http::StatusCode, rt::task::spawn_blocking};
use futures_util::future::join_all;
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use crate::support::{
    Installation, Published, ServerProcess, TIMEOUT, TestDatabase, registration, wait_until,
};

#[actix_web::test]
async fn without_settings_a_server_creates_a_sqlite_database() {
    let installation = Installation::on(TestDatabase::sqlite());
    let server = installation.serve(&[]);

    server.client().get("/articles/").await.expect(StatusCode::OK);
    assert!(installation.path("data/byline.db").exists());
    wait_until("the path is printed", async || server.output().contains("data/byline.db")).await;
}

#[actix_web::test]
async fn with_a_database_url_a_server_creates_no_database_in_its_directory() {
    let database = TestDatabase::create().await;
    let url = database.url().to_owned();
    let installation = Installation::on(database).set(&[("DATABASE_URL", &url)]);
    let server = installation.serve(&[]);

    server.client().get("/articles/").await.expect(StatusCode::OK);
    assert!(!installation.path("data/byline.db").exists());
}

#[actix_web::test]
async fn a_server_prints_its_address_and_that_of_its_documentation() {
    let server = Installation::new().await.serve(&[]);
    for address in [format!("http://{}\n", server.address), format!("http://{}/docs", server.address)] {
        wait_until("the address is printed", async || server.output().contains(&address)).await;
    }
}

#[actix_web::test]
async fn a_server_prints_neither_its_key_nor_a_password() {
    let installation = Installation::new().await;
    let server = installation.serve(&[]);
    server.client().sign_up("ann").await.write(Published::Yes).await;

    let output = server.output();
    let key = fs::read_to_string(installation.path("data/secret_key")).unwrap();
    assert!(!output.contains(key.trim()), "the key is printed");
    assert!(!output.contains("password"), "{output}");
}

#[actix_web::test]
async fn the_generated_key_is_readable_for_its_owner_only() {
    let installation = Installation::new().await;
    let _server = installation.serve(&[]);
    for (path, mode) in [("data", 0o700), ("data/secret_key", 0o600)] {
        let permissions = fs::metadata(installation.path(path)).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, mode, "{path}");
    }
}

#[actix_web::test]
async fn a_restart_keeps_tokens_valid_and_all_data() {
    let installation = Installation::new().await;
    let server = installation.serve(&[]);
    let ann = server.client().sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    server.kill();

    let again = installation.serve(&["serve"]);
    let ann = again.client().with_token(ann.token.as_ref().unwrap());
    ann.get("/users/me").await.expect(StatusCode::OK);
    assert_eq!(ann.get("/articles/").await.json(), json!([article.json]));
}

#[actix_web::test]
async fn production_reports_all_faulty_settings_at_once() {
    let installation = Installation::on(TestDatabase::create().await).set(&[
        ("APP_ENV", "production"),
        ("BCRYPT_COST", "4"),
        ("PORT", "99999"),
        ("BACKEND_CORS_ORIGINS", "http://localhost:3000"),
    ]);
    let message = installation.fail(&[]);
    for name in ["SECRET_KEY", "BCRYPT_COST", "PORT", "BACKEND_CORS_ORIGINS"] {
        assert!(message.contains(name), "{name}: {message}");
    }
    assert!(message.contains("byline migrate up"), "the database has no tables yet: {message}");
}

#[actix_web::test]
async fn a_start_that_fails_creates_nothing() {
    let installation = Installation::production().await.set(&[("PORT", "99999")]);
    installation.fail(&[]);
    assert!(!installation.path("data").exists());
}

#[actix_web::test]
async fn production_refuses_weak_keys_without_printing_them() {
    for key in ["9f3b", "changemechangemechangemechangeme", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        let message = Installation::production().await.set(&[("SECRET_KEY", key)]).fail(&[]);
        assert!(message.contains("SECRET_KEY") && !message.contains(key), "{message}");
    }
}

#[actix_web::test]
async fn production_does_not_migrate_on_its_own() {
    let message = Installation::production().await.fail(&[]);
    assert!(message.contains("byline migrate up"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[actix_web::test]
async fn production_migrates_with_a_flag_and_needs_it_only_once() {
    let installation = Installation::production().await;
    let server = installation.serve(&["serve", "--migrate"]);
    server.client().get("/articles/").await.expect(StatusCode::OK);
    drop(server);
    installation.serve(&[]).client().get("/articles/").await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn production_starts_after_the_migrate_command() {
    let installation = Installation::production().await;
    installation.succeed(&["migrate", "up"]);
    installation.serve(&[]).client().get("/articles/").await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn production_closes_registration_by_default() {
    let server = Installation::production().await.serve(&["serve", "--migrate"]);
    let response = server.client().post("/auth/register", &registration("ann")).await;
    response.expect_error(StatusCode::FORBIDDEN, "Registration is closed");
}

/// A production database to which a newer release has applied one more migration.
async fn migrated_by_a_newer_release(additive: bool) -> Installation {
    let installation = Installation::production().await;
    let url = installation.database.url().to_owned();
    let installation = installation.set(&[("DATABASE_URL", &url)]);
    installation.succeed(&["migrate", "up"]);
    let db = installation.database.connect().await;
    let name = "m20990101_000001_of_a_newer_release";
    for statement in [
        format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ('{name}', 0)"),
        format!(
            "INSERT INTO byline_migrations (name, phase, checksum, additive, version, applied_at, duration_ms) \
             VALUES ('{name}', 'applied', '', {additive}, '9.0.0', '2099-01-01T00:00:00Z', 1)"
        ),
    ] {
        db.execute_unprepared(&statement).await.unwrap();
    }
    db.close().await.unwrap();
    installation
}

#[actix_web::test]
async fn production_refuses_migrations_of_a_newer_release_that_may_be_incompatible() {
    let message = migrated_by_a_newer_release(false).await.fail(&[]);
    assert!(message.contains("ACCEPT_NEWER_DATABASE=true"), "{message}");
}

#[actix_web::test]
async fn production_accepts_additive_migrations_of_a_newer_release() {
    let server = migrated_by_a_newer_release(true).await.serve(&[]);
    server.client().get("/articles/").await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn accept_newer_database_starts_on_migrations_that_may_be_incompatible() {
    let installation = migrated_by_a_newer_release(false).await.set(&[("ACCEPT_NEWER_DATABASE", "true")]);
    installation.serve(&[]).client().get("/articles/").await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn a_database_of_another_program_is_refused_and_left_alone() {
    let database = TestDatabase::create().await;
    let url = database.url().to_owned();
    let connection = database.connect().await;
    for statement in [
        "CREATE TABLE invoices (number integer PRIMARY KEY, total integer NOT NULL)",
        "INSERT INTO invoices VALUES (1, 100)",
    ] {
        connection.execute_unprepared(statement).await.unwrap();
    }

    let message = Installation::on(database).set(&[("DATABASE_URL", &url)]).fail(&[]);

    assert!(message.contains("byline migrate"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    let articles = connection.execute_unprepared("SELECT * FROM articles").await;
    assert!(articles.is_err(), "a start that was refused created tables");
}

#[actix_web::test]
async fn a_port_that_is_taken_is_reported_in_one_line() {
    let server = Installation::new().await.serve(&[]);
    let port = server.address.port().to_string();
    let message = Installation::new().await.set(&[("PORT", &port)]).fail(&[]);
    assert_eq!(message.lines().count(), 1, "{message}");
    let expected = format!("byline: PORT: another program listens on 127.0.0.1:{port}: ");
    assert!(message.starts_with(&expected), "{message}");
}

/// The request that is in flight waits for bcrypt; the other connections are idle, or have sent nothing yet.
#[actix_web::test]
async fn sigterm_finishes_what_is_in_flight_and_exits_with_0() {
    let installation = Installation::on(TestDatabase::create().await).set(&[
        ("BCRYPT_COST", "13"),
        ("WORKERS", "1"),
        ("SHUTDOWN_TIMEOUT_SECONDS", "25"),
    ]);
    let mut server = installation.serve(&[]);
    let mut idle: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    idle.iter_mut().for_each(check_health);
    let silent = TcpStream::connect(server.address).unwrap();
    let login = begin_login(&server);

    server.terminate();
    let stopped = Instant::now();
    let response = read_to_end(login).await;
    let status = server.wait().await;

    assert!(response.starts_with("HTTP/1.1 401 "), "{response:?}");
    assert!(response.ends_with(r#"{"detail":"Incorrect username or password"}"#), "{response}");
    assert_eq!(status.code(), Some(0), "{}", server.output());
    assert!(stopped.elapsed() < Duration::from_secs(10), "it took {:?}", stopped.elapsed());
    drop((idle, silent));
}

#[actix_web::test]
async fn a_server_that_drains_is_not_ready_but_serves_requests_and_closes_their_connections() {
    let installation = Installation::new().await.set(&[("DRAIN_SECONDS", "2")]);
    let mut server = installation.serve(&[]);
    let mut idle = TcpStream::connect(server.address).unwrap();
    check_health(&mut idle);
    server.terminate();
    let stopped = Instant::now();
    // The signal arrives a moment later.
    let mut ready = exchange(server.address, "/health/ready");
    while ready.starts_with("HTTP/1.1 200 ") && stopped.elapsed() < Duration::from_secs(1) {
        ready = exchange(server.address, "/health/ready");
    }
    assert!(ready.starts_with("HTTP/1.1 503 "), "{ready}");
    for mut client in [idle, TcpStream::connect(server.address).unwrap()] {
        client.write_all(b"GET /articles/ HTTP/1.1\r\nHost: blog\r\n\r\n").unwrap();
        let mut response = String::new();
        client.read_to_string(&mut response).unwrap();
        // The idle connection still has the body of its first response.
        assert!(response.contains("HTTP/1.1 200 ") && response.ends_with("\r\n\r\n[]"), "{response}");
        assert!(response.contains("\r\nconnection: close\r\n"), "{response}");
    }
    assert!(
        stopped.elapsed() < Duration::from_secs(2),
        "the connections were closed by the end of the server"
    );
    assert_eq!(server.wait().await.code(), Some(0), "{}", server.output());
    assert!(stopped.elapsed() >= Duration::from_secs(2), "it drained for {:?}", stopped.elapsed());
}

/// Connections that are made while the server stops are refused, or served completely.
#[actix_web::test]
async fn no_connection_is_reset_while_a_draining_server_stops() {
    let installation = Installation::new().await.set(&[("DRAIN_SECONDS", "1")]);
    let mut server = installation.serve(&[]);
    let address = server.address;
    let clients: Vec<_> = (0..8)
        .map(|_| {
            thread::spawn(move || {
                let mut served = 0;
                // A refused connection was not accepted, so a proxy would pass its request to another server.
                while let Ok(mut client) = TcpStream::connect(address) {
                    client
                        .write_all(b"GET /health/live HTTP/1.1\r\nHost: blog\r\nConnection: close\r\n\r\n")
                        .unwrap();
                    let mut response = String::new();
                    client.read_to_string(&mut response).unwrap();
                    assert!(response.starts_with("HTTP/1.1 200 "), "{response:?}");
                    served += 1;
                }
                served
            })
        })
        .collect();
    server.terminate();
    assert_eq!(server.wait().await.code(), Some(0), "{}", server.output());
    for client in clients {
        assert!(client.join().unwrap() > 0);
    }
}

#[actix_web::test]
async fn a_second_signal_and_sigint_end_the_server_at_once() {
    for signals in [&["TERM", "TERM"][..], &["TERM", "INT"], &["INT"]] {
        let installation =
            Installation::new().await.set(&[("DRAIN_SECONDS", "60"), ("SHUTDOWN_TIMEOUT_SECONDS", "60")]);
        let mut server = installation.serve(&[]);
        let _idle = TcpStream::connect(server.address).unwrap();
        let started = Instant::now();
        for (number, signal) in signals.iter().enumerate() {
            if number > 0 {
                // Two signals at the same time are one.
                let drains = async || exchange(server.address, "/health/ready").starts_with("HTTP/1.1 503 ");
                wait_until("it drains", drains).await;
            }
            server.signal(signal);
        }
        assert_eq!(server.wait().await.code(), Some(0), "{}", server.output());
        assert!(started.elapsed() < Duration::from_secs(10), "{signals:?}: {:?}", started.elapsed());
    }
}

/// Sends a GET request on a connection of its own, and returns the response.
fn exchange(address: SocketAddr, path: &str) -> String {
    let mut client = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: blog\r\nConnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    response
}

/// Sends a login, and returns once the server's only worker has begun with it.
fn begin_login(server: &ServerProcess) -> TcpStream {
    let body = "username=nobody&password=correct+horse+battery";
    let request = format!(
        "POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    // The worker reads in the order of arrival: once it answers this, it has begun with the login.
    check_health(&mut TcpStream::connect(server.address).unwrap());
    stream
}

fn check_health(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut start = [0; 15];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200 OK");
}

async fn read_to_end(mut stream: TcpStream) -> String {
    let read = move || {
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        String::from_utf8(received).unwrap()
    };
    spawn_blocking(read).await.unwrap()
}

#[actix_web::test]
async fn an_acknowledged_write_survives_a_kill() {
    let installation = Installation::new().await;
    let mut server = installation.serve(&[]);
    let mut ann = server.client().sign_up("ann").await;
    for _ in 0..3 {
        let article = ann.write(Published::Yes).await;
        server.kill();
        server = installation.serve(&[]);
        ann = server.client().with_token(ann.token.as_ref().unwrap());
        assert_eq!(ann.get(&article.path()).await.expect(StatusCode::OK), article.json);
    }
}

#[actix_web::test]
async fn two_servers_share_one_database() {
    let installation = Installation::new().await;
    let servers = [installation.serve(&[]), installation.serve(&[])];
    let ann = servers[0].client().sign_up("ann").await;
    let writes = servers.iter().flat_map(|server| {
        let ann = server.client().with_token(ann.token.as_ref().unwrap());
        (0..50).map(move |_| {
            let ann = ann.clone();
            async move { ann.write(Published::Yes).await.id }
        })
    });
    let mut ids = join_all(writes).await;
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 100);
    for server in &servers {
        let list = server.client().get("/articles/").await.expect(StatusCode::OK);
        assert_eq!(list.as_array().unwrap().len(), 100);
    }
}
