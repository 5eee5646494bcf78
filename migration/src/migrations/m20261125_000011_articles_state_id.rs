//! A random id of an article's state, renewed with every change, whichever client makes it. A version is only
//! a counter, which another database, or a restored backup that is edited again, repeats for other content.
//! Version and state id together make entity tags.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use super::run_on;
use migration_kit::{Attributes, Migration};

#[derive(DeriveMigrationName)]
pub(crate) struct ArticlesStateId;

impl Migration for ArticlesStateId {
    fn attributes(&self) -> Attributes {
        Attributes::ADDITIVE
    }
}

/// A column with a random default would rewrite the table under an exclusive lock. So the rows that exist
/// share one random value, which PostgreSQL stores in its catalogue: their versions differ already from all
/// their own later states, and the value differs from that of every other database. `uuid_hash_extended`
/// turns 122 random bits into 64.
const POSTGRES: &[&str] = &[
    r"DO $$
BEGIN
    EXECUTE format('ALTER TABLE articles ADD COLUMN state_id bigint NOT NULL DEFAULT %L', uuid_hash_extended(gen_random_uuid(), 0));
END
$$",
    "ALTER TABLE articles ALTER COLUMN state_id SET DEFAULT uuid_hash_extended(gen_random_uuid(), 0)",
    r"CREATE OR REPLACE FUNCTION byline_articles_version_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := greatest(NEW.version, OLD.version + 1);
    NEW.state_id := uuid_hash_extended(gen_random_uuid(), 0);
    RETURN NEW;
END
$$",
    "CREATE OR REPLACE TRIGGER articles_version_grows BEFORE UPDATE ON articles FOR EACH ROW \
     WHEN ((NEW.version <= OLD.version OR NEW.state_id = OLD.state_id) AND NEW *<> OLD) \
     EXECUTE FUNCTION byline_articles_version_grows()",
];

/// A column that SQLite adds cannot have a random default, so 0 means that the row was inserted without a
/// state id. Every change raises the version, by its statement or by `articles_version_grows`, so the state
/// id follows the version and the columns need not be listed again.
const SQLITE: &[&str] = &[
    "ALTER TABLE articles ADD COLUMN state_id integer NOT NULL DEFAULT 0",
    "UPDATE articles SET state_id = random()",
    "CREATE TRIGGER articles_state_id_set AFTER INSERT ON articles FOR EACH ROW WHEN NEW.state_id = 0 \
     BEGIN UPDATE articles SET state_id = random() WHERE id = NEW.id; END",
    "CREATE TRIGGER articles_state_id_renewed AFTER UPDATE OF version ON articles FOR EACH ROW \
     WHEN NEW.version <> OLD.version AND NEW.state_id = OLD.state_id \
     BEGIN UPDATE articles SET state_id = random() WHERE id = NEW.id; END",
];

/// The function and the trigger are those of `articles_version_grows`. They must not name the column when it
/// is dropped.
const POSTGRES_DOWN: &[&str] = &[
    "CREATE OR REPLACE TRIGGER articles_version_grows BEFORE UPDATE ON articles FOR EACH ROW \
     WHEN (NEW.version <= OLD.version AND NEW *<> OLD) EXECUTE FUNCTION byline_articles_version_grows()",
    r"CREATE OR REPLACE FUNCTION byline_articles_version_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$$",
    "ALTER TABLE articles DROP COLUMN state_id",
];

const SQLITE_DOWN: &[&str] = &[
    "DROP TRIGGER articles_state_id_renewed",
    "DROP TRIGGER articles_state_id_set",
    "ALTER TABLE articles DROP COLUMN state_id",
];

#[async_trait::async_trait]
impl MigrationTrait for ArticlesStateId {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_on(DbBackend::Postgres, manager, POSTGRES).await?;
        run_on(DbBackend::Sqlite, manager, SQLITE).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_on(DbBackend::Postgres, manager, POSTGRES_DOWN).await?;
        run_on(DbBackend::Sqlite, manager, SQLITE_DOWN).await
    }
}
