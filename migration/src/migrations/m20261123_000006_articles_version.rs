//! A number that grows with every change of an article: what entity tags and conditional writes are made of. Rows that
//! the old blog writes start at 1 too.

use sea_orm_migration::prelude::*;

use crate::kit::{Marks, Migration};

#[derive(DeriveMigrationName)]
pub(crate) struct ArticlesVersion;

impl Migration for ArticlesVersion {
    fn marks(&self) -> Marks {
        Marks::ADDITIVE
    }
}

#[async_trait::async_trait]
impl MigrationTrait for ArticlesVersion {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let version = ColumnDef::new("version").integer().not_null().default(1).take();
        manager.alter_table(Table::alter().table("articles").add_column(version).take()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("articles").drop_column("version").take()).await
    }
}
