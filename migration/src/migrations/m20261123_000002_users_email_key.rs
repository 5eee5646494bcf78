//! Addresses unique without case, in a way that twins of a database taken over can't break: the earliest account of
//! twins gets the key, later ones keep none and go on working.

use sea_orm_migration::prelude::*;

use crate::kit::{Marks, Migration, lint};

#[derive(DeriveMigrationName)]
pub(crate) struct UsersEmailKey;

impl Migration for UsersEmailKey {
    fn marks(&self) -> Marks {
        // The statement before fills the column so that no two rows share a value. A blog's tables are indexed in
        // moments; CONCURRENTLY would cost the run its single transaction.
        Marks { accepts: &[lint::ADD_UNIQUE, lint::BLOCKING_INDEX], ..Marks::ADDITIVE }
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
        // ASCII only, like the application: SQLite's lower() knows no more, PostgreSQL's does under any collation but C.
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
