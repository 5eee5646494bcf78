//! The migrations, oldest first. Their SQL depends only on the engine, never on a database's contents.

mod m20261123_000001_blog_tables;
mod m20261123_000002_users_email_key;
mod m20261123_000003_articles_newest_first;
mod m20261123_000004_articles_by_author;
mod m20261123_000005_articles_published;
mod m20261123_000006_articles_version;
mod m20261123_000007_articles_recently_updated;
mod m20261123_000008_articles_notify;
mod m20261123_000009_articles_version_grows;
mod m20261123_000010_users_notify;
mod m20261125_000011_articles_state_id;
mod m20261125_000012_users_email_key_fills;
mod m20261125_000013_times_in_range;
mod m20261125_000014_triggers_always;
mod m20261125_000015_articles_by_author_and_state;
mod m20261125_000016_accounts;
mod m20261126_000017_publishing;

use sea_orm_migration::{
    SchemaManager,
    sea_orm::{ConnectionTrait as _, DbBackend, DbErr},
};

use migration_kit::Migration;

/// Runs statements on one engine; does nothing on the other.
async fn run_on(engine: DbBackend, manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    if manager.get_database_backend() == engine {
        for statement in statements {
            manager.get_connection().execute_unprepared(statement).await?;
        }
    }
    Ok(())
}

/// The columns of `articles` that the first migrations created and that raise the version.
const VERSIONED: [&str; 8] =
    ["id", "title", "content", "published", "author_id", "created_at", "updated_at", "version"];

/// Creates SQLite's trigger `articles_version_grows` again, for these columns in addition to [`VERSIONED`]. SQLite
/// cannot compare whole rows.
///
/// SQLite runs the trigger that was created last first. A time in another spelling must be rewritten before the
/// version is raised, or it is raised twice; so the trigger that does it is created again too. Dropping and
/// creating a trigger is one string, because another connection may have an older copy of the schema.
async fn count_changes_of(manager: &SchemaManager<'_>, columns: &[&str]) -> Result<(), DbErr> {
    let of = |row: &str| {
        let columns = VERSIONED.iter().chain(columns).map(|column| format!("{row}.{column}"));
        columns.collect::<Vec<_>>().join(", ")
    };
    let version = format!(
        "DROP TRIGGER IF EXISTS articles_version_grows; \
         CREATE TRIGGER articles_version_grows AFTER UPDATE ON articles FOR EACH ROW \
         WHEN NEW.version <= OLD.version AND ({}) IS NOT ({}) \
         BEGIN UPDATE articles SET version = OLD.version + 1 WHERE id = NEW.id; END",
        of("NEW"),
        of("OLD")
    );
    let [_, _, times] = m20261125_000013_times_in_range::sqlite("articles");
    run_on(DbBackend::Sqlite, manager, &[&version, &times]).await
}

/// All migrations. A released migration must not be edited.
pub(crate) fn all() -> Vec<Box<dyn Migration>> {
    vec![
        Box::new(m20261123_000001_blog_tables::BlogTables),
        Box::new(m20261123_000002_users_email_key::UsersEmailKey),
        Box::new(m20261123_000003_articles_newest_first::ArticlesNewestFirst),
        Box::new(m20261123_000004_articles_by_author::ArticlesByAuthor),
        Box::new(m20261123_000005_articles_published::ArticlesPublished),
        Box::new(m20261123_000006_articles_version::ArticlesVersion),
        Box::new(m20261123_000007_articles_recently_updated::ArticlesRecentlyUpdated),
        Box::new(m20261123_000008_articles_notify::ArticlesNotify),
        Box::new(m20261123_000009_articles_version_grows::ArticlesVersionGrows),
        Box::new(m20261123_000010_users_notify::UsersNotify),
        Box::new(m20261125_000011_articles_state_id::ArticlesStateId),
        Box::new(m20261125_000012_users_email_key_fills::UsersEmailKeyFills),
        Box::new(m20261125_000013_times_in_range::TimesInRange),
        Box::new(m20261125_000014_triggers_always::TriggersAlways),
        Box::new(m20261125_000015_articles_by_author_and_state::ArticlesByAuthorAndState),
        Box::new(m20261125_000016_accounts::Accounts),
        Box::new(m20261126_000017_publishing::Publishing),
    ]
}
