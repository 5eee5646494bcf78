//! Connections are checked in after answers, and closed after anything else.

use std::{cell::Cell, ops::ControlFlow, rc::Rc, thread};

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use tokio::task::yield_now;

use super::*;
use crate::db::connections::{Connections, Engine, ReadRows as _};

const LIMITS: Limits = Limits {
    connections: 1,
    acquire_timeout: Duration::from_secs(10),
    idle_timeout: Duration::MAX,
    measures: true,
    tracer: Tracer::OFF,
    close_timeout: Duration::MAX,
};

fn reader() -> (Connections, Arc<ConnectionSet<sqlx::Sqlite>>) {
    set_with(LIMITS)
}

fn set_with(limits: Limits) -> (Connections, Arc<ConnectionSet<sqlx::Sqlite>>) {
    let options = SqliteConnectOptions::new().in_memory(true);
    let set = ConnectionSet::new(options, limits, Pooling::default(), "sqlite");
    (Connections { engine: Engine::Sqlite(Arc::clone(&set)), file: None, reads: false }, set)
}

fn statement(sql: &str) -> Statement {
    Statement::from_string(DbBackend::Sqlite, sql)
}

#[actix_web::test]
async fn a_connection_is_checked_in_after_every_answer() {
    let (reader, set) = reader();
    reader.query_one_raw(statement("SELECT 1")).await.unwrap();
    assert_eq!(set.idle().len(), 1);
    reader.query_all_raw(statement("SELECT nothing")).await.unwrap_err();
    assert_eq!(set.idle().len(), 1);
    assert_eq!(reader.query_all_raw(statement("SELECT 1 UNION SELECT 2")).await.unwrap().len(), 2);
}

#[actix_web::test]
async fn an_idle_connection_is_used_again() {
    let (reader, _) = reader();
    // Another connection would see another database.
    reader.execute_unprepared("CREATE TABLE seen (id INTEGER)").await.unwrap();
    let done = reader.execute_raw(statement("INSERT INTO seen VALUES (1)")).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
}

#[actix_web::test]
async fn the_log_of_writes_that_return_a_row_is_checkpointed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("written.db");
    let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal);
    let connections =
        Connections::sqlite(options, Limits { acquire_timeout: Duration::from_secs(5), ..LIMITS });
    connections.execute_unprepared("CREATE TABLE written (bytes BLOB)").await.unwrap();
    for _ in 0..100 {
        // More than 25 pages each; a checkpoint is due after 1,000, and the log starts over after it.
        let insert = statement("INSERT INTO written VALUES (zeroblob(102400)) RETURNING length(bytes)");
        connections.query_one_raw(insert).await.unwrap().unwrap();
    }
    let log = std::fs::metadata(directory.path().join("written.db-wal")).unwrap().len();
    assert!(log < 5 << 20, "{log} bytes");
}

#[actix_web::test]
async fn waiting_for_a_permit_ends_with_the_acquire_timeout() {
    let (reader, set) = set_with(Limits { acquire_timeout: Duration::from_millis(200), ..LIMITS });
    let checked_out = set.check_out().await.unwrap();
    let late = reader.query_one_raw(statement("SELECT 1")).await.unwrap_err();
    assert_eq!(late, DbErr::ConnectionAcquire(ConnAcquireErr::Timeout));
    checked_out.check_in();
    assert!(reader.query_one_raw(statement("SELECT 1")).await.unwrap().is_some());
}

#[actix_web::test]
async fn a_closed_set_checks_nothing_out_and_has_no_connection() {
    let (reader, set) = reader();
    let checked_out = set.check_out().await.unwrap();
    let closing = actix_web::rt::spawn(async move { reader.close().await });
    tokio::task::yield_now().await;
    assert!(!closing.is_finished(), "it waits for the connection in use");
    checked_out.check_in();
    closing.await.unwrap();
    assert_eq!(set.idle().len(), 0);
    let error = set.check_out().await.unwrap_err();
    assert_eq!(error, DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed));
}

#[actix_web::test]
async fn a_connection_that_was_idle_too_long_is_closed_by_the_next_use_of_another() {
    let limits = Limits { connections: 2, idle_timeout: Duration::from_millis(10), ..LIMITS };
    let (_, set) = set_with(limits);
    let (first, second) = (set.check_out().await.unwrap(), set.check_out().await.unwrap());
    first.check_in();
    second.check_in();
    assert_eq!(set.idle().len(), 2);
    tokio::time::sleep(Duration::from_millis(20)).await;
    set.check_out().await.unwrap().check_in();
    assert_eq!(set.idle().len(), 1);
    // Its permit is there again.
    let both = (set.check_out().await.unwrap(), set.check_out().await.unwrap());
    drop(both);
}

#[actix_web::test]
async fn an_abandoned_connection_makes_room_for_another() {
    let (reader, set) = reader();
    drop(set.check_out().await.unwrap());
    assert_eq!(set.idle().len(), 0);
    assert!(reader.query_one_raw(statement("SELECT 1")).await.unwrap().is_some());
}

#[actix_web::test]
async fn a_replaced_connection_is_detected() {
    let (reader, set) = reader();
    reader.query_one_raw(statement("SELECT 1")).await.unwrap();
    let opened = reader.opened();
    reader.query_one_raw(statement("SELECT 1")).await.unwrap();
    assert_eq!(reader.opened(), opened);
    drop(set.check_out().await.unwrap());
    reader.query_one_raw(statement("SELECT 1")).await.unwrap();
    assert_ne!(reader.opened(), opened);
}

#[actix_web::test]
async fn a_connection_that_was_idle_for_longer_is_pinged_and_used_again() {
    let (reader, set) = reader();
    // Another connection would see another database.
    reader.execute_unprepared("CREATE TABLE seen (id INTEGER)").await.unwrap();
    set.idle()[0].since = Instant::now().checked_sub(2 * FRESH_FOR).unwrap();
    assert!(reader.query_all_raw(statement("SELECT * FROM seen")).await.unwrap().is_empty());
}

#[actix_web::test]
async fn other_tasks_of_the_worker_proceed_between_rows_that_take_long() {
    let (reader, _) = reader();
    let turns = Rc::new(Cell::new(0));
    let counter = Rc::clone(&turns);
    let other = actix_web::rt::spawn(async move {
        loop {
            counter.set(counter.get() + 1);
            yield_now().await;
        }
    });
    let mut rows = 0;
    // All rows arrive while the first one is looked at.
    let mut each = |_| {
        rows += 1;
        thread::sleep(Duration::from_millis(5));
        ControlFlow::Continue(())
    };
    let ten =
        "WITH RECURSIVE ten (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM ten WHERE n < 10) SELECT n FROM ten";
    reader.read_rows(statement(ten), &mut each).await.unwrap();
    other.abort();
    assert_eq!(rows, 10);
    assert!(turns.get() >= rows, "{} turns", turns.get());
}
