//! The public list: published articles in its order, drafts left out of the index.

use sea_orm_migration::prelude::*;

use crate::kit::{Marks, Migration, lint};

#[derive(DeriveMigrationName)]
pub(crate) struct ArticlesPublished;

impl Migration for ArticlesPublished {
    fn marks(&self) -> Marks {
        // A blog's articles are indexed in moments; CONCURRENTLY would cost the run its single transaction.
        Marks { accepts: &[lint::BLOCKING_INDEX], ..Marks::ADDITIVE }
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
