//! Makes e-mail addresses unique regardless of case. An adopted database may have accounts whose addresses
//! differ only in case: the earliest of them gets the key, the others have NULL and continue to work.

use sea_orm_migration::prelude::*;

use migration_kit::{Attributes, Migration, lint};

#[derive(DeriveMigrationName)]
pub(crate) struct UsersEmailKey;

impl Migration for UsersEmailKey {
    fn attributes(&self) -> Attributes {
        // The UPDATE before the index gives no two rows the same value. Indexing a blog's tables takes a
        // moment, and CONCURRENTLY would prevent running everything in one transaction.
        Attributes { accepts: &[lint::ADD_UNIQUE, lint::BLOCKING_INDEX], ..Attributes::ADDITIVE }
    }
}

#[async_trait::async_trait]
impl MigrationTrait for UsersEmailKey {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .alter_table(
                Table::alter()
                    .table("users")
                    .add_column(ColumnDef::new("email_key").string_len(255).null())
                    .take(),
            )
            .await?;
        // ASCII only, as in the application: SQLite's lower() changes nothing else. PostgreSQL's does, unless
        // the collation is C.
        let key = match manager.get_database_backend() {
            sea_orm::DbBackend::Postgres => r#"lower("email" COLLATE "C")"#,
            _ => r#"lower("email")"#,
        };
        manager
            .get_connection()
            .execute_unprepared(&format!(
                r#"UPDATE "users" SET "email_key" = {key} WHERE "id" IN (SELECT min("id") FROM "users" GROUP BY {key})"#
            ))
            .await?;
        manager
            .create_index(
                Index::create().unique().name("users_email_key_key").table("users").col("email_key").take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name("users_email_key_key").table("users").to_owned()).await?;
        manager.alter_table(Table::alter().table("users").drop_column("email_key").take()).await
    }
}
