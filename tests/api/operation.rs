//! The binary as an operator knows it: its start, its commands, its end.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use actix_web::{http::StatusCode, rt::task::spawn_blocking};
use futures_util::future::join_all;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::{
    document::document,
    process::{Home, Process, errors},
    support::{PASSWORD, PATIENCE, Place},
};

const GOOD_KEY: &str = "f3b1c7d92e8a4f60b5d81c3e7a9260f4";

/// With passwords that cost little.
async fn cheap() -> Home {
    Home::new().await.with(&[("BCRYPT_COST", "4")])
}

#[actix_web::test]
async fn without_any_setting_it_starts_and_says_where_everything_is() {
    let home = cheap().await;
    let server = home.serve(&[]);
    let ann = server.client().sign_up("ann").await;
    let article = ann.write(true).await;
    let said = server.said();
    assert!(said.contains(&format!("http://{}", server.address)), "{said}");
    assert!(said.contains(&format!("http://{}/docs", server.address)), "{said}");
    assert!(!said.contains("password"), "{said}");

    let key = home.path("data/secret_key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(home.path("data")).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!said.contains(fs::read_to_string(&key).unwrap().trim()), "the key is told");
    if Place::is_postgres() {
        assert!(!home.path("data/byline.db").exists());
    } else {
        assert!(home.path("data/byline.db").exists());
        assert!(said.contains("data/byline.db"), "{said}");
    }

    // A restart keeps the key, so that everyone stays signed in, and the data.
    server.kill();
    let again = home.serve(&["serve"]);
    let ann = again.client().with_token(ann.token.as_ref().unwrap());
    ann.get("/users/me").await.expect(StatusCode::OK);
    assert_eq!(ann.get("/articles/").await.json(), json!([article]));
}

#[actix_web::test]
async fn production_refuses_with_all_problems_at_once() {
    let home = Home::new().await.with(&[
        ("APP_ENV", "production"),
        ("BCRYPT_COST", "4"),
        ("PORT", "99999"),
        ("BACKEND_CORS_ORIGINS", "http://localhost:3000"),
    ]);
    let complaint = home.fail(&[]);
    for name in ["SECRET_KEY", "BCRYPT_COST", "PORT", "BACKEND_CORS_ORIGINS"] {
        assert!(complaint.contains(name), "{name}: {complaint}");
    }
    assert!(complaint.contains("byline migrate up"), "an empty database is behind: {complaint}");
    assert!(!home.path("data").exists(), "a start that fails leaves nothing behind");

    for key in ["9f3b", "changemechangemechangemechangeme", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        let home = Home::new().await.with(&[("APP_ENV", "production"), ("SECRET_KEY", key)]);
        let complaint = home.fail(&[]);
        assert!(complaint.contains("SECRET_KEY") && !complaint.contains(key), "{complaint}");
    }
}

#[actix_web::test]
async fn production_migrates_when_told_to_and_never_by_itself() {
    let home = Home::new().await.with(&[("APP_ENV", "production"), ("SECRET_KEY", GOOD_KEY)]);
    let complaint = home.fail(&[]);
    assert!(complaint.contains("byline migrate up"), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");

    let server = home.serve(&["serve", "--migrate"]);
    server.client().get("/articles/").await.expect(StatusCode::OK);
    // Registration is closed in production unless it is opened.
    let answer = server.client().post("/auth/register", &crate::support::newcomer("ann")).await;
    answer.expect_error(StatusCode::FORBIDDEN, "Registration is closed");
    drop(server);
    home.serve(&[]).client().get("/articles/").await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn the_command_migrates_and_the_server_starts_on_it() {
    let home = Home::new().await.with(&[("APP_ENV", "production"), ("SECRET_KEY", GOOD_KEY)]);
    home.succeed(&["migrate", "up"]);
    home.serve(&[]).client().get("/articles/").await.expect(StatusCode::OK);
}

#[actix_web::test]
async fn a_database_of_somebody_else_is_refused_with_the_command_named() {
    let home = cheap().await;
    if !Place::is_postgres() {
        fs::create_dir(home.path("data")).unwrap();
    }
    let url = if Place::is_postgres() {
        home.place.url()
    } else {
        format!("sqlite://{}?mode=rwc", home.path("data/byline.db").display())
    };
    let db = sea_orm::Database::connect(&url).await.unwrap();
    db.execute_unprepared("CREATE TABLE invoices (number integer PRIMARY KEY, total integer NOT NULL)")
        .await
        .unwrap();
    db.execute_unprepared("INSERT INTO invoices VALUES (1, 100)").await.unwrap();

    let complaint = home.fail(&[]);
    assert!(complaint.contains("byline migrate"), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    let articles = db.execute_unprepared("SELECT * FROM articles").await;
    assert!(articles.is_err(), "it made tables all the same");
}

/// A request that is being answered while the server is told to stop, beside connections on which nothing happens.
#[actix_web::test]
async fn sigterm_finishes_what_is_in_flight_and_exits_with_0() {
    let home = Home::new().await.with(&[
        ("BCRYPT_COST", "13"),
        ("WORKERS", "1"),
        ("SHUTDOWN_TIMEOUT_SECONDS", "25"),
    ]);
    let mut server = home.serve(&[]);
    let address = server.address;
    let ask = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut start = [0; 15];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200 OK");
    };
    let mut idle: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(address).unwrap()).collect();
    idle.iter_mut().for_each(ask);
    // One that has said nothing at all yet.
    let silent = TcpStream::connect(address).unwrap();

    let body = "username=nobody&password=correct+horse+battery";
    let request = format!(
        "POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut slow = TcpStream::connect(address).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    slow.write_all(request.as_bytes()).unwrap();
    // The one worker reads in the order of arrival: where it answers this, it has begun with that.
    ask(&mut TcpStream::connect(address).unwrap());
    server.terminate();
    let stopped = Instant::now();

    let answer = spawn_blocking(move || {
        let mut received = Vec::new();
        slow.read_to_end(&mut received).unwrap();
        String::from_utf8(received).unwrap()
    })
    .await
    .unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer:?}");
    assert!(answer.ends_with(r#"{"detail":"Incorrect username or password"}"#), "{answer}");
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{}", server.said());
    assert!(stopped.elapsed() < Duration::from_secs(10), "it took {:?}", stopped.elapsed());
    drop((idle, silent));
}

#[actix_web::test]
async fn what_was_acknowledged_survives_a_kill() {
    let home = cheap().await;
    let mut server = home.serve(&[]);
    let mut ann = server.client().sign_up("ann").await;
    for _ in 0..3 {
        let article = ann.write(true).await;
        server.kill();
        server = home.serve(&[]);
        ann = server.client().with_token(ann.token.as_ref().unwrap());
        let path = format!("/articles/{}", article["id"]);
        assert_eq!(ann.get(&path).await.expect(StatusCode::OK), article);
    }
}

#[actix_web::test]
async fn two_servers_share_one_database() {
    let home = cheap().await;
    let servers: Vec<Process> = vec![home.serve(&[]), home.serve(&[])];
    let ann = servers[0].client().sign_up("ann").await;
    let writes = servers.iter().flat_map(|server| {
        let ann = server.client().with_token(ann.token.as_ref().unwrap());
        (0..50).map(move |_| {
            let ann = ann.clone();
            async move { ann.write(true).await["id"].as_i64().unwrap() }
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

#[actix_web::test]
async fn an_operator_makes_accounts_where_registration_is_closed() {
    let home = cheap().await.with(&[("REGISTRATION", "closed")]);
    let create = |email: &str, name: &str, password: &str| {
        home.run_with(&["user", "create", "--email", email, "--username", name], password)
    };
    let output = create("ann@example.com", "ann", PASSWORD);
    assert!(output.status.success(), "{}", errors(&output));
    let account: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(account["username"], "ann");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("$2b$"));

    for (email, name, password, word) in [
        ("ann@example.com", "else", PASSWORD, "Email already registered"),
        ("else@example.com", "ann", PASSWORD, "Username already registered"),
        ("no address", "else", PASSWORD, "email"),
        ("else@example.com", "else ", PASSWORD, "username"),
        ("else@example.com", "else", "s3cr3t", "password"),
        ("else@example.com", "else", "", "password"),
        ("else@example.com", "else", &"x".repeat(73), "password"),
    ] {
        let output = create(email, name, password);
        let complaint = errors(&output);
        assert_eq!(output.status.code(), Some(1), "{email} {name}: {complaint}");
        assert!(complaint.contains(word) && complaint.lines().count() == 1, "{word}: {complaint}");
        assert!(output.stdout.is_empty() && !complaint.contains("s3cr3t"), "{complaint}");
    }

    let server = home.serve(&[]);
    let ann = server.client().sign_in("ann", PASSWORD).await;
    assert_eq!(ann.get("/users/me").await.expect(StatusCode::OK), account);
    server.client().log_in("else", PASSWORD).await.expect(StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn the_printed_document_is_the_committed_one() {
    let home = Home::new().await;
    let printed = home.succeed(&["openapi"]);
    assert_eq!(
        printed,
        include_str!("../../openapi.json"),
        "write it anew: cargo run -- openapi > openapi.json"
    );
    assert_eq!(&serde_json::from_str::<Value>(&printed).unwrap(), document());
}

#[actix_web::test]
async fn the_health_check_asks_the_server_that_the_settings_name() {
    let home = cheap().await;
    let server = home.serve(&[]);
    let port = server.address.port().to_string();
    for host in ["127.0.0.1", "0.0.0.0"] {
        let check = Home::new().await.without("PORT").with(&[("PORT", &port), ("HOST", host)]);
        check.succeed(&["healthcheck"]);
    }
    server.kill();
    let check = Home::new().await.without("PORT").with(&[("PORT", &port)]);
    let complaint = check.fail(&["healthcheck"]);
    assert!(complaint.contains("/health/ready") && complaint.lines().count() == 1, "{complaint}");
}

#[actix_web::test]
async fn seed_makes_as_much_as_it_is_told() {
    let home = cheap().await.with(&[("PUBLIC_DRAFTS", "true")]);
    let said = home.succeed(&["seed", "--users", "3", "--articles", "50"]);
    assert!(said.contains("3 users and 50 articles"), "{said}");
    let server = home.serve(&[]);
    let list = server.client().get("/articles/").await.expect(StatusCode::OK);
    let articles = list.as_array().unwrap();
    assert_eq!(articles.len(), 50);
    let mut authors: Vec<i64> =
        articles.iter().map(|article| article["author_id"].as_i64().unwrap()).collect();
    authors.sort_unstable();
    authors.dedup();
    assert_eq!(authors.len(), 3);
    // Whoever writes next goes on behind them.
    let ann = server.client().sign_up("ann").await;
    assert_eq!(ann.write(true).await["id"], 51);
}

#[actix_web::test]
async fn a_taken_port_is_one_clear_line() {
    let home = cheap().await;
    let server = home.serve(&[]);
    let port = server.address.port().to_string();
    let complaint = cheap().await.without("PORT").with(&[("PORT", &port)]).fail(&[]);
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
}
