//! The names that PostgreSQL triggers and listening servers share.
//!
//! In the transaction of a write, a trigger sends a notification on [`CHANNEL`]. Its payload is `ids 1,2,3`
//! for at most 100 changed articles, or `all` if any article may have changed.

use std::collections::BTreeMap;

use migration_kit::{Direction, Engine, Error, render};

/// The channel on which writes are announced.
pub const CHANNEL: &str = "byline_articles";

/// The function of the triggers that announce writes to `articles`.
pub const ARTICLES_CHANGED: &str = "byline_articles_changed";

/// The function of the triggers that announce changes of a user's name and profile, which articles can show.
pub const USERS_RENAMED: &str = "byline_users_renamed";

/// The function of the trigger that increases `articles.version`.
pub const VERSION_GROWS: &str = "byline_articles_version_grows";

/// The function of the triggers that announce changes of the tags of articles.
pub const ARTICLE_TAGS_CHANGED: &str = "byline_article_tags_changed";

/// The function of the trigger that announces changes of a tag's name.
pub const TAGS_CHANGED: &str = "byline_tags_changed";

/// A trigger that a listening server relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The trigger's name.
    pub name: &'static str,
    /// The table that it is on.
    pub table: &'static str,
    /// The function that it calls.
    pub function: &'static str,
    /// Its definition, as `pg_get_triggerdef(oid, true)` prints it. PostgreSQL 15 to 18 print the same. The
    /// catalogue has no other form of the condition that could be compared. If a later version prints another
    /// text, servers run without the cache and say so.
    pub definition: &'static str,
}

/// All triggers that must be those of the migrations for a cached response to be correct: those that announce
/// writes, and the one of the versions that entity tags consist of.
pub const TRIGGERS: [Trigger; 12] = [
    Trigger {
        name: "articles_inserted",
        table: "articles",
        function: ARTICLES_CHANGED,
        definition: "CREATE TRIGGER articles_inserted AFTER INSERT ON articles REFERENCING NEW TABLE AS changed \
                     FOR EACH STATEMENT EXECUTE FUNCTION byline_articles_changed()",
    },
    Trigger {
        name: "articles_updated",
        table: "articles",
        function: ARTICLES_CHANGED,
        definition: "CREATE TRIGGER articles_updated AFTER UPDATE ON articles REFERENCING NEW TABLE AS changed \
                     FOR EACH STATEMENT EXECUTE FUNCTION byline_articles_changed()",
    },
    Trigger {
        name: "articles_deleted",
        table: "articles",
        function: ARTICLES_CHANGED,
        definition: "CREATE TRIGGER articles_deleted AFTER DELETE ON articles REFERENCING OLD TABLE AS changed \
                     FOR EACH STATEMENT EXECUTE FUNCTION byline_articles_changed()",
    },
    Trigger {
        name: "articles_truncated",
        table: "articles",
        function: ARTICLES_CHANGED,
        definition: "CREATE TRIGGER articles_truncated AFTER TRUNCATE ON articles \
                     FOR EACH STATEMENT EXECUTE FUNCTION byline_articles_changed()",
    },
    Trigger {
        name: "articles_version_grows",
        table: "articles",
        function: VERSION_GROWS,
        definition: "CREATE TRIGGER articles_version_grows BEFORE UPDATE ON articles FOR EACH ROW \
                     WHEN ((new.version <= old.version OR new.state_id = old.state_id) AND new.* *<> old.*) \
                     EXECUTE FUNCTION byline_articles_version_grows()",
    },
    Trigger {
        name: "users_renamed",
        table: "users",
        function: USERS_RENAMED,
        definition: "CREATE TRIGGER users_renamed AFTER UPDATE ON users FOR EACH ROW \
                     WHEN (new.username::text IS DISTINCT FROM old.username::text) \
                     EXECUTE FUNCTION byline_users_renamed()",
    },
    Trigger {
        name: "users_profile_changed",
        table: "users",
        function: USERS_RENAMED,
        definition: "CREATE TRIGGER users_profile_changed AFTER UPDATE ON users FOR EACH ROW \
                     WHEN (new.display_name::text IS DISTINCT FROM old.display_name::text \
                     OR new.bio::text IS DISTINCT FROM old.bio::text \
                     OR new.image::text IS DISTINCT FROM old.image::text) EXECUTE FUNCTION byline_users_renamed()",
    },
    Trigger {
        name: "article_tags_inserted",
        table: "article_tags",
        function: ARTICLE_TAGS_CHANGED,
        definition: "CREATE TRIGGER article_tags_inserted AFTER INSERT ON article_tags \
                     REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION byline_article_tags_changed()",
    },
    Trigger {
        name: "article_tags_updated",
        table: "article_tags",
        function: ARTICLE_TAGS_CHANGED,
        definition: "CREATE TRIGGER article_tags_updated AFTER UPDATE ON article_tags \
                     REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION byline_article_tags_changed()",
    },
    Trigger {
        name: "article_tags_deleted",
        table: "article_tags",
        function: ARTICLE_TAGS_CHANGED,
        definition: "CREATE TRIGGER article_tags_deleted AFTER DELETE ON article_tags \
                     REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION byline_article_tags_changed()",
    },
    Trigger {
        name: "article_tags_truncated",
        table: "article_tags",
        function: ARTICLE_TAGS_CHANGED,
        definition: "CREATE TRIGGER article_tags_truncated AFTER TRUNCATE ON article_tags \
                     FOR EACH STATEMENT EXECUTE FUNCTION byline_article_tags_changed()",
    },
    Trigger {
        name: "tags_changed",
        table: "tags",
        function: TAGS_CHANGED,
        definition: "CREATE TRIGGER tags_changed AFTER DELETE OR UPDATE ON tags FOR EACH ROW \
                     EXECUTE FUNCTION byline_tags_changed()",
    },
];

/// The source of each function that the migrations define on PostgreSQL, by name: the text between `$$`, which
/// `pg_proc.prosrc` contains.
///
/// # Errors
/// If a migration cannot be rendered.
pub async fn function_sources() -> Result<BTreeMap<String, String>, Error> {
    let mut sources = BTreeMap::new();
    for migration in crate::migrations::all() {
        for statement in render(migration.as_ref(), Engine::Postgres, Direction::Up).await? {
            let name = ["CREATE FUNCTION ", "CREATE OR REPLACE FUNCTION "]
                .iter()
                .find_map(|words| statement.strip_prefix(words)?.split_once('('));
            if let (Some((name, _)), Some(source)) = (name, statement.split("$$").nth(1)) {
                sources.insert(name.to_owned(), source.to_owned());
            }
        }
    }
    Ok(sources)
}
