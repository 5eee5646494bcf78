//! Adoption of databases that another program created.

use migration_kit::{DatabaseState, Error, Options, catalogue::Schema};

use crate::support::{TestDatabase, connect, migration_count, old_blog};
use sea_orm::ConnectionTrait;

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn the_old_blog_is_adopted_and_nothing_of_it_changes() {
    let database = old_blog().await;
    database.run("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY); INSERT INTO alembic_version VALUES ('abc')").await;
    database.run("CREATE INDEX by_title ON articles (title)").await;
    let users =
        "SELECT (id, email, username, hashed_password, created_at, updated_at)::text FROM users ORDER BY id";
    let articles = "SELECT (id, title, content, published, author_id, created_at, updated_at)::text FROM articles ORDER BY id";
    let before = (database.texts(users).await, database.texts(articles).await);
    assert!(matches!(migration::state(&database.db).await.unwrap(), DatabaseState::Unmanaged { .. }));

    let outcome = migration::up(&database.db).await.unwrap();

    assert_eq!(outcome.adopted, ["m20261123_000001_blog_tables"]);
    assert_eq!(outcome.applied.len(), migration_count() - 1);
    assert!(outcome.notices.iter().any(|line| line.contains("by_title")), "{:?}", outcome.notices);
    assert!(
        outcome.notices.iter().any(|line| line.starts_with("4 drafts become hidden")),
        "{:?}",
        outcome.notices
    );
    assert_eq!((database.texts(users).await, database.texts(articles).await), before);
    assert_eq!(database.texts("SELECT version_num FROM alembic_version").await, ["abc"]);
    assert_eq!(database.texts("SELECT email_key FROM users ORDER BY id").await[2], "long+tag@example.com");
    let next = "INSERT INTO users (email, username, hashed_password) VALUES ('n@x.de', 'n', 'x') RETURNING id::bigint";
    assert_eq!(database.number(next).await, 4);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn tables_that_do_not_match_are_refused_and_not_changed() {
    for (change, expected) in [
        ("ALTER TABLE users ALTER username TYPE varchar(60)", "users.username"),
        ("ALTER TABLE users ALTER email DROP NOT NULL", "users.email"),
        ("ALTER TABLE users DROP CONSTRAINT users_email_key", "users_email_key"),
        ("ALTER TABLE articles DROP CONSTRAINT articles_author_id_fkey", "articles_author_id_fkey"),
        ("ALTER TABLE articles ALTER published SET DEFAULT false", "articles.published"),
        ("ALTER TABLE articles ADD CHECK (length(title) < 300)", "articles_title_check"),
        ("ALTER TABLE articles ALTER id DROP DEFAULT", "articles.id"),
        ("ALTER TABLE users ADD website text", "users.website"),
        ("DROP TABLE articles", "table articles is missing"),
    ] {
        let database = old_blog().await;
        database.run(change).await;
        let before = Schema::load(&database.db).await.unwrap();
        let error = migration::up(&database.db).await.unwrap_err();
        assert!(matches!(error, Error::Mismatch { .. }), "{change}: {error}");
        assert!(error.to_string().contains(expected), "{change}: {error}");
        assert_eq!(Schema::load(&database.db).await.unwrap(), before, "{change}");
    }
}

#[tokio::test]
async fn adopting_records_only_migrations_that_match() {
    for database in TestDatabase::on_each_engine().await {
        let migrator = migration::migrator();
        migrator
            .up(
                &database.db,
                &Options { to: Some("m20261123_000003_articles_newest_first"), ..Options::default() },
            )
            .await
            .unwrap();
        database.run("DROP TABLE byline_migrations").await;
        database.run("DROP TABLE seaql_migrations").await;

        let error = migrator
            .adopt(&database.db, Some("m20261123_000005_articles_published"), &Options::default())
            .await;
        assert!(matches!(error.unwrap_err(), Error::Mismatch { .. }));
        let outcome = migrator.adopt(&database.db, None, &Options::default()).await.unwrap();
        assert_eq!(outcome.adopted.len(), 3);
        assert!(matches!(
            migrator.adopt(&database.db, None, &Options::default()).await.unwrap_err(),
            Error::AlreadyManaged { .. }
        ));
        assert_eq!(
            migrator.up(&database.db, &Options::default()).await.unwrap().applied.len(),
            migration_count() - 3
        );
    }
}

#[tokio::test]
async fn a_database_with_other_tables_gets_bylines_tables_in_addition() {
    for database in TestDatabase::on_each_engine().await {
        database.run("CREATE TABLE notes (id integer)").await;
        assert!(matches!(migration::state(&database.db).await.unwrap(), DatabaseState::Unmanaged { .. }));
        let outcome = migration::up(&database.db).await.unwrap();
        assert!(outcome.adopted.is_empty());
        assert_eq!(outcome.applied.len(), migration_count());
        assert_eq!(database.number("SELECT count(*) FROM notes").await, 0);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_role_that_may_not_create_schemas_can_compare_and_adopt() {
    let database = TestDatabase::postgres().await;
    let role = format!("owner_{}", std::process::id());
    database.run(&format!("CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA public TO {role}")).await;
    let sign = if database.url.contains('?') { '&' } else { '?' };
    let owner = connect(&format!("{}{sign}options=-c%20role%3D{role}", database.url)).await;
    let migrator = migration::migrator();
    migrator.up(&owner, &Options { to: Some("blog_tables"), ..Options::default() }).await.unwrap();
    owner.execute_unprepared("DROP TABLE byline_migrations, seaql_migrations").await.unwrap();

    assert_eq!(
        migrator.up(&owner, &Options::default()).await.unwrap().adopted,
        ["m20261123_000001_blog_tables"]
    );
    let check = migrator.check(&owner).await.unwrap();
    assert!(check.passed(), "{check:#?}");
    assert_eq!(
        database.texts("SELECT tableowner::text FROM pg_tables WHERE tablename = 'users'").await,
        [role.as_str()]
    );
    owner.close().await.unwrap();
    database.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}
