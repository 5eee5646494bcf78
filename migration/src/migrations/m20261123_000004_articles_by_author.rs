//! An index for the list of one author's articles, which also speeds up the cascade when an author is
//! deleted.

use sea_orm_migration::prelude::*;

use migration_kit::{Attributes, Migration, lint};

#[derive(DeriveMigrationName)]
pub(crate) struct ArticlesByAuthor;

impl Migration for ArticlesByAuthor {
    fn attributes(&self) -> Attributes {
        // Indexing a blog's articles takes a moment, and CONCURRENTLY would prevent running everything in one
        // transaction.
        Attributes { accepts: &[lint::BLOCKING_INDEX], ..Attributes::ADDITIVE }
    }
}

#[async_trait::async_trait]
impl MigrationTrait for ArticlesByAuthor {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_index(
                Index::create()
                    .name("articles_author_id_created_at_id_idx")
                    .table("articles")
                    .col("author_id")
                    .col(("created_at", IndexOrder::Desc))
                    .col(("id", IndexOrder::Desc))
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_index(
                Index::drop().name("articles_author_id_created_at_id_idx").table("articles").to_owned(),
            )
            .await
    }
}
