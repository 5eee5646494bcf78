//! One author's articles in the order of the list; it also serves the cascade when an author goes.

use sea_orm_migration::prelude::*;

use crate::kit::{Marks, Migration, lint};

#[derive(DeriveMigrationName)]
pub(crate) struct ArticlesByAuthor;

impl Migration for ArticlesByAuthor {
    fn marks(&self) -> Marks {
        // A blog's articles are indexed in moments; CONCURRENTLY would cost the run its single transaction.
        Marks { accepts: &[lint::BLOCKING_INDEX], ..Marks::ADDITIVE }
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
