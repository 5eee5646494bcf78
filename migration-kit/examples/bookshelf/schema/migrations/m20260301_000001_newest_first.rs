//! An index for the list of the newest books.

use migration_kit::{Attributes, Migration, lint};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct NewestFirst;

impl Migration for NewestFirst {
    fn attributes(&self) -> Attributes {
        // The table is small, so building the index blocks writes for a moment only.
        Attributes { accepts: &[lint::BLOCKING_INDEX], ..Attributes::ADDITIVE }
    }
}

#[async_trait::async_trait]
impl MigrationTrait for NewestFirst {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::create()
            .name("books_newest_first")
            .table("books")
            .col(("year", IndexOrder::Desc))
            .col(("id", IndexOrder::Desc))
            .take();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name("books_newest_first").table("books").to_owned()).await
    }
}
