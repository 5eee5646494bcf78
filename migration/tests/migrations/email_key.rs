//! The key of an address is filled for accounts that other programs write.

use migration_kit::{Error, Options};
use sea_orm::ConnectionTrait;

use crate::support::TestDatabase;

/// Inserts an account as the FastAPI blog does, without a key.
async fn insert(database: &TestDatabase, id: i32, email: &str) {
    database
        .run(&format!(
            "INSERT INTO users (id, email, username, hashed_password, created_at, updated_at) \
             VALUES ({id}, '{email}', 'user{id}', 'x', '2024-01-01T00:00:00+00:00', '2024-01-01T00:00:00+00:00')"
        ))
        .await;
}

async fn keys(database: &TestDatabase) -> Vec<String> {
    database.texts("SELECT coalesce(email_key, '-') FROM users ORDER BY id").await
}

#[tokio::test]
async fn an_account_of_another_program_gets_its_key_unless_another_has_it() {
    for database in TestDatabase::on_each_engine().await {
        migration::up(&database.db).await.unwrap();
        insert(&database, 1, "Ann@X.de").await;
        insert(&database, 2, "ANN@x.de").await;
        insert(&database, 3, "ÄDA@x.de").await;
        insert(&database, 4, "äda@x.de").await;
        assert_eq!(keys(&database).await, ["ann@x.de", "-", "Äda@x.de", "äda@x.de"]);
        let emails = database.texts("SELECT email FROM users ORDER BY id").await;
        assert_eq!(emails, ["Ann@X.de", "ANN@x.de", "ÄDA@x.de", "äda@x.de"]);
    }
}

#[tokio::test]
async fn of_equal_addresses_in_one_statement_the_first_gets_the_key() {
    for database in TestDatabase::on_each_engine().await {
        migration::up(&database.db).await.unwrap();
        let row = |id: i32, email: &str| {
            format!(
                "({id}, '{email}', 'u{id}', 'x', '2024-01-01T00:00:00+00:00', '2024-01-01T00:00:00+00:00')"
            )
        };
        let rows = [row(1, "a@x.de"), row(2, "A@x.de"), row(3, "b@x.de"), row(4, "A@X.de")].join(", ");
        database
            .run(&format!(
                "INSERT INTO users (id, email, username, hashed_password, created_at, updated_at) VALUES {rows}"
            ))
            .await;
        assert_eq!(keys(&database).await, ["a@x.de", "-", "b@x.de", "-"]);
    }
}

#[tokio::test]
async fn a_key_follows_a_changed_address_and_one_that_became_free_can_be_filled() {
    for database in TestDatabase::on_each_engine().await {
        migration::up(&database.db).await.unwrap();
        for (id, email) in [(1, "a@x.de"), (2, "A@x.de"), (3, "c@x.de")] {
            insert(&database, id, email).await;
        }
        for (statement, expected) in [
            ("UPDATE users SET email = 'New@x.de' WHERE id = 3", ["a@x.de", "-", "new@x.de"]),
            (
                "UPDATE users SET email = 'C@x.de', email_key = 'c@x.de' WHERE id = 3",
                ["a@x.de", "-", "c@x.de"],
            ),
            ("UPDATE users SET email = 'a@X.de' WHERE id = 3", ["a@x.de", "-", "-"]),
            ("UPDATE users SET email = 'Z@x.de' WHERE id = 1", ["z@x.de", "-", "-"]),
            ("UPDATE users SET username = 'other' WHERE id = 2", ["z@x.de", "-", "-"]),
            ("UPDATE users SET email = email WHERE email_key IS NULL AND id = 2", ["z@x.de", "a@x.de", "-"]),
            ("UPDATE users SET email = email WHERE email_key IS NULL", ["z@x.de", "a@x.de", "-"]),
        ] {
            database.run(statement).await;
            assert_eq!(keys(&database).await, expected, "{statement}");
        }
    }
}

#[tokio::test]
async fn an_address_of_a_twin_can_be_changed_with_recursive_triggers_on_sqlite() {
    let database = TestDatabase::sqlite().await;
    migration::up(&database.db).await.unwrap();
    for (id, email) in [(1, "a@x.de"), (2, "b@x.de")] {
        insert(&database, id, email).await;
    }
    database.run("PRAGMA recursive_triggers = ON; UPDATE users SET email = 'A@x.de' WHERE id = 2").await;
    assert_eq!(keys(&database).await, ["a@x.de", "-"]);
    database.run("PRAGMA recursive_triggers = ON; UPDATE users SET email = 'C@x.de' WHERE id = 2").await;
    assert_eq!(keys(&database).await, ["a@x.de", "c@x.de"]);
}

#[tokio::test]
async fn existing_accounts_without_a_key_are_filled_once_where_it_is_free() {
    for database in TestDatabase::on_each_engine().await {
        let migrator = migration::migrator();
        let before = Options { to: Some("m20261123_000010_users_notify"), ..Options::default() };
        migrator.up(&database.db, &before).await.unwrap();
        for (id, email) in [(1, "A@x.de"), (2, "a@x.de"), (3, "B@x.de"), (4, "b@x.de"), (5, "c@x.de")] {
            insert(&database, id, email).await;
        }
        database.run("UPDATE users SET email_key = 'b@x.de' WHERE id = 4").await;
        migration::up(&database.db).await.unwrap();
        assert_eq!(keys(&database).await, ["a@x.de", "-", "-", "b@x.de", "c@x.de"]);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_session_with_another_search_path_can_insert() {
    let database = TestDatabase::postgres().await;
    migration::up(&database.db).await.unwrap();
    let insert = |id: i32, email: &str| {
        format!(
            "SET search_path = pg_catalog; INSERT INTO public.users (id, email, username, hashed_password) \
             VALUES ({id}, '{email}', 'u{id}', 'x'); RESET search_path"
        )
    };
    database.run(&insert(1, "A@x.de")).await;
    database.run(&insert(2, "a@x.de")).await;
    assert_eq!(keys(&database).await, ["a@x.de", "-"]);
}

#[tokio::test]
async fn adoption_verifies_the_keys_and_says_how_to_fill_them() {
    for database in TestDatabase::on_each_engine().await {
        migration::up(&database.db).await.unwrap();
        for (id, email) in [(1, "a@x.de"), (2, "b@x.de"), (3, "B@x.de")] {
            insert(&database, id, email).await;
        }
        database.run("DROP TABLE byline_migrations").await;
        database.run("DROP TABLE seaql_migrations").await;

        database.run("UPDATE users SET email_key = 'other' WHERE id = 1").await;
        let error = migration::up(&database.db).await.unwrap_err();
        assert!(matches!(error, Error::Mismatch { .. }), "{error}");
        assert!(error.to_string().contains("email_key of users 1 is not the address"), "{error}");

        database.run("UPDATE users SET email_key = 'a@x.de' WHERE id = 1").await;
        // The trigger would fill it: an import that switched triggers off did not.
        let trigger = match database.engine {
            migration_kit::Engine::Postgres => "ALTER TABLE users DISABLE TRIGGER users_email_key_updated",
            migration_kit::Engine::Sqlite => "DROP TRIGGER users_email_key_updated",
        };
        let definition = "SELECT sql FROM sqlite_master WHERE name = 'users_email_key_updated'";
        let again = match database.engine {
            migration_kit::Engine::Postgres => {
                "ALTER TABLE users ENABLE ALWAYS TRIGGER users_email_key_updated".to_owned()
            }
            migration_kit::Engine::Sqlite => database.texts(definition).await.remove(0),
        };
        database.run(trigger).await;
        database.run("UPDATE users SET email_key = NULL WHERE id = 1").await;
        database.run(&again).await;
        let error = migration::up(&database.db).await.unwrap_err().to_string();
        assert!(error.contains("email_key of users 1 is missing"), "{error}");
        database
            .db
            .execute_unprepared("UPDATE users SET email = email WHERE email_key IS NULL")
            .await
            .unwrap();
        migration::migrator().adopt(&database.db, None, &Options::default()).await.unwrap();
    }
}
