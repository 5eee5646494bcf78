//! A version that increases with every change of an article, for entity tags and conditional writes. The
//! default is for rows that the FastAPI blog inserts.

use sea_orm_migration::prelude::*;

use migration_kit::{Attributes, Migration};

#[derive(DeriveMigrationName)]
pub(crate) struct ArticlesVersion;

impl Migration for ArticlesVersion {
    fn attributes(&self) -> Attributes {
        Attributes::ADDITIVE
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
