//! Transactions of services: as a whole or not at all, and never without a word to the cache.

use std::{
    cell::Cell,
    future::pending,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::rt::{spawn, time::timeout};
use byline::db::{Change, ChangeListener, Db, Topic, Transaction, Writer};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, RuntimeErr, Statement};
use tokio::sync::Notify;

use crate::support::{TIMEOUT, TestDatabase, test_settings, wait_until};

const NOTES: Topic = Topic::new("notes");

/// Records the reported changes, one item for each write.
#[derive(Default)]
struct Listener(Mutex<Vec<Vec<Change>>>);

impl ChangeListener for Listener {
    fn changed(&self, changes: &[Change]) {
        self.0.lock().unwrap().push(changes.to_vec());
    }
}

/// An empty table, and a way to write to it.
struct Notes {
    db: Db,
    writer: Writer,
    listener: Arc<Listener>,
    database: TestDatabase,
}

impl Notes {
    async fn new() -> Self {
        Self::with_deadline(TIMEOUT).await
    }

    async fn with_deadline(deadline: Duration) -> Self {
        let database = TestDatabase::create().await;
        let db = Db::lazy(&test_settings(&database, &[])).unwrap();
        let table = "CREATE TABLE notes (id INTEGER PRIMARY KEY, number INTEGER NOT NULL)";
        db.writer.execute_unprepared(table).await.unwrap();
        let listener = Arc::new(Listener::default());
        let writer = Writer::new(db.writer.clone(), Arc::<Listener>::clone(&listener), deadline);
        Self { db, writer, listener, database }
    }

    /// The ids that are committed.
    async fn ids(&self) -> Vec<i32> {
        ids(&self.db.reader).await.unwrap()
    }

    /// What was reported to the listener since the last call.
    fn reported(&self) -> Vec<Vec<Change>> {
        std::mem::take(&mut *self.listener.0.lock().unwrap())
    }
}

async fn ids(db: &impl ConnectionTrait) -> Result<Vec<i32>, DbErr> {
    let select = Statement::from_string(db.get_database_backend(), r#"SELECT "id" FROM "notes" ORDER BY 1"#);
    db.query_all_raw(select).await?.iter().map(|row| row.try_get_by_index(0)).collect()
}

async fn run(db: &impl ConnectionTrait, sql: &str) -> Result<(), DbErr> {
    db.execute_raw(Statement::from_string(db.get_database_backend(), sql)).await.map(drop)
}

async fn insert(db: &impl ConnectionTrait, id: i32) -> Result<(), DbErr> {
    run(db, &format!(r#"INSERT INTO "notes" ("id", "number") VALUES ({id}, 0)"#)).await
}

/// As PostgreSQL fails when two transactions are in each other's way.
async fn conflict(txn: &Transaction) -> Result<(), DbErr> {
    run(txn, "DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$").await
}

#[actix_web::test]
async fn a_transaction_is_committed_and_sees_its_own_writes() {
    let notes = Notes::new().await;
    let seen = notes.writer.transaction(async |txn| {
        insert(txn, 1).await?;
        insert(txn, 2).await?;
        ids(txn).await
    });
    assert_eq!(seen.await, Ok(vec![1, 2]));
    assert_eq!(notes.ids().await, [1, 2]);
    assert_eq!(notes.reported(), [[Change::Table(NOTES)]]);
}

#[actix_web::test]
async fn a_failure_half_way_leaves_nothing() {
    let notes = Notes::new().await;
    let failed = notes.writer.transaction(async |txn| {
        insert(txn, 1).await?;
        insert(txn, 1).await
    });
    failed.await.unwrap_err();
    assert_eq!(notes.ids().await, [0; 0]);
    assert_eq!(notes.reported(), [[]; 0]);
}

#[actix_web::test]
async fn an_error_of_the_service_rolls_back_and_is_returned() {
    let notes = Notes::new().await;
    let refused = DbErr::Custom("refused".to_owned());
    let expected = refused.clone();
    let outcome = notes.writer.transaction(async move |txn| {
        insert(txn, 1).await?;
        Err::<(), _>(refused.clone())
    });
    assert_eq!(outcome.await, Err(expected));
    assert_eq!(notes.ids().await, [0; 0]);
}

#[actix_web::test]
async fn a_transaction_whose_client_is_gone_commits_as_a_whole_and_invalidates() {
    let notes = Notes::new().await;
    let (reached, proceed) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
    let (inside, waits) = (Rc::clone(&reached), Rc::clone(&proceed));
    let transaction = notes.writer.transaction(async move |txn| {
        insert(txn, 1).await?;
        inside.notify_one();
        waits.notified().await;
        insert(txn, 2).await
    });
    tokio::select! {
        _ = transaction => panic!("it waits"),
        () = reached.notified() => {}
    }
    assert_eq!(notes.ids().await, [0; 0]);
    proceed.notify_one();
    wait_until("the transaction is committed", async || notes.ids().await == [1, 2]).await;
    wait_until("the listener is notified", async || notes.reported() == [[Change::Table(NOTES)]]).await;
}

#[actix_web::test]
async fn a_panic_rolls_back_and_the_next_transaction_works() {
    let notes = Notes::new().await;
    let panicked = notes.writer.transaction(async |txn| {
        insert(txn, 1).await?;
        assert!(ids(txn).await?.is_empty(), "as the test wants");
        Ok(())
    });
    let outcome: Result<(), DbErr> = timeout(TIMEOUT, panicked).await.unwrap();
    assert!(matches!(outcome, Err(DbErr::Custom(_))), "{outcome:?}");
    assert_eq!(notes.reported(), [[]; 0]);
    notes.writer.transaction(async |txn| insert(txn, 2).await).await.unwrap();
    assert_eq!(notes.ids().await, [2]);
}

#[actix_web::test]
async fn a_transaction_past_its_deadline_rolls_back() {
    let notes = Notes::with_deadline(Duration::from_millis(300)).await;
    let late = notes.writer.transaction(async |txn| {
        insert(txn, 1).await?;
        pending::<Result<(), DbErr>>().await
    });
    assert!(matches!(timeout(TIMEOUT, late).await.unwrap(), Err(DbErr::Conn(_))));
    assert_eq!(notes.reported(), [[]; 0]);
    insert(&notes.db.writer, 1).await.unwrap();
    assert_eq!(notes.ids().await, [1]);
}

#[actix_web::test]
async fn a_transaction_past_its_deadline_in_a_statement_rolls_back() {
    let notes = Notes::with_deadline(Duration::from_millis(300)).await;
    let long = if notes.database.engine() == DbBackend::Postgres {
        "SELECT pg_sleep(2)"
    } else {
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000000) SELECT max(i) FROM n"
    };
    let late = notes.writer.transaction(async move |txn| {
        insert(txn, 1).await?;
        for _ in 0..100 {
            run(txn, long).await?;
        }
        Ok(())
    });
    let outcome: Result<(), DbErr> = timeout(TIMEOUT, late).await.unwrap();
    assert!(matches!(outcome, Err(DbErr::Conn(_))), "{outcome:?}");
    insert(&notes.db.writer, 2).await.unwrap();
    assert_eq!(notes.ids().await, [2]);
}

#[actix_web::test]
async fn concurrent_writers_lose_nothing() {
    const WRITERS: i32 = 32;
    let notes = Notes::new().await;
    insert(&notes.db.writer, 0).await.unwrap();
    let writers = (1..=WRITERS).map(|id| {
        let writer = notes.writer.clone();
        spawn(async move {
            writer
                .transaction(async move |txn| {
                    insert(txn, id).await?;
                    run(txn, r#"UPDATE "notes" SET "number" = "number" + 1 WHERE "id" = 0"#).await
                })
                .await
        })
    });
    for outcome in join_all(writers).await {
        outcome.unwrap().unwrap();
    }
    assert_eq!(notes.ids().await, (0..=WRITERS).collect::<Vec<_>>());
    let select = r#"SELECT "number" FROM "notes" WHERE "id" = 0"#;
    let select = Statement::from_string(notes.db.reader.get_database_backend(), select);
    let row = notes.db.reader.query_one_raw(select).await.unwrap().unwrap();
    assert_eq!(row.try_get_by_index::<i32>(0), Ok(WRITERS));
    assert_eq!(notes.reported().len(), usize::try_from(WRITERS).unwrap());
}

#[actix_web::test]
async fn a_declared_change_is_told_in_place_of_the_table() {
    let notes = Notes::new().await;
    let declared = notes.writer.transaction(async |txn| {
        txn.changed(Change::Inserted(NOTES));
        insert(txn, 1).await
    });
    declared.await.unwrap();
    assert_eq!(notes.reported(), [[Change::Inserted(NOTES)]]);
}

#[actix_web::test]
async fn a_statement_that_is_not_understood_counts_as_a_change_of_everything() {
    let notes = Notes::new().await;
    let raw = notes.writer.transaction(async |txn| {
        txn.changed(Change::Row(NOTES, 1));
        txn.execute_unprepared("DROP TABLE notes").await.map(drop)
    });
    raw.await.unwrap();
    assert_eq!(notes.reported(), [[Change::Everything]]);
}

#[actix_web::test]
async fn a_transaction_that_only_reads_changes_nothing() {
    let notes = Notes::new().await;
    assert_eq!(notes.writer.transaction(async |txn| ids(txn).await).await, Ok(vec![]));
    assert_eq!(notes.reported(), [[]; 0]);
}

#[actix_web::test]
async fn a_single_statement_tells_its_changes_whatever_its_outcome() {
    let notes = Notes::new().await;
    let changes = [Change::Row(NOTES, 1)];
    notes.writer.statement(changes, async |db| insert(db, 1).await).await.unwrap();
    assert_eq!(notes.reported(), [changes]);
    notes.writer.statement(changes, async |db| insert(db, 1).await).await.unwrap_err();
    assert_eq!(notes.reported(), [changes]);
    assert_eq!(notes.ids().await, [1]);
}

#[actix_web::test]
async fn a_single_statement_runs_to_its_end_without_its_client() {
    let notes = Notes::new().await;
    let statement = notes.writer.statement([Change::Inserted(NOTES)], async |db| insert(db, 1).await);
    // The task starts with the first poll, and goes on without this one.
    let _ = timeout(Duration::ZERO, statement).await;
    wait_until("the statement is done", async || notes.ids().await == [1]).await;
    wait_until("the listener is notified", async || notes.reported() == [[Change::Inserted(NOTES)]]).await;
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_serialisation_failure_is_tried_again() {
    let notes = Notes::new().await;
    let attempts = Rc::new(Cell::new(0));
    let counted = Rc::clone(&attempts);
    let outcome = notes.writer.transaction(async move |txn| {
        counted.set(counted.get() + 1);
        insert(txn, counted.get()).await?;
        if counted.get() < 3 { conflict(txn).await } else { Ok(()) }
    });
    outcome.await.unwrap();
    assert_eq!(attempts.get(), 3);
    // Nothing of the attempts before.
    assert_eq!(notes.ids().await, [3]);
    assert_eq!(notes.reported(), [[Change::Table(NOTES)]]);
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_serialisation_failure_is_not_tried_for_ever() {
    let notes = Notes::new().await;
    let attempts = Rc::new(Cell::new(0));
    let counted = Rc::clone(&attempts);
    let outcome = notes.writer.transaction(async move |txn| {
        counted.set(counted.get() + 1);
        conflict(txn).await
    });
    outcome.await.unwrap_err();
    assert_eq!(attempts.get(), 3);
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn nothing_is_tried_again_after_commit_was_sent() {
    let notes = Notes::new().await;
    let at_commit = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                     $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$; \
                     CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED \
                     FOR EACH ROW EXECUTE FUNCTION refuse()";
    notes.db.writer.execute_unprepared(at_commit).await.unwrap();
    let attempts = Rc::new(Cell::new(0));
    let counted = Rc::clone(&attempts);
    let outcome = notes.writer.transaction(async move |txn| {
        counted.set(counted.get() + 1);
        insert(txn, 1).await
    });
    let error = outcome.await.unwrap_err();
    assert!(matches!(error, DbErr::Conn(RuntimeErr::SqlxError(_))), "{error:?}");
    assert_eq!(attempts.get(), 1);
    // The outcome counts as unknown.
    assert_eq!(notes.reported(), [[Change::Table(NOTES)]]);
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn a_swallowed_error_does_not_pass_for_a_commit() {
    let notes = Notes::new().await;
    let swallowed = notes.writer.transaction(async |txn| {
        insert(txn, 1).await?;
        insert(txn, 1).await.unwrap_err();
        Ok::<_, DbErr>(())
    });
    swallowed.await.unwrap_err();
    assert_eq!(notes.ids().await, [0; 0]);
    assert_eq!(notes.reported(), [[]; 0]);
}
