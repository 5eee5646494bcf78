//! Partial indexes for the lists of one author's published articles and of their drafts, so that neither list
//! reads over the rows of the other.

use sea_orm_migration::prelude::*;

use migration_kit::{Attributes, Migration, lint};

#[derive(DeriveMigrationName)]
pub(crate) struct ArticlesByAuthorAndState;

impl Migration for ArticlesByAuthorAndState {
    fn attributes(&self) -> Attributes {
        // Indexing a blog's articles takes a moment, and CONCURRENTLY would prevent running everything in one
        // transaction.
        Attributes { accepts: &[lint::BLOCKING_INDEX], ..Attributes::ADDITIVE }
    }
}

const COLUMNS: [&str; 2] = ["created_at", "updated_at"];

#[async_trait::async_trait]
impl MigrationTrait for ArticlesByAuthorAndState {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in COLUMNS {
            for (state, condition) in
                [("published", Expr::col("published")), ("drafts", Expr::col("published").not())]
            {
                manager
                    .create_index(
                        Index::create()
                            .name(format!("articles_{state}_author_id_{column}_id_idx"))
                            .table("articles")
                            .col("author_id")
                            .col((column, IndexOrder::Desc))
                            .col(("id", IndexOrder::Desc))
                            .and_where(condition)
                            .take(),
                    )
                    .await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in COLUMNS {
            for state in ["published", "drafts"] {
                let name = format!("articles_{state}_author_id_{column}_id_idx");
                manager.drop_index(Index::drop().name(name).table("articles").to_owned()).await?;
            }
        }
        Ok(())
    }
}
