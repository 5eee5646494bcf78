//! Fills `email_key` of accounts that other programs write (the FastAPI blog, an import). Byline writes the key
//! itself. If another account has the key, it stays NULL, as in 000002, so that no such write fails; a generated
//! column could not do that. Two such accounts that are inserted at the same moment can still collide.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use super::run_on;
use migration_kit::{Attributes, Migration};

#[derive(DeriveMigrationName)]
pub(crate) struct UsersEmailKeyFills;

impl Migration for UsersEmailKeyFills {
    fn attributes(&self) -> Attributes {
        Attributes::ADDITIVE
    }
}

/// The function names the table with its schema, because the writing session may have another search path. The
/// UPDATE trigger fires if a statement sets the address and not the key; `SET email = email` fills a key that
/// has become free.
const POSTGRES: &[&str] = &[
    r#"CREATE OR REPLACE FUNCTION byline_users_email_key() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    taken boolean;
BEGIN
    NEW.email_key := lower(NEW.email COLLATE "C");
    EXECUTE format('SELECT EXISTS (SELECT FROM %I.%I WHERE email_key = $1 AND id <> $2)', TG_TABLE_SCHEMA, TG_TABLE_NAME)
        INTO taken USING NEW.email_key, NEW.id;
    IF taken THEN
        NEW.email_key := NULL;
    END IF;
    RETURN NEW;
END
$$"#,
    "CREATE OR REPLACE TRIGGER users_email_key_inserted BEFORE INSERT ON users FOR EACH ROW \
     WHEN (NEW.email_key IS NULL) EXECUTE FUNCTION byline_users_email_key()",
    "CREATE OR REPLACE TRIGGER users_email_key_updated BEFORE UPDATE OF email, email_key ON users FOR EACH ROW \
     WHEN (NEW.email_key IS NULL OR NEW.email_key = OLD.email_key AND NEW.email <> OLD.email) \
     EXECUTE FUNCTION byline_users_email_key()",
    r#"UPDATE users SET email_key = lower(email COLLATE "C")
WHERE id IN (SELECT min(id) FROM users WHERE email_key IS NULL GROUP BY lower(email COLLATE "C"))
AND lower(email COLLATE "C") NOT IN (SELECT email_key FROM users WHERE email_key IS NOT NULL)"#,
];

/// With `recursive_triggers` on, the UPDATE trigger fires for its own UPDATE, which ends when it changes
/// nothing. RETURNING shows the row before the trigger.
const SQLITE: &[&str] = &[
    "DROP TRIGGER IF EXISTS users_email_key_inserted; \
     CREATE TRIGGER users_email_key_inserted AFTER INSERT ON users FOR EACH ROW WHEN NEW.email_key IS NULL \
     BEGIN UPDATE users SET email_key = lower(NEW.email) WHERE id = NEW.id \
     AND NOT EXISTS (SELECT 1 FROM users WHERE email_key = lower(NEW.email)); END",
    "DROP TRIGGER IF EXISTS users_email_key_updated; \
     CREATE TRIGGER users_email_key_updated AFTER UPDATE OF email, email_key ON users FOR EACH ROW \
     WHEN NEW.email_key IS NULL OR NEW.email_key = OLD.email_key AND NEW.email <> OLD.email \
     BEGIN UPDATE users SET email_key = CASE WHEN EXISTS \
     (SELECT 1 FROM users WHERE email_key = lower(NEW.email) AND id <> NEW.id) THEN NULL ELSE lower(NEW.email) END \
     WHERE id = NEW.id AND email_key IS NOT CASE WHEN EXISTS \
     (SELECT 1 FROM users WHERE email_key = lower(NEW.email) AND id <> NEW.id) THEN NULL ELSE lower(NEW.email) END; END",
    "UPDATE users SET email_key = lower(email) \
     WHERE id IN (SELECT min(id) FROM users WHERE email_key IS NULL GROUP BY lower(email)) \
     AND lower(email) NOT IN (SELECT email_key FROM users WHERE email_key IS NOT NULL)",
];

const POSTGRES_DOWN: &[&str] = &[
    "DROP TRIGGER users_email_key_updated ON users",
    "DROP TRIGGER users_email_key_inserted ON users",
    "DROP FUNCTION byline_users_email_key()",
];

const SQLITE_DOWN: &[&str] =
    &["DROP TRIGGER users_email_key_updated", "DROP TRIGGER users_email_key_inserted"];

#[async_trait::async_trait]
impl MigrationTrait for UsersEmailKeyFills {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_on(DbBackend::Postgres, manager, POSTGRES).await?;
        run_on(DbBackend::Sqlite, manager, SQLITE).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_on(DbBackend::Postgres, manager, POSTGRES_DOWN).await?;
        run_on(DbBackend::Sqlite, manager, SQLITE_DOWN).await
    }
}
