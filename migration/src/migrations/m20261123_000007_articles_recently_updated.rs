//! Indexes for lists ordered by the last change: of all articles, of published ones, and of one author's.

use sea_orm_migration::prelude::*;

use migration_kit::{Attributes, Migration, lint};

#[derive(DeriveMigrationName)]
pub(crate) struct ArticlesRecentlyUpdated;

const ALL: &str = "articles_updated_at_id_idx";
const PUBLISHED: &str = "articles_published_updated_at_id_idx";
const BY_AUTHOR: &str = "articles_author_id_updated_at_id_idx";

impl Migration for ArticlesRecentlyUpdated {
    fn attributes(&self) -> Attributes {
        // A blog's articles are indexed in moments; CONCURRENTLY would cost the run its single transaction.
        Attributes { accepts: &[lint::BLOCKING_INDEX], ..Attributes::ADDITIVE }
    }
}

fn ordered(name: &str, mut index: IndexCreateStatement) -> IndexCreateStatement {
    let (updated, id) = (("updated_at", IndexOrder::Desc), ("id", IndexOrder::Desc));
    index.name(name).table("articles").col(updated).col(id).take()
}

#[async_trait::async_trait]
impl MigrationTrait for ArticlesRecentlyUpdated {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let published = Index::create().and_where(Expr::col("published")).take();
        manager.create_index(ordered(ALL, Index::create())).await?;
        manager.create_index(ordered(PUBLISHED, published)).await?;
        manager.create_index(ordered(BY_AUTHOR, Index::create().col("author_id").take())).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in [BY_AUTHOR, PUBLISHED, ALL] {
            manager.drop_index(Index::drop().name(name).table("articles").to_owned()).await?;
        }
        Ok(())
    }
}
