//! The table of shelves.

use migration_kit::Migration;
use sea_orm_migration::{
    prelude::*,
    schema::{pk_auto, string_len_uniq},
};

#[derive(DeriveMigrationName)]
pub(crate) struct Shelves;

impl Migration for Shelves {}

#[async_trait::async_trait]
impl MigrationTrait for Shelves {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table =
            Table::create().table("shelves").col(pk_auto("id")).col(string_len_uniq("name", 50)).take();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("shelves").take()).await
    }
}
