//! The budget of database connections: kept to with any number of workers, enough to start with, and given back at the end.

use std::{fs, path::Path, time::Duration};

use actix_web::{http::StatusCode, rt::time::sleep};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::support::{Installation, Published, ServerProcess, TestDatabase};

/// With cheap passwords and long timeouts: here a busy machine is no failure.
const COMMON: [(&str, &str); 3] =
    [("BCRYPT_COST", "4"), ("ACQUIRE_TIMEOUT_SECONDS", "25"), ("REQUEST_TIMEOUT_SECONDS", "30")];

async fn home(settings: &[(&str, &str)]) -> Installation {
    Installation::new().await.set(&COMMON).set(settings)
}

/// Reads, writes and signs in, on as many HTTP connections as keep every worker busy.
async fn works(server: &ServerProcess, name: &str) {
    let author = server.client().sign_up(name).await;
    let authors = (0..32).map(|_| async {
        let article = author.write(Published::Yes).await;
        author.get(&article.path()).await.expect(StatusCode::OK);
        server.client().get("/articles/").await.expect(StatusCode::OK);
    });
    join_all(authors).await;
    let ready = server.client().get("/health/ready").await;
    assert_eq!(ready.status, StatusCode::OK, "{}", server.output());
}

/// How many connections of Byline the database counts.
async fn counted(database: &TestDatabase) -> i64 {
    let db = database.connect().await;
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'byline' AND datname = current_database()";
    let row =
        db.query_one_raw(Statement::from_string(db.get_database_backend(), count)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

#[actix_web::test]
async fn the_defaults_serve_on_any_number_of_cores() {
    for workers in ["1", "64", "128"] {
        let home = home(&[("WORKERS", workers)]).await;
        works(&home.serve(&[]), "ann").await;
    }
}

#[actix_web::test]
async fn a_budget_smaller_than_the_number_of_workers_serves_all_the_same() {
    for connections in ["1", "2", "3"] {
        let home = home(&[("WORKERS", "5"), ("DATABASE_CONNECTIONS", connections)]).await;
        works(&home.serve(&[]), "ann").await;
    }
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_server_never_has_more_connections_than_its_budget() {
    for (workers, connections) in [("5", 16), ("64", 16), ("4", 1), ("4", 2), ("4", 3)] {
        let budget = connections.to_string();
        let home = home(&[("WORKERS", workers), ("DATABASE_CONNECTIONS", &budget)]).await;
        let server = home.serve(&[]);
        let watch = async {
            let mut most = 0;
            for _ in 0..50 {
                most = most.max(counted(&home.database).await);
                sleep(Duration::from_millis(20)).await;
            }
            most
        };
        let (most, ()) = futures_util::future::join(watch, works(&server, "ann")).await;
        let most = most.max(counted(&home.database).await);
        assert!(most <= connections, "{most} of {connections} with {workers} workers");
        // They are used, too: a worker that serves nobody opens none.
        assert!(most > connections / 2, "{most} of {connections} with {workers} workers");
    }
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_single_connection_leaves_none_for_the_cache_and_the_log_says_so() {
    let home = home(&[("DATABASE_CONNECTIONS", "1")]).await;
    let mut server = home.serve(&[]);
    server.client().get("/health/ready").await.expect(StatusCode::OK);
    server.terminate();
    server.wait().await;
    assert_eq!(server.output().matches("the cache is off").count(), 1, "{}", server.output());
}

#[actix_web::test]
async fn a_clean_stop_closes_all_connections() {
    let home = home(&[("WORKERS", "3")]).await;
    let mut server = home.serve(&[]);
    works(&server, "ann").await;
    server.terminate();
    assert!(server.wait().await.success());
    if home.database.engine() == DbBackend::Postgres {
        assert_eq!(counted(&home.database).await, 0);
    } else {
        assert_eq!(files(&home.path("data")), ["byline.db", "secret_key"]);
    }
}

fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
