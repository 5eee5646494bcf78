//! The queue of articles to index, whichever client changes their texts.

use migration_kit::Options;

use crate::support::TestDatabase;

const TIME: &str = "2026-01-01T00:00:00+00:00";

/// Creates two accounts with an article each, and a tag of the first article.
async fn insert_rows(database: &TestDatabase) {
    for (id, name) in [(1, "ann"), (2, "bob")] {
        database
            .run(&format!(
                "INSERT INTO users (id, email, username, hashed_password, created_at, updated_at) \
                 VALUES ({id}, '{name}@x.de', '{name}', 'x', '{TIME}', '{TIME}')"
            ))
            .await;
        database
            .run(&format!(
                "INSERT INTO articles (id, title, content, published, author_id, created_at, updated_at) \
                 VALUES ({id}, 't', '0123456789', TRUE, {id}, '{TIME}', '{TIME}')"
            ))
            .await;
    }
    database.run("INSERT INTO tags (id, key, name) VALUES (1, 'rust', 'rust'), (2, 'sql', 'sql')").await;
    database.run("INSERT INTO article_tags (article_id, tag_id, position) VALUES (1, 1, 0)").await;
}

async fn queue(database: &TestDatabase) -> Vec<String> {
    database.texts("SELECT CAST(article_id AS text) FROM search_queue ORDER BY article_id").await
}

#[tokio::test]
async fn articles_that_exist_are_queued_by_the_migration() {
    for database in TestDatabase::on_each_engine().await {
        let options = Options { to: Some("m20261126_000017_publishing"), ..Options::default() };
        migration::migrator().up(&database.db, &options).await.unwrap();
        insert_rows(&database).await;
        migration::up(&database.db).await.unwrap();
        assert_eq!(queue(&database).await, ["1", "2"]);
    }
}

#[tokio::test]
async fn every_change_of_a_text_queues_its_articles_and_no_other_change_does() {
    for database in TestDatabase::on_each_engine().await {
        migration::up(&database.db).await.unwrap();
        insert_rows(&database).await;
        assert_eq!(queue(&database).await, ["1", "2"]);
        for (statement, expected) in [
            ("UPDATE articles SET title = 'other' WHERE id = 1", &["1"][..]),
            ("UPDATE articles SET content = 'another text' WHERE id = 2", &["2"]),
            ("UPDATE articles SET author_id = 1 WHERE id = 2", &["2"]),
            ("UPDATE articles SET title = title, published = FALSE, version = version + 1", &[]),
            ("UPDATE users SET username = 'eve' WHERE id = 1", &["1", "2"]),
            ("UPDATE users SET display_name = 'Eve' WHERE id = 1", &["1", "2"]),
            ("UPDATE users SET bio = 'Writes.', email = 'c@x.de' WHERE id = 1", &[]),
            ("UPDATE tags SET name = 'Rust' WHERE id = 1", &["1"]),
            ("UPDATE tags SET name = 'SQL' WHERE id = 2", &[]),
            (
                "INSERT INTO article_tags (article_id, tag_id, position) VALUES (1, 2, 1), (2, 2, 0)",
                &["1", "2"],
            ),
            ("UPDATE article_tags SET position = 5 WHERE article_id = 2", &["2"]),
            ("DELETE FROM article_tags WHERE article_id = 1 AND tag_id = 1", &["1"]),
        ] {
            database.run("DELETE FROM search_queue").await;
            database.run(statement).await;
            assert_eq!(queue(&database).await, expected, "{statement}");
        }
        // They are in the queue already.
        database.run("UPDATE articles SET title = 'third'").await;
        database.run("UPDATE articles SET title = 'fourth'").await;
        assert_eq!(queue(&database).await, ["1", "2"]);
        database.run("DELETE FROM articles WHERE id = 1").await;
        database.run("DELETE FROM users").await;
        assert_eq!(database.number("SELECT count(*) FROM article_search").await, 0);
    }
}
