//! `fresh` and `reset` change everything or nothing, and never what is not the program's.

use migration_kit::{Engine, Error, Migrator, Options};
use sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::{
    bookshelf,
    support::{Sql, TestDatabase, connect, migrator, sql},
};

fn erasing() -> Options<'static> {
    Options { allow_destructive: true, ..Options::default() }
}

/// A migrated bookshelf with two rows.
async fn filled(database: &TestDatabase) {
    bookshelf::migrator().up(&database.db, &Options::default()).await.unwrap();
    database.run("INSERT INTO shelves (id, name) VALUES (1, 'top')").await;
    database.run("INSERT INTO books (id, title, year, shelf_id) VALUES (1, 'Emma', 1815, 1)").await;
}

/// Neither `fresh` nor its rehearsal changes a row.
async fn assert_refused(migrator: &Migrator, db: &DatabaseConnection, database: &TestDatabase) -> Error {
    let rehearsed = migrator.fresh(db, &Options { rehearse: true, ..erasing() }).await.unwrap_err();
    let error = migrator.fresh(db, &erasing()).await.unwrap_err();
    assert_eq!(rehearsed.to_string(), error.to_string());
    assert_eq!(database.number("SELECT count(*) FROM books").await, 1, "{error}");
    assert_eq!(database.number("SELECT count(*) FROM seaql_migrations").await, 3, "{error}");
    assert_eq!(database.number("SELECT count(*) FROM bookshelf_migrations").await, 3, "{error}");
    error
}

#[tokio::test]
async fn fresh_empties_the_tables_and_leaves_others() {
    for database in TestDatabase::on_each_engine().await {
        filled(&database).await;
        database.run("CREATE TABLE notes (id integer)").await;
        database.run("INSERT INTO notes VALUES (1)").await;
        bookshelf::migrator().fresh(&database.db, &Options { rehearse: true, ..erasing() }).await.unwrap();
        assert_eq!(database.number("SELECT count(*) FROM books").await, 1, "a rehearsal changes nothing");
        let outcome = bookshelf::migrator().fresh(&database.db, &erasing()).await.unwrap();
        assert_eq!((outcome.applied.len(), outcome.notices), (3, Vec::new()));
        assert_eq!(database.number("SELECT count(*) FROM books").await, 0);
        assert_eq!(database.number("SELECT count(*) FROM notes").await, 1);
        assert!(bookshelf::migrator().check(&database.db).await.unwrap().passed());
    }
}

#[tokio::test]
async fn a_rebuild_that_fails_leaves_every_row() {
    for database in TestDatabase::on_each_engine().await {
        filled(&database).await;
        let mut all = bookshelf::migrator();
        all.migrations.push(Box::new(sql("m9", &["INSERT INTO nowhere VALUES (1)"], &[])));
        // The failing statement is found when a scratch schema is built, before anything is erased.
        let error = assert_refused(&all, &database.db, &database).await;
        assert!(error.to_string().contains("nowhere"), "{error}");
        // This one works in an empty scratch schema and fails only in the database.
        let mut all = bookshelf::migrator();
        all.migrations.push(Box::new(sql("m9", &["CREATE TABLE notes (id integer)"], &[])));
        database.run("CREATE VIEW notes AS SELECT 1 AS id").await;
        let error = assert_refused(&all, &database.db, &database).await;
        assert!(error.to_string().contains("nothing was changed"), "{error}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn dependants_of_others_are_named_and_not_dropped_on_postgres() {
    for (dependant, name) in [
        ("CREATE VIEW titles AS SELECT title FROM books", "view titles depends on table books"),
        ("CREATE MATERIALIZED VIEW years AS SELECT year FROM books", "materialized view years"),
        (
            "CREATE TABLE loans (book_id integer REFERENCES books (id))",
            "constraint loans_book_id_fkey on table loans",
        ),
        (
            "CREATE FUNCTION newest() RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT max(id) FROM books; END",
            "function newest()",
        ),
        ("CREATE TABLE rare_books () INHERITS (books)", "table rare_books depends on table books"),
        ("CREATE TABLE boxes (content books)", "column content of table boxes"),
    ] {
        let database = TestDatabase::postgres().await;
        filled(&database).await;
        database.run(dependant).await;
        let error = assert_refused(&bookshelf::migrator(), &database.db, &database).await;
        assert!(matches!(error, Error::NotErased(_)), "{error}");
        let text = migration_kit::cli::Failure::from(error).to_string();
        assert!(text.contains(name) && !text.contains("CASCADE"), "{text}");
    }
}

#[tokio::test]
async fn rows_of_others_that_reference_the_tables_stop_the_run_on_sqlite() {
    let database = TestDatabase::sqlite().await;
    filled(&database).await;
    database.run("CREATE TABLE loans (book_id integer REFERENCES books (id))").await;
    database.run("INSERT INTO loans VALUES (1)").await;
    let error = assert_refused(&bookshelf::migrator(), &database.db, &database).await;
    assert!(error.to_string().contains("loans row 1 to books"), "{error}");

    database.run("DELETE FROM loans").await;
    database.run("CREATE VIEW titles AS SELECT title FROM books").await;
    bookshelf::migrator().fresh(&database.db, &erasing()).await.unwrap();
    database.run("INSERT INTO shelves (id, name) VALUES (1, 'top')").await;
    database.run("INSERT INTO books (id, title, year, shelf_id) VALUES (1, 'Emma', 1815, 1)").await;
    assert_eq!(database.texts("SELECT title FROM titles").await, ["Emma"], "the view is still there");
}

#[tokio::test]
async fn what_no_migration_creates_again_is_named() {
    for database in TestDatabase::on_each_engine().await {
        filled(&database).await;
        database.run("CREATE INDEX by_title ON books (title)").await;
        database.run("ALTER TABLE shelves ADD COLUMN colour text").await;
        let rehearsal = Options { rehearse: true, ..erasing() };
        let notices = bookshelf::migrator().fresh(&database.db, &rehearsal).await.unwrap().notices;
        assert_eq!(notices.len(), 2, "{notices:?}");
        assert!(notices.iter().any(|notice| notice.contains("by_title")), "{notices:?}");
        assert!(notices.iter().any(|notice| notice.contains("shelves.colour")), "{notices:?}");
    }
}

/// A connection as a role that owns nothing yet.
async fn as_role(database: &TestDatabase, role: &str) -> DatabaseConnection {
    database.run(&format!("CREATE ROLE {role}")).await;
    let sign = if database.url.contains('?') { '&' } else { '?' };
    connect(&format!("{}{sign}options=-c%20role%3D{role}", database.url)).await
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_role_that_lacks_a_right_changes_nothing() {
    let database = TestDatabase::postgres().await;
    let role = format!("eraser_{}", std::process::id());
    let db = as_role(&database, &role).await;
    filled(&database).await;
    let grant = "GRANT ALL ON ALL TABLES IN SCHEMA public TO";
    database.run(&format!("{grant} {role}; GRANT USAGE ON SCHEMA public TO {role}")).await;
    for (step, expected) in [
        // Owner of some tables only.
        (format!("ALTER TABLE books OWNER TO {role}"), "must be owner"),
        (format!("ALTER TABLE shelves OWNER TO {role}"), "must be owner"),
        // May drop everything, and create nothing.
        (format!("ALTER TABLE bookshelf_migrations OWNER TO {role}"), "permission denied"),
        // May not delete from the table that it shares with other programs.
        (
            format!("GRANT CREATE ON SCHEMA public TO {role}; REVOKE DELETE ON seaql_migrations FROM {role}"),
            "permission denied for table seaql_migrations",
        ),
    ] {
        database.run(&step).await;
        let error = assert_refused(&bookshelf::migrator(), &db, &database).await;
        assert!(error.to_string().contains(expected), "{step}: {error}");
    }
    database.run(&format!("GRANT DELETE ON seaql_migrations TO {role}")).await;
    bookshelf::migrator().fresh(&db, &erasing()).await.unwrap();
    db.close().await.unwrap();
    database.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

fn with_function() -> Sql {
    sql(
        "m1",
        &[
            "CREATE TABLE a (id integer)",
            "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
            "CREATE TRIGGER touched BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION touch()",
        ],
        &["DROP TABLE a", "DROP FUNCTION touch()"],
    )
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn fresh_drops_functions_also_for_a_role_that_may_not_create_schemas() {
    let database = TestDatabase::postgres().await;
    let role = format!("owner_of_functions_{}", std::process::id());
    let db = as_role(&database, &role).await;
    database.run(&format!("GRANT ALL ON SCHEMA public TO {role}")).await;
    let all = migrator(&[&with_function()]);
    all.up(&db, &Options::default()).await.unwrap();
    all.fresh(&db, &erasing()).await.unwrap();
    db.execute_unprepared("INSERT INTO a VALUES (1)").await.unwrap();

    database.run("CREATE TABLE b (id integer)").await;
    database.run("CREATE TRIGGER borrowed BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION touch()").await;
    let error = all.fresh(&db, &erasing()).await.unwrap_err();
    let text = migration_kit::cli::Failure::from(error).to_string();
    assert!(text.contains("trigger borrowed on table b depends on function touch()"), "{text}");
    assert_eq!(database.number("SELECT count(*) FROM a").await, 1);
    db.close().await.unwrap();
    database.run(&format!("DROP TABLE b; DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn what_fails_outside_the_transaction_is_reported_as_erased() {
    for database in TestDatabase::on_each_engine().await {
        let first = sql("m1", &["CREATE TABLE a (id integer)"], &["DROP TABLE a"]);
        let index = match database.engine {
            Engine::Postgres => "CREATE INDEX CONCURRENTLY a_id ON a (id)",
            Engine::Sqlite => "CREATE INDEX a_id ON a (id)",
        };
        let mut outside = sql("m2", &[index], &["DROP INDEX a_id"]);
        outside.transaction = Some(false);
        let all = migrator(&[&first, &outside]);
        all.up(&database.db, &Options::default()).await.unwrap();
        database.run("INSERT INTO a VALUES (1)").await;

        let rehearsal = all.fresh(&database.db, &Options { rehearse: true, ..erasing() }).await.unwrap();
        assert!(rehearsal.notices[0].contains("m2 runs outside a transaction"), "{rehearsal:?}");
        assert_eq!(database.number("SELECT count(*) FROM a").await, 1);
        all.fresh(&database.db, &erasing()).await.unwrap();
        assert_eq!(database.number("SELECT count(*) FROM a").await, 0);

        // The name of the index is taken by a table, which is no obstacle for a scratch schema.
        database.run("DROP INDEX a_id").await;
        database.run("CREATE TABLE a_id (id integer)").await;
        let error = all.fresh(&database.db, &erasing()).await.unwrap_err().to_string();
        assert!(error.starts_with("the tables were erased and created again, and then m2"), "{error}");
        assert!(!error.contains("rolled back;") && error.contains("`repair`"), "{error}");
    }
}

#[tokio::test]
async fn a_newer_database_is_not_erased() {
    for database in TestDatabase::on_each_engine().await {
        filled(&database).await;
        let mut old = bookshelf::migrator();
        old.migrations.pop();
        let error = assert_refused(&old, &database.db, &database).await;
        assert!(matches!(error, Error::Newer { .. }), "{error}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn reset_changes_everything_or_nothing() {
    let database = TestDatabase::postgres().await;
    let role = format!("resetter_{}", std::process::id());
    let db = as_role(&database, &role).await;
    filled(&database).await;
    // The role may revert every migration, and may not drop the records.
    database
        .run(&format!(
            "GRANT ALL ON SCHEMA public TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; \
             ALTER TABLE books OWNER TO {role}; ALTER TABLE shelves OWNER TO {role}"
        ))
        .await;
    let error = bookshelf::migrator().reset(&db, &erasing()).await.unwrap_err();
    assert!(error.to_string().contains("must be owner of table bookshelf_migrations"), "{error}");
    assert_eq!(database.number("SELECT count(*) FROM books").await, 1);

    database.run(&format!("ALTER TABLE bookshelf_migrations OWNER TO {role}")).await;
    let rehearsal = Options { rehearse: true, ..erasing() };
    bookshelf::migrator().reset(&db, &rehearsal).await.unwrap();
    assert_eq!(database.number("SELECT count(*) FROM books").await, 1);
    database.run("CREATE VIEW titles AS SELECT title FROM books").await;
    let error = bookshelf::migrator().reset(&db, &rehearsal).await.unwrap_err();
    let text = migration_kit::cli::Failure::from(error).to_string();
    assert!(text.contains("view titles depends on table books"), "{text}");
    database.run("DROP VIEW titles").await;
    assert_eq!(bookshelf::migrator().reset(&db, &erasing()).await.unwrap().applied.len(), 3);
    db.close().await.unwrap();
    database.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}
