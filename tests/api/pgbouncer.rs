//! PgBouncer between the server and PostgreSQL. `.ci/run long` runs these tests and others through it.

use std::env;

use actix_web::http::StatusCode;
use futures_util::future::join_all;
use sea_orm::Database;

use crate::support::{
    Installation, Published, TestApp, TestDatabase, registration, through_pgbouncer, wait_until,
};

/// The pool mode of this run.
fn mode() -> String {
    env::var("TEST_PGBOUNCER").unwrap()
}

async fn installation() -> Installation {
    let database = TestDatabase::postgres().await;
    Installation::on(database).set(&[("BCRYPT_COST", "4")])
}

#[actix_web::test]
async fn a_server_migrates_serves_and_caches_through_pgbouncer() {
    let installation = installation().await;
    let server = installation.serve(&[]);
    let ann = server.client().sign_up("ann").await;
    let writes = (0..50).map(|_| async {
        let article = ann.write(Published::Yes).await;
        assert_eq!(server.client().get(&article.path()).await.expect(StatusCode::OK), article.json);
    });
    join_all(writes).await;
    assert!(!server.output().contains("the cache is off"), "{}", server.output());
    installation.succeed(&["migrate", "check"]);
    installation.succeed(&["seed", "--articles", "10"]);
}

#[actix_web::test]
async fn statements_time_out_and_times_are_utc() {
    let app = TestApp::with(&[("STATEMENT_TIMEOUT_SECONDS", "3")]).await;
    let setting = "SELECT current_setting('statement_timeout') || ' ' || current_setting('timezone')";
    assert_eq!(app.text(setting).await, "3s UTC");
}

#[actix_web::test]
async fn nothing_that_a_server_sets_reaches_other_clients() {
    let app = TestApp::with(&[("STATEMENT_TIMEOUT_SECONDS", "3"), ("CACHE_BYTES", "0")]).await;
    app.sign_up("ann").await.write(Published::Yes).await;
    let other = Database::connect(through_pgbouncer(&app.database)).await;
    // Its driver sets a parameter that PgBouncer refuses, so it asks as a server would.
    assert!(other.is_err());
    let another = app.another(&[("STATEMENT_TIMEOUT_SECONDS", "7")]);
    assert_eq!(another.text("SELECT current_setting('statement_timeout')").await, "7s");
    assert_eq!(app.text("SELECT current_setting('statement_timeout')").await, "3s");
}

#[actix_web::test]
async fn a_server_that_does_not_know_of_pgbouncer_says_which_setting_is_missing() {
    let installation = installation().await.set(&[("PGBOUNCER", "off")]);
    let message = installation.fail(&["serve"]);
    assert!(message.contains("PGBOUNCER") && message.lines().count() == 1, "{message}");
}

#[actix_web::test]
async fn the_wrong_mode_is_refused_if_it_would_be_unsafe() {
    let installation = installation().await.set(&[("PGBOUNCER", "session")]);
    if mode() == "session" {
        installation.serve(&[]).client().get("/articles/").await.expect(StatusCode::OK);
    } else {
        let message = installation.fail(&["serve"]);
        assert!(message.contains("PGBOUNCER must be `transaction`"), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[actix_web::test]
async fn transaction_mode_without_a_direct_url_serves_without_the_cache_and_migrates_nothing() {
    let installation = installation().await;
    installation.succeed(&["migrate", "up"]);
    // The parameter of the FastAPI blog says the same as `PGBOUNCER=transaction`.
    let url = through_pgbouncer(&installation.database) + "?prepared_statement_cache_size=0";
    let installation =
        installation.unset("DATABASE_DIRECT_URL").unset("PGBOUNCER").set(&[("DATABASE_URL", &url)]);
    let server = installation.serve(&[]);
    let ann = server.client().sign_up("ann").await;
    let article = ann.write(Published::Yes).await;
    assert_eq!(server.client().get(&article.path()).await.expect(StatusCode::OK), article.json);
    wait_until("the log names the setting", async || {
        let output = server.output();
        output.contains("the cache is off") && output.contains("DATABASE_DIRECT_URL")
    })
    .await;
    for command in [vec!["migrate", "up"], vec!["migrate", "status"], vec!["seed", "--articles", "1"]] {
        let message = installation.fail(&command);
        assert!(message.contains("DATABASE_DIRECT_URL") && message.lines().count() == 1, "{message}");
    }
}

/// More clients than sessions, so that each statement may run in another session.
#[actix_web::test]
async fn failed_statements_and_conflicts_leave_sessions_usable() {
    let app = TestApp::with(&[("WORKERS", "4"), ("DATABASE_CONNECTIONS", "32")]).await;
    let ann = app.sign_up("ann").await;
    for _ in 0..16 {
        let attempts = (0..4).map(|number| {
            let (app, ann) = (&app, &ann);
            async move {
                if number == 0 {
                    ann.write(Published::Yes).await;
                } else {
                    let response = app.anonymous().post("/auth/register", &registration("ann")).await;
                    response.expect(StatusCode::CONFLICT);
                }
            }
        });
        join_all(attempts).await;
    }
    let list = app.anonymous().get("/articles/").await.expect(StatusCode::OK);
    assert_eq!(list.as_array().unwrap().len(), 16);
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                AND state LIKE 'idle in transaction%'";
    assert_eq!(app.number(open).await, 0);
}
