//! Notifies listening servers of the articles that a statement changes, in its transaction and for every
//! client. Only PostgreSQL has notifications; on SQLite servers poll the data version.
//!
//! The names are constants of [`notify`](crate::notify), which a test compares with the database.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use super::run_on;
use migration_kit::{Attributes, Migration};

#[derive(DeriveMigrationName)]
pub(crate) struct ArticlesNotify;

impl Migration for ArticlesNotify {
    fn attributes(&self) -> Attributes {
        Attributes::ADDITIVE
    }
}

/// The payload of a notification has at most 8,000 bytes. A hundred ids fit; for more, the payload is `all`.
const UP: &[&str] = &[
    r"CREATE FUNCTION byline_articles_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    touched text;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        touched := 'all';
    ELSE
        SELECT CASE WHEN count(*) > 100 THEN 'all' ELSE 'ids ' || string_agg(id::text, ',') END INTO touched FROM changed;
    END IF;
    IF touched IS NOT NULL THEN
        PERFORM pg_notify('byline_articles', touched);
    END IF;
    RETURN NULL;
END
$$",
    "CREATE TRIGGER articles_inserted AFTER INSERT ON articles REFERENCING NEW TABLE AS changed \
     FOR EACH STATEMENT EXECUTE FUNCTION byline_articles_changed()",
    "CREATE TRIGGER articles_updated AFTER UPDATE ON articles REFERENCING NEW TABLE AS changed \
     FOR EACH STATEMENT EXECUTE FUNCTION byline_articles_changed()",
    "CREATE TRIGGER articles_deleted AFTER DELETE ON articles REFERENCING OLD TABLE AS changed \
     FOR EACH STATEMENT EXECUTE FUNCTION byline_articles_changed()",
    "CREATE TRIGGER articles_truncated AFTER TRUNCATE ON articles \
     FOR EACH STATEMENT EXECUTE FUNCTION byline_articles_changed()",
];

const DOWN: &[&str] = &[
    "DROP TRIGGER articles_truncated ON articles",
    "DROP TRIGGER articles_deleted ON articles",
    "DROP TRIGGER articles_updated ON articles",
    "DROP TRIGGER articles_inserted ON articles",
    "DROP FUNCTION byline_articles_changed()",
];

#[async_trait::async_trait]
impl MigrationTrait for ArticlesNotify {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_on(DbBackend::Postgres, manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_on(DbBackend::Postgres, manager, DOWN).await
    }
}
