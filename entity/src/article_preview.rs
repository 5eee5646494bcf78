//! Links that show one draft without signing in.

use sea_orm::entity::prelude::*;

use crate::StoredTime;

/// One link. The secret in it is derived from `id` and the server's key, so no row reveals it. The row is deleted
/// when the link is revoked.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "article_previews")]
pub struct Model {
    /// 128 random bits in lower-case hexadecimal.
    #[sea_orm(primary_key, auto_increment = false, column_type = "String(StringLen::N(32))")]
    pub id: String,
    /// The article.
    #[sea_orm(indexed)]
    pub article_id: i32,
    /// The account that created the link.
    #[sea_orm(indexed)]
    pub creator_id: i32,
    /// When the link was created.
    pub created_at: StoredTime,
    /// When the link expires.
    #[sea_orm(indexed)]
    pub expires_at: StoredTime,
    /// The article. Deleting it deletes its links.
    #[sea_orm(belongs_to, from = "article_id", to = "id", on_delete = "Cascade")]
    pub article: BelongsTo<super::article::Entity>,
    /// The account. Deleting it deletes its links.
    #[sea_orm(belongs_to, from = "creator_id", to = "id", on_delete = "Cascade")]
    pub creator: BelongsTo<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
