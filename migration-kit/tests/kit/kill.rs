//! A run killed at any statement leaves no damage that the next run does not see.

use migration_kit::{DatabaseState, Error, Migrator, Options};

use crate::{
    bookshelf,
    support::{
        TestDatabase,
        kill::{Runner, assert_a_killed_run_changes_nothing, contents, is_killed},
        migrator, sql,
    },
};

#[tokio::test]
async fn a_run_killed_at_any_statement_changes_nothing_on_sqlite() {
    let name = "kill::a_run_killed_at_any_statement_changes_nothing_on_sqlite";
    assert_a_killed_run_changes_nothing(name, bookshelf::migrator(), 10, TestDatabase::sqlite).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_run_killed_at_any_statement_changes_nothing_on_postgres() {
    let name = "kill::a_run_killed_at_any_statement_changes_nothing_on_postgres";
    assert_a_killed_run_changes_nothing(name, bookshelf::migrator(), 10, TestDatabase::postgres).await;
}

#[tokio::test]
async fn a_run_killed_outside_a_transaction_is_recorded_as_incomplete_on_sqlite() {
    let name = "kill::a_run_killed_outside_a_transaction_is_recorded_as_incomplete_on_sqlite";
    assert_a_killed_run_is_recorded(name, TestDatabase::sqlite).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_run_killed_outside_a_transaction_is_recorded_as_incomplete_on_postgres() {
    let name = "kill::a_run_killed_outside_a_transaction_is_recorded_as_incomplete_on_postgres";
    assert_a_killed_run_is_recorded(name, TestDatabase::postgres).await;
}

/// Three migrations, the second one outside a transaction.
fn mixed() -> Migrator {
    let mut outside = sql("m2", &["CREATE INDEX a_id ON a (id)", "CREATE INDEX a_x ON a (x)"], &[]);
    outside.transaction = Some(false);
    let first = sql("m1", &["CREATE TABLE a (id integer, x integer)"], &[]);
    migrator(&[&first, &outside, &sql("m3", &["CREATE TABLE c (id integer)"], &[])])
}

/// Wherever it is killed, either no migration is incomplete, or one is recorded as such and the next run
/// refuses.
async fn assert_a_killed_run_is_recorded(name: &str, create: impl AsyncFn() -> TestDatabase) {
    if let Some(runner) = Runner::from_environment() {
        return runner.run(&mixed()).await;
    }
    let mut recorded = 0;
    for step in 0.. {
        let database = create().await;
        if !is_killed(name, step, &database) {
            assert!(recorded >= 2, "killed inside the second migration {recorded} times only");
            return;
        }
        let (schema, _) = contents(&database).await;
        let state = mixed().state(&database.db).await.unwrap();
        if matches!(state, DatabaseState::Managed(status) if !status.incomplete.is_empty()) {
            recorded += 1;
            let refused = mixed().up(&database.db, &Options::default()).await.unwrap_err();
            assert!(matches!(refused, Error::Incomplete(_)), "{refused}");
        } else {
            let indexes = schema.tables.get("a").map_or(0, |table| table.indexes.len());
            assert!(indexes == 0 || indexes == 2, "incomplete and not recorded, at statement {step}");
            mixed().up(&database.db, &Options::default()).await.unwrap();
        }
    }
}
