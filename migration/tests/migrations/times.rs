//! Times that Byline cannot show are rejected, and on SQLite other spellings are rewritten.

use chrono::{DateTime, SecondsFormat};
use migration_kit::Options;
use sea_orm::ConnectionTrait;

use crate::support::TestDatabase;

const CREATED: &str = "2024-01-01T00:00:00+00:00";

async fn insert(database: &TestDatabase, id: i32, time: &str) -> Result<(), String> {
    let statement = format!(
        "INSERT INTO users (id, email, username, hashed_password, created_at, updated_at) \
         VALUES ({id}, 'u{id}@x.de', 'u{id}', 'x', {time}, '{CREATED}')"
    );
    database.db.execute_unprepared(&statement).await.map(drop).map_err(|error| error.to_string())
}

async fn migrated(engine_is_sqlite: bool) -> TestDatabase {
    let database =
        if engine_is_sqlite { TestDatabase::sqlite().await } else { TestDatabase::postgres().await };
    migration::up(&database.db).await.unwrap();
    database
}

#[tokio::test]
async fn another_spelling_is_rewritten_into_bylines() {
    let database = migrated(true).await;
    for (id, (written, stored)) in (1..).zip([
        ("'2026-03-04 05:06:07'", "2026-03-04T05:06:07+00:00"),
        ("'2026-03-04 05:06'", "2026-03-04T05:06:00+00:00"),
        ("'2026-03-04'", "2026-03-04T00:00:00+00:00"),
        ("'2026-03-04T05:06:07Z'", "2026-03-04T05:06:07+00:00"),
        ("'2026-03-04T05:06:07.5Z'", "2026-03-04T05:06:07.500+00:00"),
        ("'2026-03-04T05:06:07.123456789Z'", "2026-03-04T05:06:07.123456+00:00"),
        ("'2026-03-04 05:06:59.999999'", "2026-03-04T05:06:59.999999+00:00"),
        ("'2026-03-04T05:06:07.000000+00:00'", "2026-03-04T05:06:07+00:00"),
        ("'2026-03-04T05:06:07.120000+00:00'", "2026-03-04T05:06:07.120+00:00"),
        ("'2026-03-04T01:06:07.000001+02:00'", "2026-03-03T23:06:07.000001+00:00"),
        ("'2026-12-31 23:30:00-01:00'", "2027-01-01T00:30:00+00:00"),
        ("1772600767", "2026-03-04T05:06:07+00:00"),
        ("1772600767000", "2026-03-04T05:06:07+00:00"),
        ("2461103.5", "2026-03-04T00:00:00+00:00"),
        ("'0001-01-01T00:00:00Z'", "0001-01-01T00:00:00+00:00"),
        ("'9999-12-31 23:59:59.999999'", "9999-12-31T23:59:59.999999+00:00"),
        ("'2026-03-04T05:06:07.001+00:00'", "2026-03-04T05:06:07.001+00:00"),
    ]) {
        insert(&database, id, written).await.unwrap();
        let select = format!("SELECT created_at FROM users WHERE id = {id}");
        assert_eq!(database.texts(&select).await, [stored], "inserted {written}");
        database.run(&format!("UPDATE users SET updated_at = {written} WHERE id = {id}")).await;
        let select = format!("SELECT updated_at FROM users WHERE id = {id}");
        assert_eq!(database.texts(&select).await, [stored], "updated to {written}");
        let time = DateTime::parse_from_rfc3339(stored).unwrap();
        assert_eq!(
            time.to_rfc3339_opts(SecondsFormat::AutoSi, false),
            stored,
            "not the spelling of the driver"
        );
    }
}

#[tokio::test]
async fn sqlites_own_functions_keep_working() {
    let database = migrated(true).await;
    for (id, now) in
        [(1, "datetime('now')"), (2, "CURRENT_TIMESTAMP"), (3, "strftime('%s', 'now')"), (4, "unixepoch()")]
    {
        insert(&database, id, now).await.unwrap();
        let age = format!(
            "SELECT CAST(abs(unixepoch(created_at) - unixepoch()) AS integer) FROM users WHERE id = {id}"
        );
        assert!(database.number(&age).await < 60, "{now}");
        let spelled = format!(
            "SELECT count(*) FROM users WHERE id = {id} AND created_at LIKE '____-__-__T__:__:__+00:00'"
        );
        assert_eq!(database.number(&spelled).await, 1, "{now}");
    }
}

#[tokio::test]
async fn what_is_no_time_or_out_of_range_is_rejected_on_sqlite() {
    let database = migrated(true).await;
    insert(&database, 1, &format!("'{CREATED}'")).await.unwrap();
    for (id, wrong) in (2..).zip([
        "'yesterday'",
        "'infinity'",
        "''",
        "'2026-13-01'",
        "'10000-01-01T00:00:00Z'",
        "'0000-12-31T00:00:00Z'",
        "'9999-12-31T23:59:59-01:00'",
        "-1e20",
        "1",
    ]) {
        let error = insert(&database, id, wrong).await.unwrap_err();
        assert!(error.contains("must be a time between the years 1 and 9999"), "{wrong}: {error}");
        let update = format!("UPDATE users SET created_at = {wrong}");
        assert!(database.db.execute_unprepared(&update).await.is_err(), "{update}");
    }
    assert_eq!(database.number("SELECT count(*) FROM users").await, 1);
}

#[tokio::test]
async fn existing_rows_on_sqlite_are_rewritten_and_what_is_no_time_can_still_be_changed() {
    let database = TestDatabase::sqlite().await;
    let before = Options { to: Some("m20261125_000012_users_email_key_fills"), ..Options::default() };
    migration::migrator().up(&database.db, &before).await.unwrap();
    for (id, time) in [(1, "'2026-03-04 05:06:07.25'"), (2, "'never'"), (3, "'2026-03-04T05:06:07.25+00:00'")]
    {
        insert(&database, id, time).await.unwrap();
    }
    migration::up(&database.db).await.unwrap();
    let times = database.texts("SELECT created_at FROM users ORDER BY id").await;
    assert_eq!(times, ["2026-03-04T05:06:07.250+00:00", "never", "2026-03-04T05:06:07.250+00:00"]);
    database.run("UPDATE users SET username = 'n', updated_at = datetime('now') WHERE id = 2").await;
    database.run("UPDATE users SET created_at = date('now') WHERE id = 2").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_time_out_of_range_is_rejected_on_postgresql() {
    let database = migrated(false).await;
    for (id, time) in [(1, "'0001-01-01 00:00:00+00'"), (2, "'9999-12-31 23:59:59.999999+00'"), (3, "now()")]
    {
        insert(&database, id, time).await.unwrap();
    }
    for (id, wrong) in (4..).zip([
        "'infinity'",
        "'-infinity'",
        "'10000-01-01 00:00:00+00'",
        "'9999-12-31 23:59:59-01'",
        "'0001-12-31 00:00:00+00 BC'",
        "'294000-01-01 00:00:00+00'",
    ]) {
        let error = insert(&database, id, wrong).await.unwrap_err();
        assert!(error.contains("must be between the years 1 and 9999"), "{wrong}: {error}");
        for column in ["created_at", "updated_at"] {
            let update = format!("UPDATE users SET {column} = {wrong}");
            assert!(database.db.execute_unprepared(&update).await.is_err(), "{update}");
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn an_existing_row_out_of_range_keeps_its_time_and_can_be_changed() {
    let database = TestDatabase::postgres().await;
    let before = Options { to: Some("m20261125_000012_users_email_key_fills"), ..Options::default() };
    migration::migrator().up(&database.db, &before).await.unwrap();
    insert(&database, 1, "'infinity'").await.unwrap();
    migration::up(&database.db).await.unwrap();
    database.run("UPDATE users SET username = 'other', updated_at = now()").await;
    assert_eq!(database.texts("SELECT created_at::text FROM users").await, ["infinity"]);
}

#[tokio::test]
async fn writing_another_spelling_raises_the_version_of_an_article_once() {
    let database = migrated(true).await;
    insert(&database, 1, &format!("'{CREATED}'")).await.unwrap();
    database
        .run(&format!(
            "INSERT INTO articles (id, title, content, published, author_id, created_at, updated_at) \
             VALUES (1, 't', '0123456789', FALSE, 1, '{CREATED}', '{CREATED}')"
        ))
        .await;
    database.run("UPDATE articles SET updated_at = datetime('now')").await;
    assert_eq!(database.number("SELECT version FROM articles").await, 2);
}
