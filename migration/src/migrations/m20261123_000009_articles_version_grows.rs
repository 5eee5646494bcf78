//! Makes the version increase with every change of an article, whichever client makes it. Byline increases
//! the version itself; for other clients (the FastAPI blog, manual SQL) the trigger does. So an entity tag
//! never names two states.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use super::run_on;
use migration_kit::{Attributes, Migration};

#[derive(DeriveMigrationName)]
pub(crate) struct ArticlesVersionGrows;

impl Migration for ArticlesVersionGrows {
    fn attributes(&self) -> Attributes {
        Attributes::ADDITIVE
    }
}

/// `*<>` compares rows byte by byte: it supports every type, and strings that a collation considers equal
/// still differ.
const POSTGRES: &[&str] = &[
    r"CREATE OR REPLACE FUNCTION byline_articles_version_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$$",
    "CREATE OR REPLACE TRIGGER articles_version_grows BEFORE UPDATE ON articles FOR EACH ROW \
     WHEN (NEW.version <= OLD.version AND NEW *<> OLD) EXECUTE FUNCTION byline_articles_version_grows()",
];

/// SQLite can't name a whole row, so the columns are listed. The trigger's own UPDATE increases the version
/// and therefore does not fire the trigger again, even if `recursive_triggers` is on. RETURNING shows the row
/// before the trigger.
const SQLITE: &[&str] = &[
    "DROP TRIGGER IF EXISTS articles_version_grows",
    "CREATE TRIGGER articles_version_grows AFTER UPDATE ON articles FOR EACH ROW \
     WHEN NEW.version <= OLD.version \
     AND (NEW.id, NEW.title, NEW.content, NEW.published, NEW.author_id, NEW.created_at, NEW.updated_at, NEW.version) \
     IS NOT (OLD.id, OLD.title, OLD.content, OLD.published, OLD.author_id, OLD.created_at, OLD.updated_at, OLD.version) \
     BEGIN UPDATE articles SET version = OLD.version + 1 WHERE id = NEW.id; END",
];

const POSTGRES_DOWN: &[&str] =
    &["DROP TRIGGER articles_version_grows ON articles", "DROP FUNCTION byline_articles_version_grows()"];

const SQLITE_DOWN: &[&str] = &["DROP TRIGGER articles_version_grows"];

#[async_trait::async_trait]
impl MigrationTrait for ArticlesVersionGrows {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_on(DbBackend::Postgres, manager, POSTGRES).await?;
        run_on(DbBackend::Sqlite, manager, SQLITE).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_on(DbBackend::Postgres, manager, POSTGRES_DOWN).await?;
        run_on(DbBackend::Sqlite, manager, SQLITE_DOWN).await
    }
}
