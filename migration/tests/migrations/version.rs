//! The version of an article increases with every change, whichever client makes it.

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
        for column in Column::iter() {
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
        let upsert = "INSERT INTO articles SELECT * FROM articles WHERE id <> 100 \
                      ON CONFLICT (id) DO UPDATE SET title = 'put again'";
        assert_eq!(growth(&database, upsert).await, 1);
        let other = "SELECT CAST(version AS bigint) FROM articles WHERE id = 100";
        assert_eq!(database.number(other).await, 1);
        assert_eq!(growth(&database, "UPDATE articles SET title = title || '!'").await, 1);
        assert_eq!(database.number(other).await, 2);
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
