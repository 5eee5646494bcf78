//! Databases that another program made.

use migration_kit::{DatabaseState, Error, Options, catalogue::Schema};

use crate::support::{Place, all, connect};

async fn old_blog() -> Option<Place> {
    let mut place = Place::postgres().await?;
    place.run(include_str!("old_schema.sql")).await;
    place.run(include_str!("old_rows.sql")).await;
    // The dumps empty the search path of their connection.
    place.db = connect(&place.url).await;
    Some(place)
}

#[tokio::test]
async fn the_old_blog_is_adopted_and_nothing_of_it_changes() {
    let Some(place) = old_blog().await else { return };
    place.run("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY); INSERT INTO alembic_version VALUES ('abc')").await;
    place.run("CREATE INDEX by_title ON articles (title)").await;
    let users =
        "SELECT (id, email, username, hashed_password, created_at, updated_at)::text FROM users ORDER BY id";
    let articles = "SELECT (id, title, content, published, author_id, created_at, updated_at)::text FROM articles ORDER BY id";
    let before = (place.texts(users).await, place.texts(articles).await);
    assert!(matches!(migration::state(&place.db).await.unwrap(), DatabaseState::Unmanaged { .. }));

    let outcome = migration::up(&place.db).await.unwrap();

    assert_eq!(outcome.adopted, ["m20261123_000001_blog_tables"]);
    assert_eq!(outcome.applied.len(), all() - 1);
    assert!(outcome.notices.iter().any(|line| line.contains("by_title")), "{:?}", outcome.notices);
    assert!(
        outcome.notices.iter().any(|line| line.starts_with("4 drafts become hidden")),
        "{:?}",
        outcome.notices
    );
    assert_eq!((place.texts(users).await, place.texts(articles).await), before);
    assert_eq!(place.texts("SELECT version_num FROM alembic_version").await, ["abc"]);
    assert_eq!(place.texts("SELECT email_key FROM users ORDER BY id").await[2], "long+tag@example.com");
    let next = "INSERT INTO users (email, username, hashed_password) VALUES ('n@x.de', 'n', 'x') RETURNING id::bigint";
    assert_eq!(place.number(next).await, 4);
}

#[tokio::test]
async fn tables_that_do_not_fit_are_refused_and_left_alone() {
    for (change, told) in [
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
        let Some(place) = old_blog().await else { return };
        place.run(change).await;
        let before = Schema::load(&place.db).await.unwrap();
        let error = migration::up(&place.db).await.unwrap_err();
        assert!(matches!(error, Error::Mismatch { .. }), "{change}: {error}");
        assert!(error.to_string().contains(told), "{change}: {error}");
        assert_eq!(Schema::load(&place.db).await.unwrap(), before, "{change}");
    }
}

#[tokio::test]
async fn adopting_records_no_more_than_fits() {
    for place in Place::all().await {
        let kit = migration::migrator();
        kit.up(
            &place.db,
            &Options { to: Some("m20261123_000003_articles_newest_first"), ..Options::default() },
        )
        .await
        .unwrap();
        place.run("DROP TABLE byline_migrations").await;
        place.run("DROP TABLE seaql_migrations").await;

        let error =
            kit.adopt(&place.db, Some("m20261123_000005_articles_published"), &Options::default()).await;
        assert!(matches!(error.unwrap_err(), Error::Mismatch { .. }));
        let outcome = kit.adopt(&place.db, None, &Options::default()).await.unwrap();
        assert_eq!(outcome.adopted.len(), 3);
        assert!(matches!(
            kit.adopt(&place.db, None, &Options::default()).await.unwrap_err(),
            Error::AlreadyManaged { .. }
        ));
        assert_eq!(kit.up(&place.db, &Options::default()).await.unwrap().applied.len(), all() - 3);
    }
}

#[tokio::test]
async fn a_database_of_other_tables_gets_the_blogs_beside_them() {
    for place in Place::all().await {
        place.run("CREATE TABLE notes (id integer)").await;
        assert!(matches!(migration::state(&place.db).await.unwrap(), DatabaseState::Unmanaged { .. }));
        let outcome = migration::up(&place.db).await.unwrap();
        assert!(outcome.adopted.is_empty());
        assert_eq!(outcome.applied.len(), all());
        assert_eq!(place.number("SELECT count(*) FROM notes").await, 0);
    }
}
