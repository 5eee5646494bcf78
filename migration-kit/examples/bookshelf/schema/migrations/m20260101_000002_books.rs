//! The table of books.

use migration_kit::{Attributes, Migration};
use sea_orm_migration::{
    prelude::*,
    schema::{integer, pk_auto, text},
};

#[derive(DeriveMigrationName)]
pub(crate) struct Books;

impl Migration for Books {
    fn attributes(&self) -> Attributes {
        Attributes::ADDITIVE
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Books {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("books")
                    .col(pk_auto("id"))
                    .col(text("title"))
                    .col(integer("year"))
                    .col(integer("shelf_id"))
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk-books-shelf_id")
                            .from("books", "shelf_id")
                            .to("shelves", "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("books").take()).await
    }
}
