//! What several tests share: the kit's helpers, and the FastAPI blog's database.

#[path = "../../../migration-kit/tests/kit/support/database.rs"]
pub(crate) mod database;
#[path = "../../../migration-kit/tests/kit/support/kill.rs"]
pub(crate) mod kill;
#[path = "../../../migration-kit/tests/kit/support/lost.rs"]
pub(crate) mod lost;

pub(crate) use database::{TestDatabase, connect};

/// A database of the FastAPI blog with rows.
pub(crate) async fn old_blog() -> TestDatabase {
    let mut database = TestDatabase::postgres().await;
    database.run(include_str!("old_schema.sql")).await;
    database.run(include_str!("old_rows.sql")).await;
    // The dumps set an empty search path on their connection.
    database.db = connect(&database.url).await;
    database
}

/// How many migrations Byline has.
pub(crate) fn migration_count() -> usize {
    migration::migrator().names().count()
}
