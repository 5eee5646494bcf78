//! The names that listeners use are those in the database.

use std::time::Duration;

use migration::notify::{CHANNEL, TRIGGERS, function_sources};
use sqlx::postgres::PgListener;

use crate::support::TestDatabase;

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn every_trigger_is_the_one_that_servers_expect_and_no_other_trigger_notifies() {
    let database = TestDatabase::postgres().await;
    migration::up(&database.db).await.unwrap();
    let sources = function_sources().await.unwrap();
    for trigger in TRIGGERS {
        let of = |expression: &str| {
            format!(
                "SELECT {expression} FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid \
                 WHERE tgname = '{}' AND tgrelid = '{}'::regclass",
                trigger.name, trigger.table
            )
        };
        assert_eq!(database.texts(&of("pg_get_triggerdef(t.oid, true)")).await, [trigger.definition]);
        assert_eq!(database.texts(&of("p.proname::text")).await, [trigger.function]);
        assert_eq!(database.texts(&of("p.prosrc")).await, [sources[trigger.function].as_str()]);
    }
    let notifying = "SELECT tgname::text FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid \
                     WHERE NOT tgisinternal AND prosrc LIKE '%pg_notify%'";
    let known = TRIGGERS.map(|trigger| trigger.name);
    for name in database.texts(notifying).await {
        assert!(known.contains(&name.as_str()), "{name}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn every_trigger_fires_in_every_session() {
    let database = TestDatabase::postgres().await;
    migration::up(&database.db).await.unwrap();
    let others = "SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'A'";
    assert_eq!(database.texts(others).await, [""; 0]);
    assert!(database.number("SELECT count(*) FROM pg_trigger WHERE tgenabled = 'A'").await >= 12);
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
        ("TRUNCATE articles CASCADE", Some("all")),
    ] {
        database.run(statement).await;
        let Some(payload) = payload else { continue };
        let notification =
            tokio::time::timeout(Duration::from_secs(5), listener.recv()).await.unwrap().unwrap();
        assert_eq!(notification.payload(), payload, "{statement}");
    }
}
