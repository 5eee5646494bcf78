//! Notifies listening servers when a user's name changes: articles contain it and can be listed by it. Only
//! PostgreSQL has notifications; on SQLite servers poll the data version.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use super::run_on;
use migration_kit::{Attributes, Migration};

#[derive(DeriveMigrationName)]
pub(crate) struct UsersNotify;

impl Migration for UsersNotify {
    fn attributes(&self) -> Attributes {
        Attributes::ADDITIVE
    }
}

/// Names change rarely, so the payload is always `all`. The trigger is for each row because only a row
/// trigger can compare the old name with the new one. PostgreSQL sends equal notifications of a transaction
/// once.
const UP: &[&str] = &[
    r"CREATE OR REPLACE FUNCTION byline_users_renamed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('byline_articles', 'all');
    RETURN NULL;
END
$$",
    "CREATE OR REPLACE TRIGGER users_renamed AFTER UPDATE ON users FOR EACH ROW \
     WHEN (NEW.username IS DISTINCT FROM OLD.username) EXECUTE FUNCTION byline_users_renamed()",
];

const DOWN: &[&str] = &["DROP TRIGGER users_renamed ON users", "DROP FUNCTION byline_users_renamed()"];

#[async_trait::async_trait]
impl MigrationTrait for UsersNotify {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_on(DbBackend::Postgres, manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_on(DbBackend::Postgres, manager, DOWN).await
    }
}
