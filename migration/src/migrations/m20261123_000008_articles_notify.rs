//! Tells every listening server which articles a statement touched, in the transaction that touches them, whoever sends it. Only
//! PostgreSQL has listeners; SQLite's readers ask for the data version.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use super::run_on;
use crate::kit::{Marks, Migration};

#[derive(DeriveMigrationName)]
pub(crate) struct ArticlesNotify;

impl Migration for ArticlesNotify {
    fn marks(&self) -> Marks {
        Marks::ADDITIVE
    }
}

/// A notification holds 8,000 bytes at the most: a hundred ids fit, of more it says that anything may have changed.
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
