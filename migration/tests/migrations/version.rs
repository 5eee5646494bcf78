//! The version of an article grows with every change, whoever makes it.

use entity::article::Column;
use migration_kit::Options;
use sea_orm::{IdenStatic as _, Iterable as _};

use crate::support::Place;

/// SQL for a value that the column doesn't hold yet.
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

/// An article that is to be changed, and the article 100 beside it.
async fn articles(place: &Place) {
    migration::up(&place.db).await.unwrap();
    for (id, name) in [(1, "ann"), (2, "bob")] {
        place
            .run(&format!(
                "INSERT INTO users (id, email, username, hashed_password, created_at, updated_at) \
                 VALUES ({id}, '{name}@x.de', '{name}', 'x', '2024-01-01T00:00:00Z', '2024-01-01T00:00:00Z')"
            ))
            .await;
    }
    for id in [1, 100] {
        place
            .run(&format!(
                "INSERT INTO articles (id, title, content, published, author_id, created_at, updated_at) \
                 VALUES ({id}, 't', '0123456789', TRUE, 1, '2024-01-01T00:00:00Z', '2024-01-01T00:00:00Z')"
            ))
            .await;
    }
}

async fn version(place: &Place) -> i64 {
    place.number("SELECT CAST(version AS bigint) FROM articles WHERE id <> 100").await
}

/// By how much a statement raises it.
async fn growth(place: &Place, statement: &str) -> i64 {
    let before = version(place).await;
    place.run(statement).await;
    version(place).await - before
}

#[tokio::test]
async fn it_grows_by_one_with_every_other_value_and_with_nothing_else() {
    for place in Place::all().await {
        articles(&place).await;
        for column in Column::iter() {
            let name = column.as_str();
            let change = format!("UPDATE articles SET {name} = {} WHERE id <> 100", another(column));
            assert_eq!(growth(&place, &change).await, 1, "{change}");
            let nothing = format!("UPDATE articles SET {name} = {name}");
            assert_eq!(growth(&place, &nothing).await, 0, "{nothing}");
        }
        for (set, grows) in [
            // Whoever knows the column is left alone, unless he would bring a version back.
            ("title = 'raised', version = version + 1", 1),
            ("title = 'raised more', version = version + 5", 5),
            ("version = version + 2", 2),
            ("title = 'brought back', version = 1", 1),
        ] {
            let change = format!("UPDATE articles SET {set} WHERE id <> 100");
            assert_eq!(growth(&place, &change).await, grows, "{change}");
        }
        let upsert = "INSERT INTO articles SELECT * FROM articles WHERE id <> 100 \
                      ON CONFLICT (id) DO UPDATE SET title = 'put again'";
        assert_eq!(growth(&place, upsert).await, 1);
        let beside = "SELECT CAST(version AS bigint) FROM articles WHERE id = 100";
        assert_eq!(place.number(beside).await, 1);
        assert_eq!(growth(&place, "UPDATE articles SET title = title || '!'").await, 1);
        assert_eq!(place.number(beside).await, 2);
    }
}

#[tokio::test]
async fn it_grows_by_one_where_sqlites_triggers_fire_each_other() {
    let place = Place::sqlite().await;
    articles(&place).await;
    let recursive =
        |set| format!("PRAGMA recursive_triggers = ON; UPDATE articles SET {set} WHERE id <> 100");
    assert_eq!(growth(&place, &recursive("title = 'by hand'")).await, 1);
    assert_eq!(growth(&place, &recursive("title = 'by hand'")).await, 0);
}

#[tokio::test]
async fn it_is_left_alone_once_the_trigger_is_reverted() {
    for place in Place::all().await {
        articles(&place).await;
        let (kit, edit) = (migration::migrator(), "UPDATE articles SET title = title || '!'");
        kit.down(&place.db, &Options { to: Some("articles_notify"), ..Options::default() }).await.unwrap();
        assert_eq!(growth(&place, edit).await, 0);
        migration::up(&place.db).await.unwrap();
        assert_eq!(growth(&place, edit).await, 1);
    }
}
