//! Times of publication and slugs of articles, whichever client writes them.

use migration_kit::Options;
use sea_orm::ConnectionTrait;

use crate::support::TestDatabase;

const CREATED: &str = "2024-01-01T00:00:00+00:00";

/// Creates an account, at the migration `to`.
async fn migrated_to(database: &TestDatabase, to: Option<&str>) {
    let options = Options { to, ..Options::default() };
    migration::migrator().up(&database.db, &options).await.unwrap();
    database
        .run(&format!(
            "INSERT INTO users (id, email, username, hashed_password, created_at, updated_at) \
             VALUES (1, 'a@x.de', 'ann', 'x', '{CREATED}', '{CREATED}')"
        ))
        .await;
}

/// Inserts an article as the FastAPI blog does.
async fn insert(database: &TestDatabase, id: i32, published: bool) {
    database
        .run(&format!(
            "INSERT INTO articles (id, title, content, published, author_id, created_at, updated_at) \
             VALUES ({id}, 't', '0123456789', {published}, 1, '{CREATED}', '{CREATED}')"
        ))
        .await;
}

/// The ids of the articles that `condition` matches.
async fn ids(database: &TestDatabase, condition: &str) -> Vec<String> {
    database.texts(&format!("SELECT CAST(id AS text) FROM articles WHERE {condition} ORDER BY id")).await
}

#[tokio::test]
async fn what_is_published_already_gets_its_time_of_creation_and_no_new_version() {
    for database in TestDatabase::on_each_engine().await {
        migrated_to(&database, Some("m20261125_000016_accounts")).await;
        for (id, published) in [(1, true), (2, false), (3, true), (4, false)] {
            insert(&database, id, published).await;
        }
        database.run("UPDATE articles SET hidden = TRUE WHERE id = 4").await;
        let states =
            "SELECT CAST(version AS text) || ' ' || CAST(state_id AS text) FROM articles ORDER BY id";
        let before = database.texts(states).await;
        migration::up(&database.db).await.unwrap();
        assert_eq!(ids(&database, "published_at = created_at").await, ["1", "3", "4"]);
        assert_eq!(ids(&database, "published_at IS NULL").await, ["2"]);
        assert_eq!(
            ids(&database, "slug IS NULL AND format = 'plain' AND scheduled_at IS NULL").await.len(),
            4
        );
        assert_eq!(database.texts(states).await, before);
        database.run("UPDATE articles SET title = 'edited'").await;
        let after = database.texts(states).await;
        assert!(before.iter().zip(&after).all(|(before, after)| before != after), "{after:?}");
    }
}

#[tokio::test]
async fn an_article_that_sql_publishes_gets_the_time_of_its_first_publication() {
    for database in TestDatabase::on_each_engine().await {
        migrated_to(&database, None).await;
        insert(&database, 1, true).await;
        insert(&database, 2, false).await;
        assert_eq!(ids(&database, "published_at = created_at").await, ["1"]);
        database.run("UPDATE articles SET published = TRUE WHERE id = 2").await;
        assert_eq!(ids(&database, "published_at > created_at").await, ["2"]);
        database.run("UPDATE articles SET published_at = '2025-01-01T00:00:00+00:00' WHERE id = 2").await;
        for published in ["FALSE", "TRUE"] {
            database.run(&format!("UPDATE articles SET published = {published}")).await;
            assert_eq!(ids(&database, "published_at = '2025-01-01T00:00:00+00:00'").await, ["2"]);
            assert_eq!(ids(&database, "published_at = created_at").await, ["1"]);
        }
    }
}

#[tokio::test]
async fn the_version_grows_once_when_sql_publishes() {
    for database in TestDatabase::on_each_engine().await {
        migrated_to(&database, None).await;
        insert(&database, 1, false).await;
        for set in ["published = TRUE", "scheduled_at = '2030-01-01 00:00:00'", "published_at = NULL"] {
            let version = "SELECT CAST(version AS bigint) FROM articles";
            let before = database.number(version).await;
            database.run(&format!("UPDATE articles SET {set}")).await;
            assert_eq!(database.number(version).await, before + 1, "{set}");
        }
    }
}

#[tokio::test]
async fn times_of_publication_are_rewritten_on_sqlite() {
    let database = TestDatabase::sqlite().await;
    migrated_to(&database, None).await;
    insert(&database, 1, true).await;
    for column in ["published_at", "scheduled_at"] {
        for (written, stored) in [
            ("'2026-03-04 05:06'", "2026-03-04T05:06:00+00:00"),
            ("'2026-03-04T01:06:07.000001+02:00'", "2026-03-03T23:06:07.000001+00:00"),
            ("1772600767", "2026-03-04T05:06:07+00:00"),
        ] {
            database.run(&format!("UPDATE articles SET {column} = {written}")).await;
            assert_eq!(
                database.texts(&format!("SELECT {column} FROM articles")).await,
                [stored],
                "{written}"
            );
        }
    }
    database
        .run(
            "INSERT INTO articles (id, title, content, published, author_id, created_at, updated_at, scheduled_at) \
             VALUES (2, 't', '0123456789', TRUE, 1, '2026-03-04 05:06', '2026-03-04 05:06', '2030-01-01')",
        )
        .await;
    let times = "SELECT published_at || ' ' || scheduled_at FROM articles WHERE id = 2";
    assert_eq!(database.texts(times).await, ["2026-03-04T05:06:00+00:00 2030-01-01T00:00:00+00:00"]);
}

#[tokio::test]
async fn times_of_publication_out_of_range_are_rejected() {
    for database in TestDatabase::on_each_engine().await {
        migrated_to(&database, None).await;
        insert(&database, 1, true).await;
        for column in ["published_at", "scheduled_at"] {
            for wrong in ["'infinity'", "'10000-01-01 00:00:00+00'"] {
                for statement in [
                    format!("UPDATE articles SET {column} = {wrong}"),
                    format!(
                        "INSERT INTO articles (id, title, content, published, author_id, created_at, updated_at, {column}) \
                         VALUES (9, 't', '0123456789', TRUE, 1, '{CREATED}', '{CREATED}', {wrong})"
                    ),
                ] {
                    let error = database.db.execute_unprepared(&statement).await.unwrap_err().to_string();
                    assert!(error.contains("between the years 1 and 9999"), "{statement}: {error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_slug_is_unique_among_published_and_hidden_articles_only() {
    for database in TestDatabase::on_each_engine().await {
        migrated_to(&database, None).await;
        for (id, published) in [(1, true), (2, false), (3, false), (4, false)] {
            insert(&database, id, published).await;
        }
        database.run("UPDATE articles SET slug = 'same' WHERE id < 4").await;
        for id in [2, 3] {
            let publish = format!("UPDATE articles SET published = TRUE WHERE id = {id}");
            database.db.execute_unprepared(&publish).await.unwrap_err();
        }
        database.run("UPDATE articles SET published = FALSE, hidden = TRUE WHERE id = 1").await;
        database
            .db
            .execute_unprepared("UPDATE articles SET published = TRUE WHERE id = 2")
            .await
            .unwrap_err();
        database.run("UPDATE articles SET hidden = FALSE WHERE id = 1").await;
        database.run("UPDATE articles SET published = TRUE WHERE id = 2").await;
    }
}
