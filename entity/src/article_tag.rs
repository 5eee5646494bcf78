//! Which article has which tags.

use sea_orm::entity::prelude::*;

/// One tag of one article.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "article_tags")]
pub struct Model {
    /// The article.
    #[sea_orm(primary_key, auto_increment = false)]
    pub article_id: i32,
    /// The tag.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tag_id: i32,
    /// The position of the tag in the article's list, from 0.
    pub position: i32,
    /// The article. Deleting it deletes these rows.
    #[sea_orm(belongs_to, from = "article_id", to = "id", on_delete = "Cascade")]
    pub article: BelongsTo<super::article::Entity>,
    /// The tag. It cannot be deleted while an article has it.
    #[sea_orm(belongs_to, from = "tag_id", to = "id")]
    pub tag: BelongsTo<super::tag::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
