//! The listener through which a server on PostgreSQL learns of writes: a server that lost it trusts its cache
//! no longer than documented, and one without a trigger does not fill it.

use std::time::{Duration, Instant};

use actix_web::{http::StatusCode, rt::time::sleep};
use fake::{
    Fake as _,
    rand::{SeedableRng as _, rngs::StdRng},
};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement, TransactionTrait as _};
use serde_json::{Value, json};

use crate::support::{
    Article, LISTENER_TIMEOUT, Proxy, Published, TestApp, TestDatabase, migrate, print, wait_until,
};

/// A server whose database cannot be reached answers within seconds.
const SHORT_TIMEOUTS: [(&str, &str); 4] = [
    ("ACQUIRE_TIMEOUT_SECONDS", "1"),
    ("STATEMENT_TIMEOUT_SECONDS", "1"),
    ("REQUEST_TIMEOUT_SECONDS", "2"),
    ("DATABASE_CONNECTIONS", "4"),
];

async fn start_on_postgres() -> TestApp {
    let database = TestDatabase::postgres().await;
    migrate(&database).await;
    TestApp::on(database.into(), &[])
}

/// Starts another server on the database of `app`, whose connections pass a proxy.
fn start_with_proxy(app: &TestApp) -> (TestApp, Proxy) {
    let (proxy, url) = Proxy::for_database(app.database.url());
    let settings: Vec<(&str, &str)> =
        SHORT_TIMEOUTS.into_iter().chain([("DATABASE_URL", url.as_str())]).collect();
    (app.another(&settings), proxy)
}

async fn sleep_up_to(milliseconds: u64, random: &mut StdRng) {
    sleep(Duration::from_millis((0..milliseconds).fake_with_rng(random))).await;
}

async fn wait_until_available(app: &TestApp, path: &str) {
    wait_until("the server answers again", async || app.anonymous().get(path).await.status == StatusCode::OK)
        .await;
}

/// Reads until well after the documented bound, and fails if a read that began after it is stale. Returns how
/// many reads were stale, and when the last of them began. A 503 is not stale.
async fn count_stale_reads(
    app: &TestApp,
    path: &str,
    current: &Article,
    written: Instant,
) -> (usize, Duration) {
    let (mut stale, mut last) = (0, Duration::ZERO);
    while written.elapsed() < LISTENER_TIMEOUT + Duration::from_millis(700) {
        let begun = written.elapsed();
        let response = app.anonymous().get(path).await;
        if response.status == StatusCode::SERVICE_UNAVAILABLE {
            continue;
        }
        let body = response.expect(StatusCode::OK);
        let shown: &Value = if body.is_array() { &body[0] } else { &body };
        if *shown != current.json {
            assert!(begun < LISTENER_TIMEOUT, "{path} is stale {begun:?} after the write");
            stale += 1;
            last = last.max(begun);
        }
        sleep(Duration::from_millis(5)).await;
    }
    (stale, last)
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_server_that_lost_its_listener_is_stale_no_longer_than_documented() {
    let writer = start_on_postgres().await;
    let (reader, proxy) = start_with_proxy(&writer);
    let ann = writer.sign_up("ann").await;
    let mut article = ann.write(Published::Yes).await;
    let mut random = StdRng::seed_from_u64(1);
    let (mut stale, mut last) = (0, Duration::ZERO);
    for round in 0..8 {
        assert_eq!(reader.fill_cache(&article.path()).await.json(), article.json);
        reader.fill_cache("/articles/").await;
        sleep_up_to(600, &mut random).await;
        if round % 2 == 0 {
            proxy.disconnect();
        } else {
            proxy.go_silent();
        }
        sleep_up_to(300, &mut random).await;

        article = ann.edit(&article, &json!({ "title": format!("round {round}") })).await;
        let written = Instant::now();
        let path = article.path();
        let reads =
            [path.as_str(), "/articles/"].map(|path| count_stale_reads(&reader, path, &article, written));
        for (stale_reads, last_read) in join_all(reads).await {
            stale += stale_reads;
            last = last.max(last_read);
        }
        proxy.restore();
        wait_until_available(&reader, "/articles/").await;
    }
    assert_eq!(reader.fill_cache(&article.path()).await.json(), article.json);
    print(&format!(
        "cache: a listener lost eight times, {stale} stale reads, the last began {last:?} after its write"
    ));
    assert!(stale > 0, "the cache was never used while the listener was lost");
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_listener_that_loses_its_connection_while_it_starts_listens_again() {
    let app = start_on_postgres().await;
    let article = app.sign_up("ann").await.write(Published::Yes).await;
    let (locking, watching) = (app.database.connect().await, app.database.connect().await);

    // The connection goes silent before the database has answered which triggers there are.
    let lock = locking.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE pg_trigger IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let (interrupted, proxy) = start_with_proxy(&app);
    wait_until("the listener waits for the lock", async || {
        let waiting =
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let waiting = Statement::from_string(DbBackend::Postgres, waiting);
        watching.query_one_raw(waiting).await.unwrap().is_some()
    })
    .await;
    proxy.go_silent();
    lock.rollback().await.unwrap();
    sleep(Duration::from_millis(100)).await;
    proxy.restore();

    wait_until_available(&interrupted, &article.path()).await;
    interrupted.fill_cache(&article.path()).await;
}

/// Disables a trigger, and expects that a server that starts then caches nothing until the trigger is back.
async fn expect_no_cache_without(trigger: &str, table: &str) {
    let app = start_on_postgres().await;
    let article = app.sign_up("ann").await.write(Published::Yes).await;
    app.fill_cache(&article.path()).await;
    app.sql(&format!("ALTER TABLE {table} DISABLE TRIGGER {trigger}")).await;
    let uninformed = app.another(&[]);

    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(1) {
        uninformed.anonymous().get(&article.path()).await.expect(StatusCode::OK);
        assert!(!uninformed.is_cached(&article.path()));
    }
    app.sql(&format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")).await;
    uninformed.fill_cache(&article.path()).await;
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn nothing_is_cached_without_the_trigger_of_articles() {
    expect_no_cache_without("articles_updated", "articles").await;
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn nothing_is_cached_without_the_trigger_of_users() {
    expect_no_cache_without("users_renamed", "users").await;
}

/// Ways in which writes are no longer announced, or no longer raise the version, and how to undo them.
const CHANGES: [(&str, &str); 4] = [
    (
        "ALTER TABLE articles DISABLE TRIGGER articles_updated",
        "ALTER TABLE articles ENABLE ALWAYS TRIGGER articles_updated",
    ),
    (
        "ALTER TABLE articles ENABLE TRIGGER articles_version_grows",
        "ALTER TABLE articles ENABLE ALWAYS TRIGGER articles_version_grows",
    ),
    (
        "ALTER FUNCTION byline_articles_changed() RENAME TO announces;
         CREATE FUNCTION byline_articles_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE OR REPLACE TRIGGER articles_deleted AFTER DELETE ON articles REFERENCING OLD TABLE AS changed
         FOR EACH STATEMENT EXECUTE FUNCTION byline_articles_changed();
         ALTER TABLE articles ENABLE ALWAYS TRIGGER articles_deleted",
        "CREATE OR REPLACE TRIGGER articles_deleted AFTER DELETE ON articles REFERENCING OLD TABLE AS changed
         FOR EACH STATEMENT EXECUTE FUNCTION announces();
         ALTER TABLE articles ENABLE ALWAYS TRIGGER articles_deleted;
         DROP FUNCTION byline_articles_changed();
         ALTER FUNCTION announces() RENAME TO byline_articles_changed",
    ),
    (
        "DROP TRIGGER users_renamed ON users",
        "CREATE TRIGGER users_renamed AFTER UPDATE ON users FOR EACH ROW
         WHEN (NEW.username IS DISTINCT FROM OLD.username) EXECUTE FUNCTION byline_users_renamed();
         ALTER TABLE users ENABLE ALWAYS TRIGGER users_renamed",
    ),
];

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_running_server_stops_using_its_cache_while_a_trigger_is_not_as_expected() {
    let app = start_on_postgres().await;
    let article = app.sign_up("ann").await.write(Published::Yes).await;
    for (change, undo) in CHANGES {
        app.fill_cache(&article.path()).await;
        app.sql_keeping_cache(change).await;
        wait_until("the server notices the change", async || {
            let ready = app.anonymous().get("/health/ready").await.expect(StatusCode::OK);
            ready["status"] == "degraded"
        })
        .await;
        let ready = app.anonymous().get("/health/ready").await.json();
        assert!(ready["reason"].as_str().unwrap().starts_with("The cache is not used"), "{change}: {ready}");
        for _ in 0..20 {
            app.anonymous().get(&article.path()).await.expect(StatusCode::OK);
            assert!(!app.is_cached(&article.path()), "{change}");
            sleep(Duration::from_millis(50)).await;
        }
        app.sql_keeping_cache(undo).await;
        app.fill_cache(&article.path()).await;
        let ready = app.anonymous().get("/health/ready").await.expect(StatusCode::OK);
        assert_eq!(ready, json!({ "status": "ok" }), "{undo}");
    }
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_write_while_a_trigger_was_disabled_for_a_moment_shows_within_the_bound() {
    let app = start_on_postgres().await;
    let article = app.sign_up("ann").await.write(Published::Yes).await;
    let other = app.database.connect().await;
    for round in 0..4 {
        app.fill_cache(&article.path()).await;
        // In one transaction, so that no heartbeat sees the disabled trigger.
        let load = format!(
            "BEGIN; ALTER TABLE articles DISABLE TRIGGER articles_updated; UPDATE articles SET title = 'r{round}'; \
             ALTER TABLE articles ENABLE ALWAYS TRIGGER articles_updated; COMMIT"
        );
        other.execute_unprepared(&load).await.unwrap();
        let written = Instant::now();
        loop {
            let begun = written.elapsed();
            let shown = app.anonymous().get(&article.path()).await.expect(StatusCode::OK);
            if shown["title"] == format!("r{round}") {
                break;
            }
            assert!(begun < LISTENER_TIMEOUT, "stale {begun:?} after the write");
        }
    }
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_write_of_a_session_that_applies_changes_of_another_server_is_announced() {
    let app = start_on_postgres().await;
    let article = app.sign_up("ann").await.write(Published::Yes).await;
    app.fill_cache(&article.path()).await;
    let before = app.number("SELECT version::bigint FROM articles").await;
    let other = app.database.connect().await;
    let write = "SET session_replication_role = replica; UPDATE articles SET published = FALSE";
    other.execute_unprepared(write).await.unwrap();
    let written = Instant::now();
    while app.anonymous().get(&article.path()).await.status == StatusCode::OK {
        assert!(written.elapsed() < Duration::from_millis(400), "the write was not announced");
    }
    assert_eq!(app.number("SELECT version::bigint FROM articles").await, before + 1);
}
