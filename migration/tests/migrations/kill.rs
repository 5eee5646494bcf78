//! A run of Byline's migrations that is killed at any statement changes nothing.

use crate::support::{TestDatabase, kill::assert_a_killed_run_changes_nothing, old_blog};

#[tokio::test]
async fn a_killed_run_changes_nothing_on_sqlite() {
    let name = "kill::a_killed_run_changes_nothing_on_sqlite";
    assert_a_killed_run_changes_nothing(name, migration::migrator(), 15, TestDatabase::sqlite).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_killed_run_changes_nothing_on_postgres() {
    let name = "kill::a_killed_run_changes_nothing_on_postgres";
    assert_a_killed_run_changes_nothing(name, migration::migrator(), 15, TestDatabase::postgres).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_killed_run_changes_nothing_in_the_old_blogs_database() {
    let name = "kill::a_killed_run_changes_nothing_in_the_old_blogs_database";
    assert_a_killed_run_changes_nothing(name, migration::migrator(), 15, old_blog).await;
}
