//! A changed search path does not create a second set of tables on PostgreSQL.

use migration_kit::{DatabaseState, Error, Migrator, Options};
use sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::support::{TestDatabase, connect, migrator, sql};

fn two_tables() -> Migrator {
    let up = ["CREATE TABLE authors (id integer)", "CREATE TABLE IF NOT EXISTS \"posts\" (id integer)"];
    migrator(&[&sql("m1", &up, &["DROP TABLE posts", "DROP TABLE authors"])])
}

/// A connection whose search path is this.
async fn with_path(database: &TestDatabase, path: &str) -> DatabaseConnection {
    let sign = if database.url.contains('?') { '&' } else { '?' };
    connect(&format!("{}{sign}options=-c%20search_path%3D{path}", database.url)).await
}

async fn expect_elsewhere(db: &DatabaseConnection, schemas: &str) {
    for error in [
        two_tables().state(db).await.unwrap_err(),
        two_tables().up(db, &Options::default()).await.unwrap_err(),
        two_tables().adopt(db, None, &Options::default()).await.unwrap_err(),
    ] {
        assert!(matches!(&error, Error::Elsewhere { schemas: found, .. } if found == schemas), "{error}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_schema_before_the_one_with_the_tables_is_refused() {
    let database = TestDatabase::postgres().await;
    two_tables().up(&database.db, &Options::default()).await.unwrap();
    database.run("CREATE SCHEMA other").await;
    let other = with_path(&database, "other,public").await;
    expect_elsewhere(&other, "public").await;
    other.execute_unprepared("CREATE TABLE notes (id integer)").await.unwrap();
    expect_elsewhere(&other, "public").await;
    let tables = database.number("SELECT count(*) FROM pg_tables WHERE schemaname = 'other'").await;
    assert_eq!(tables, 1);
    other.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_lost_search_path_is_refused_and_names_every_schema_with_the_tables() {
    let database = TestDatabase::postgres().await;
    database.run("CREATE SCHEMA blog; CREATE SCHEMA restored").await;
    let blog = with_path(&database, "blog").await;
    two_tables().up(&blog, &Options::default()).await.unwrap();
    expect_elsewhere(&database.db, "blog").await;
    // Tables without records, and records without tables.
    database
        .run("CREATE TABLE restored.authors (id integer); CREATE TABLE restored.posts (id integer)")
        .await;
    expect_elsewhere(&database.db, "blog, restored").await;
    database.run("DROP TABLE restored.posts; DROP TABLE blog.authors, blog.posts").await;
    expect_elsewhere(&database.db, "blog").await;
    database.run("DROP TABLE blog.tester_migrations").await;
    assert!(matches!(two_tables().state(&database.db).await.unwrap(), DatabaseState::Empty));
    blog.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn tables_in_the_current_schema_are_used_whatever_another_schema_has() {
    let database = TestDatabase::postgres().await;
    two_tables().up(&database.db, &Options::default()).await.unwrap();
    database
        .run("CREATE SCHEMA old; CREATE TABLE old.authors (id integer); CREATE TABLE old.posts (id integer)")
        .await;
    let old = with_path(&database, "old").await;
    assert!(matches!(two_tables().state(&old).await.unwrap(), DatabaseState::Unmanaged { .. }));
    assert_eq!(two_tables().up(&old, &Options::default()).await.unwrap().adopted, ["m1"]);
    old.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_path_to_a_schema_that_does_not_exist_is_refused() {
    let database = TestDatabase::postgres().await;
    database.run("CREATE SCHEMA \"My Blog\"").await;
    for (path, missing) in [("nowhere", "nowhere"), ("%22My%20Blog%22,typo", "typo"), ("typo,public", "typo")]
    {
        let db = with_path(&database, &path.replace("%20", "%5C%20")).await;
        let error = two_tables().up(&db, &Options::default()).await.unwrap_err();
        assert!(
            matches!(&error, Error::NoSchema { missing: found, .. } if found == missing),
            "{path}: {error}"
        );
        db.close().await.unwrap();
    }
    assert_eq!(database.number("SELECT count(*) FROM pg_tables WHERE tablename = 'authors'").await, 0);
}
