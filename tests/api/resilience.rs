//! What a server survives: signals, a full disk, a database file that is gone.

use std::{fs, net::TcpStream, path::PathBuf, sync::Arc, time::Duration};

use actix_web::{http::StatusCode, rt::time::sleep};
use sea_orm::{ConnectionTrait as _, DbBackend};
use serde_json::json;

use crate::support::{
    Client, Installation, Published, TestApp, TestDatabase, article_body, migrate, registration, wait_until,
};

const UNAVAILABLE: &str = "The service is unavailable";

#[actix_web::test]
async fn a_terminal_that_closes_does_not_end_the_server() {
    let server = Installation::new().await.serve(&[]);
    for _ in 0..3 {
        server.hang_up();
        server.client().get("/articles/").await.expect(StatusCode::OK);
    }
}

#[actix_web::test]
async fn the_limit_on_open_files_is_raised_as_far_as_allowed() {
    let [soft, hard] = Installation::new().await.serve(&[]).open_files();
    assert_eq!(soft, hard);
}

#[actix_web::test]
async fn clients_never_take_the_descriptors_of_the_database() {
    // 128 and four for each connection to the database are reserved, so there are 26 for clients.
    let settings = [("WORKERS", "1"), ("DATABASE_CONNECTIONS", "4")];
    let server = Installation::new().await.set(&settings).serve_with_open_files(170);
    assert_eq!(server.open_files(), ["170", "170"]);
    let client = server.client();
    client.get("/articles/").await.expect(StatusCode::OK);
    let idle: Vec<_> = (0..200).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    sleep(Duration::from_secs(1)).await;
    let clients = server.accepted();
    assert!((20..=30).contains(&clients), "{clients} clients");
    drop(idle);
    client.sign_up("ann").await.write(Published::Yes).await;
    client.get("/health/ready").await.expect(StatusCode::OK);
    assert!(!server.output().contains("open files"), "{}", server.output());
}

/// PostgreSQL ends the connections, as it does when it is restarted. They were used a moment ago, so they are not
/// checked before their next use.
#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_read_is_repeated_if_its_connection_has_died() {
    let database = TestDatabase::postgres().await;
    migrate(&database).await;
    let app = TestApp::on(Arc::new(database), &[("CACHE_BYTES", "0")]);
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    let other = app.database.connect().await;
    for path in ["/articles/", &article.path(), "/users/me", "/articles/?count=exact"].repeat(5) {
        ann.get(path).await.expect(StatusCode::OK);
        let end_others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                          WHERE datname = current_database() AND pid <> pg_backend_pid()";
        other.execute_unprepared(end_others).await.unwrap();
        ann.get(path).await.expect(StatusCode::OK);
    }
}

/// A server on SQLite, an account, and the path of the file.
async fn start_on_a_file() -> (TestApp, Client, PathBuf) {
    let database = TestDatabase::sqlite();
    migrate(&database).await;
    let app = TestApp::on(Arc::new(database), &[]);
    let ann = app.sign_up("ann").await;
    ann.write(Published::Yes).await;
    let file = app.database.directory().join("byline.db");
    (app, ann, file)
}

/// The server is alive, not ready, and acknowledges no write.
async fn expect_no_writes(app: &TestApp, ann: &Client) {
    let anyone = app.anonymous();
    anyone.get("/health/live").await.expect(StatusCode::OK);
    for response in [
        anyone.get("/health/ready").await,
        ann.post("/articles/", &article_body("lost")).await,
        ann.patch("/articles/1", &json!({ "title": "lost" })).await,
        ann.delete("/articles/1").await,
        anyone.post("/auth/register", &registration("lost")).await,
    ] {
        response.expect_error(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE);
    }
}

#[actix_web::test]
async fn a_file_that_is_deleted_makes_the_server_unready_and_refuses_writes() {
    let (app, ann, file) = start_on_a_file().await;
    app.anonymous().get("/health/ready").await.expect(StatusCode::OK);
    fs::remove_file(file).unwrap();
    expect_no_writes(&app, &ann).await;
}

#[actix_web::test]
async fn a_file_that_is_replaced_makes_the_server_unready_and_refuses_writes() {
    let (app, ann, file) = start_on_a_file().await;
    // As a restore does: another file takes the name.
    let backup = file.with_extension("backup");
    fs::copy(&file, &backup).unwrap();
    fs::rename(&backup, &file).unwrap();
    expect_no_writes(&app, &ann).await;
}

#[actix_web::test]
async fn a_file_that_comes_back_is_written_again() {
    let (app, ann, file) = start_on_a_file().await;
    let elsewhere = file.with_extension("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    expect_no_writes(&app, &ann).await;
    fs::rename(&elsewhere, &file).unwrap();
    app.anonymous().get("/health/ready").await.expect(StatusCode::OK);
    let article = ann.write(Published::Yes).await;
    assert_eq!(ann.get(&article.path()).await.json(), article.json);
    assert_ne!(ann.get("/articles/1").await.json()["title"], "lost");
}

#[actix_web::test]
async fn a_database_without_its_tables_is_not_ready() {
    let app = TestApp::start().await;
    app.sql("ALTER TABLE users RENAME TO gone").await;
    app.anonymous().get("/health/ready").await.expect_error(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE);
    app.sql("ALTER TABLE gone RENAME TO users").await;
    app.anonymous().get("/health/ready").await.expect(StatusCode::OK);
}

/// From now on, the database has no room.
async fn fill_disk(app: &TestApp) {
    match app.database.engine() {
        DbBackend::Postgres => {
            app.sql(
                "CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$; \
                 CREATE TRIGGER disk_full BEFORE INSERT OR UPDATE ON articles EXECUTE FUNCTION disk_full()",
            )
            .await;
        }
        // Never less than the file has.
        _ => app.sql("PRAGMA max_page_count = 1").await,
    }
}

async fn make_room(app: &TestApp) {
    match app.database.engine() {
        DbBackend::Postgres => app.sql("DROP TRIGGER disk_full ON articles").await,
        _ => app.sql("PRAGMA max_page_count = 1073741823").await,
    }
}

#[actix_web::test]
async fn on_a_full_disk_writes_are_503_and_reads_continue() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    fill_disk(&app).await;
    let large = json!({ "title": "t", "content": "x".repeat(1 << 20) });
    for _ in 0..3 {
        for response in [ann.post("/articles/", &large).await, ann.patch(&article.path(), &large).await] {
            response.expect_error(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE);
            assert_eq!(response.header("retry-after"), Some("1"));
        }
        assert_eq!(ann.get(&article.path()).await.json(), article.json);
        let list = app.anonymous().get("/articles/").await.expect(StatusCode::OK);
        assert_eq!(list.as_array().unwrap().len(), 1);
    }
    make_room(&app).await;
    wait_until("there is room again", async || {
        ann.post("/articles/", &large).await.status == StatusCode::CREATED
    })
    .await;
}
