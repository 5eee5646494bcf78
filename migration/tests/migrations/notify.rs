//! The names that listeners use are those in the database.

use std::{collections::BTreeSet, time::Duration};

use migration::notify::{CHANNEL, TRIGGERS};
use sqlx::postgres::PgListener;

use crate::support::TestDatabase;

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn every_trigger_exists_with_its_function_and_no_other_trigger_notifies() {
    let database = TestDatabase::postgres().await;
    migration::up(&database.db).await.unwrap();
    let triggers = "SELECT tgname || ' on ' || tgrelid::regclass || ' calls ' || tgfoid::regproc FROM pg_trigger \
                    JOIN pg_proc ON pg_proc.oid = tgfoid WHERE NOT tgisinternal AND tgenabled <> 'D' \
                    AND prosrc LIKE '%pg_notify%'";
    let actual: BTreeSet<String> = database.texts(triggers).await.into_iter().collect();
    let expected: BTreeSet<String> = TRIGGERS
        .iter()
        .map(|trigger| format!("{} on {} calls {}", trigger.name, trigger.table, trigger.function))
        .collect();
    assert_eq!(actual, expected);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_write_is_announced_on_the_channel() {
    let database = TestDatabase::postgres().await;
    migration::up(&database.db).await.unwrap();
    let mut listener = PgListener::connect(&database.url).await.unwrap();
    listener.listen(CHANNEL).await.unwrap();
    for (statement, payload) in [
        ("INSERT INTO users (id, email, username, hashed_password) VALUES (1, 'a@x.de', 'ann', 'x')", None),
        (
            "INSERT INTO articles (id, title, content, published, author_id) VALUES (7, 't', 'c', TRUE, 1)",
            Some("ids 7"),
        ),
        ("UPDATE articles SET title = 'other'", Some("ids 7")),
        ("UPDATE users SET email = 'b@x.de'", None),
        ("UPDATE users SET username = 'bob'", Some("all")),
        ("DELETE FROM articles", Some("ids 7")),
        ("TRUNCATE articles", Some("all")),
    ] {
        database.run(statement).await;
        let Some(payload) = payload else { continue };
        let notification =
            tokio::time::timeout(Duration::from_secs(5), listener.recv()).await.unwrap().unwrap();
        assert_eq!(notification.payload(), payload, "{statement}");
    }
}
