//! Articles. Each has one author and is a draft until it is published. `visibility` defines who may see
//! which.

use sea_orm::entity::prelude::*;

use crate::StoredTime;

/// One article.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "articles")]
pub struct Model {
    /// Serial, 32 bits, never reused.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// 1 to 200 code points.
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub title: String,
    /// At least 10 code points.
    #[sea_orm(column_type = "Text")]
    pub content: String,
    /// False while the article is a draft.
    pub published: bool,
    /// The author's account. Deleting the account deletes the article.
    pub author_id: i32,
    /// When the article was created; never changes.
    pub created_at: StoredTime,
    /// When the article last changed.
    pub updated_at: StoredTime,
    /// Increases with every change, including changes made in SQL. Entity tags and conditional writes are
    /// based on it.
    #[sea_orm(default_value = 1)]
    pub version: i32,
    /// The author's account.
    #[sea_orm(belongs_to, from = "author_id", to = "id", on_delete = "Cascade")]
    pub author: BelongsTo<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
