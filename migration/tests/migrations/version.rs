//! The version of an article increases, and its state id is renewed, with every change, whichever client makes
//! it.

use std::collections::BTreeSet;

use entity::article::Column;
use migration_kit::Options;
use sea_orm::{IdenStatic as _, Iterable as _};

use crate::support::TestDatabase;

/// SQL for a value that the column does not have yet.
fn another(column: Column) -> &'static str {
    match column {
        Column::Id => "id + 1",
        Column::Title => "title || '!'",
        Column::Content => "content || '!'",
        Column::Published => "NOT published",
        Column::AuthorId => "3 - author_id",
        Column::CreatedAt => "'2027-01-01T00:00:00Z'",
        Column::UpdatedAt => "'2028-01-01T00:00:00Z'",
        Column::Version => "version - 1",
        Column::StateId => "state_id + 1",
        Column::Hidden => "NOT hidden",
        Column::Slug => "coalesce(slug, '') || 'x'",
        Column::Format => "CASE format WHEN 'html' THEN 'plain' ELSE 'html' END",
        Column::Excerpt => "coalesce(excerpt, '') || '!'",
        Column::PublishedAt => "'2029-01-01T00:00:00Z'",
        Column::ScheduledAt => "'2030-01-01T00:00:00Z'",
    }
}

/// Creates an article that the tests change, and article 100, which they do not change.
async fn articles(database: &TestDatabase) {
    migration::up(&database.db).await.unwrap();
    for (id, name) in [(1, "ann"), (2, "bob")] {
        database
            .run(&format!(
                "INSERT INTO users (id, email, username, hashed_password, created_at, updated_at) \
                 VALUES ({id}, '{name}@x.de', '{name}', 'x', '2024-01-01T00:00:00+00:00', '2024-01-01T00:00:00+00:00')"
            ))
            .await;
    }
    for id in [1, 100] {
        database
            .run(&format!(
                "INSERT INTO articles (id, title, content, published, author_id, created_at, updated_at) \
                 VALUES ({id}, 't', '0123456789', TRUE, 1, '2024-01-01T00:00:00+00:00', '2024-01-01T00:00:00+00:00')"
            ))
            .await;
    }
}

async fn version(database: &TestDatabase) -> i64 {
    database.number("SELECT CAST(version AS bigint) FROM articles WHERE id <> 100").await
}

/// The state ids of all articles, by id.
async fn state_ids(database: &TestDatabase) -> Vec<String> {
    database.texts("SELECT CAST(state_id AS text) FROM articles ORDER BY id").await
}

/// Inserts every row again except article 100, with another title.
const UPSERT: &str = "INSERT INTO articles SELECT * FROM articles WHERE id <> 100 \
                      ON CONFLICT (id) DO UPDATE SET title = 'put again'";

/// By how much a statement increases the version.
async fn growth(database: &TestDatabase, statement: &str) -> i64 {
    let before = version(database).await;
    database.run(statement).await;
    version(database).await - before
}

#[tokio::test]
async fn it_increases_by_one_with_every_changed_value_and_with_nothing_else() {
    for database in TestDatabase::on_each_engine().await {
        articles(&database).await;
        let other_before =
            database.number("SELECT CAST(version AS bigint) FROM articles WHERE id = 100").await;
        // A state id that a client sets by hand is a new one already.
        for column in Column::iter().filter(|column| !matches!(column, Column::StateId)) {
            let name = column.as_str();
            let change = format!("UPDATE articles SET {name} = {} WHERE id <> 100", another(column));
            assert_eq!(growth(&database, &change).await, 1, "{change}");
            let nothing = format!("UPDATE articles SET {name} = {name}");
            assert_eq!(growth(&database, &nothing).await, 0, "{nothing}");
        }
        for (set, grows) in [
            // A statement that sets a higher version keeps it. One that would restore an old version does
            // not.
            ("title = 'raised', version = version + 1", 1),
            ("title = 'raised more', version = version + 5", 5),
            ("version = version + 2", 2),
            ("title = 'brought back', version = 1", 1),
        ] {
            let change = format!("UPDATE articles SET {set} WHERE id <> 100");
            assert_eq!(growth(&database, &change).await, grows, "{change}");
        }
        assert_eq!(growth(&database, UPSERT).await, 1);
        let other = "SELECT CAST(version AS bigint) FROM articles WHERE id = 100";
        assert_eq!(database.number(other).await, other_before);
        assert_eq!(growth(&database, "UPDATE articles SET title = title || '!'").await, 1);
        assert_eq!(database.number(other).await, other_before + 1);
    }
}

#[tokio::test]
async fn it_increases_by_one_with_recursive_triggers_on_sqlite() {
    let database = TestDatabase::sqlite().await;
    articles(&database).await;
    let recursive =
        |set| format!("PRAGMA recursive_triggers = ON; UPDATE articles SET {set} WHERE id <> 100");
    assert_eq!(growth(&database, &recursive("title = 'by hand'")).await, 1);
    assert_eq!(growth(&database, &recursive("title = 'by hand'")).await, 0);
}

#[tokio::test]
async fn it_does_not_increase_once_the_trigger_is_reverted() {
    for database in TestDatabase::on_each_engine().await {
        articles(&database).await;
        let (migrator, edit) = (migration::migrator(), "UPDATE articles SET title = title || '!'");
        migrator
            .down(&database.db, &Options { to: Some("articles_notify"), ..Options::default() })
            .await
            .unwrap();
        assert_eq!(growth(&database, edit).await, 0);
        migration::up(&database.db).await.unwrap();
        assert_eq!(growth(&database, edit).await, 1);
    }
}

#[tokio::test]
async fn every_change_renews_the_state_id_and_nothing_else_does() {
    for database in TestDatabase::on_each_engine().await {
        articles(&database).await;
        let mut seen = BTreeSet::from_iter(state_ids(&database).await);
        let first = state_ids(&database).await.remove(0);
        let mut changes: Vec<String> =
            Column::iter().map(|column| format!("{} = {}", column.as_str(), another(column))).collect();
        changes.extend([
            // An earlier release of Byline raises the version and does not know the state id.
            "title = 'raised', version = version + 1".to_owned(),
            "version = version + 2".to_owned(),
            "title = 'brought back', version = 1".to_owned(),
            format!("title = 'brought back whole', version = 1, state_id = {first}"),
        ]);
        for set in changes {
            let change = format!("UPDATE articles SET {set} WHERE id <> 100");
            database.run(&change).await;
            assert!(seen.insert(state_ids(&database).await[0].clone()), "{change}");
        }
        database.run(UPSERT).await;
        assert!(seen.insert(state_ids(&database).await[0].clone()), "{UPSERT}");

        let before = state_ids(&database).await;
        for column in Column::iter() {
            let name = column.as_str();
            database.run(&format!("UPDATE articles SET {name} = {name}")).await;
            assert_eq!(state_ids(&database).await, before, "{name}");
        }
        database.run("UPDATE users SET username = username || '!'").await;
        assert_eq!(state_ids(&database).await, before);

        database.run("UPDATE articles SET title = title || '!'").await;
        let after = state_ids(&database).await;
        assert!(before.iter().zip(&after).all(|(before, after)| before != after) && after[0] != after[1]);
    }
}

#[tokio::test]
async fn a_statement_that_raises_the_version_and_sets_a_new_state_id_keeps_both() {
    for database in TestDatabase::on_each_engine().await {
        articles(&database).await;
        let edit = "UPDATE articles SET title = 'edited', version = version + 1, state_id = 42 WHERE id = 1";
        assert_eq!(growth(&database, edit).await, 1);
        assert_eq!(state_ids(&database).await[0], "42");
    }
}

#[tokio::test]
async fn the_state_id_is_renewed_with_recursive_triggers_on_sqlite() {
    let database = TestDatabase::sqlite().await;
    articles(&database).await;
    for set in ["title = 'by hand'", "title = 'raised', version = version + 1", "version = 1"] {
        let before = state_ids(&database).await;
        database
            .run(&format!("PRAGMA recursive_triggers = ON; UPDATE articles SET {set} WHERE id <> 100"))
            .await;
        let after = state_ids(&database).await;
        assert!(before[0] != after[0] && before[1] == after[1], "{set}");
    }
}

#[tokio::test]
async fn rows_that_are_inserted_without_a_state_id_get_different_ones() {
    for database in TestDatabase::on_each_engine().await {
        articles(&database).await;
        let first = state_ids(&database).await;
        // Deleted and inserted again, the same rows are other states.
        let insert = "CREATE TABLE saved AS SELECT * FROM articles; DELETE FROM articles; \
                      INSERT INTO articles (id, title, content, published, author_id, created_at, updated_at) \
                      SELECT id, title, content, published, author_id, created_at, updated_at FROM saved";
        database.run(insert).await;
        let second = state_ids(&database).await;
        let all: BTreeSet<&String> = first.iter().chain(&second).collect();
        assert_eq!(all.len(), 4);
        assert!(!all.contains(&"0".to_owned()));
    }
}

#[tokio::test]
async fn rows_that_exist_before_the_migration_get_state_ids_of_their_database() {
    let mut all = BTreeSet::new();
    for database in
        TestDatabase::on_each_engine().await.into_iter().chain(TestDatabase::on_each_engine().await)
    {
        articles(&database).await;
        let rows =
            "SELECT CAST(version AS text) || ' ' || CAST(updated_at AS text) FROM articles ORDER BY id";
        let before = database.texts(rows).await;
        for _ in 0..2 {
            let to = Options { to: Some("users_notify"), ..Options::default() };
            migration::migrator().down(&database.db, &to).await.unwrap();
            migration::up(&database.db).await.unwrap();
            // On PostgreSQL, the rows of one database share theirs.
            let ids: BTreeSet<_> = state_ids(&database).await.into_iter().collect();
            assert!(ids.iter().all(|id| all.insert(id.clone())), "{ids:?}");
            assert_eq!(database.texts(rows).await, before);
        }
        // Rows that share their state id stop sharing it when they change.
        database.run("UPDATE articles SET title = 'edited'").await;
        assert!(state_ids(&database).await.into_iter().all(|id| all.insert(id)));
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn the_state_id_is_added_without_rewriting_the_table() {
    let database = TestDatabase::postgres().await;
    articles(&database).await;
    let to = Options { to: Some("users_notify"), ..Options::default() };
    migration::migrator().down(&database.db, &to).await.unwrap();
    let file = "SELECT CAST(pg_relation_filenode('articles') AS bigint)";
    let before = database.number(file).await;
    migration::up(&database.db).await.unwrap();
    assert_eq!(database.number(file).await, before);
}
