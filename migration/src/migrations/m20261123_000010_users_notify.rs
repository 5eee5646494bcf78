//! Tells every listening server that a user has another name: articles are shown with it and listed by it. Only PostgreSQL has
//! listeners; SQLite's readers ask for the data version.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use super::run_on;
use crate::kit::{Marks, Migration};

#[derive(DeriveMigrationName)]
pub(crate) struct UsersNotify;

impl Migration for UsersNotify {
    fn marks(&self) -> Marks {
        Marks::ADDITIVE
    }
}

/// Names change seldom, so all that is kept may go for one. For each row, as only rows can be asked whether the name differs;
/// equal notifications of one transaction are sent once.
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
