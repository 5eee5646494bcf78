//! A partial index for the public list, without drafts.

use sea_orm_migration::prelude::*;

use migration_kit::{Attributes, Migration, lint};

#[derive(DeriveMigrationName)]
pub(crate) struct ArticlesPublished;

impl Migration for ArticlesPublished {
    fn attributes(&self) -> Attributes {
        // Indexing a blog's articles takes a moment, and CONCURRENTLY would prevent running everything in one
        // transaction.
        Attributes { accepts: &[lint::BLOCKING_INDEX], ..Attributes::ADDITIVE }
    }
}

#[async_trait::async_trait]
impl MigrationTrait for ArticlesPublished {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_index(
                Index::create()
                    .name("articles_published_created_at_id_idx")
                    .table("articles")
                    .col(("created_at", IndexOrder::Desc))
                    .col(("id", IndexOrder::Desc))
                    .and_where(Expr::col("published"))
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_index(
                Index::drop().name("articles_published_created_at_id_idx").table("articles").to_owned(),
            )
            .await
    }
}
