//! Former states of articles.

use sea_orm::entity::prelude::*;

use crate::StoredTime;

/// The state of an article before an edit.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "article_revisions")]
pub struct Model {
    /// Serial, never reused.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The article.
    pub article_id: i32,
    /// The number of the revision in its article, from 1.
    pub number: i32,
    /// The title.
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub title: String,
    /// The content.
    #[sea_orm(column_type = "Text")]
    pub content: String,
    /// The format of the content.
    #[sea_orm(column_type = "String(StringLen::N(8))")]
    pub format: String,
    /// The slug; null if the article had none.
    #[sea_orm(column_type = "String(StringLen::N(80))", nullable)]
    pub slug: Option<String>,
    /// The names of the tags in their order, a JSON array.
    #[sea_orm(column_type = "Text")]
    pub tags: String,
    /// Who made the edit that replaced this state; null once the account is deleted.
    #[sea_orm(indexed)]
    pub editor_id: Option<i32>,
    /// When that edit was made.
    pub created_at: StoredTime,
    /// The article. Deleting it deletes its revisions.
    #[sea_orm(belongs_to, from = "article_id", to = "id", on_delete = "Cascade")]
    pub article: BelongsTo<super::article::Entity>,
    /// The editor.
    #[sea_orm(belongs_to, from = "editor_id", to = "id", on_delete = "SetNull")]
    pub editor: BelongsTo<Option<super::user::Entity>>,
}

impl ActiveModelBehavior for ActiveModel {}
