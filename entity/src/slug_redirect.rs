//! Former slugs of published articles.

use sea_orm::entity::prelude::*;

use crate::StoredTime;

/// One former slug. It leads to its article while no published article has the slug.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "slug_redirects")]
pub struct Model {
    /// The slug.
    #[sea_orm(primary_key, auto_increment = false, column_type = "String(StringLen::N(80))")]
    pub slug: String,
    /// The article that had it last.
    #[sea_orm(indexed)]
    pub article_id: i32,
    /// When the article got another slug.
    pub created_at: StoredTime,
    /// The article. Deleting it deletes its former slugs.
    #[sea_orm(belongs_to, from = "article_id", to = "id", on_delete = "Cascade")]
    pub article: BelongsTo<super::article::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
