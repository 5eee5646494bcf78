//! Personal access tokens: credentials for scripts, with scopes and an end.

use sea_orm::entity::prelude::*;

use crate::StoredTime;

/// One personal access token. Its row is deleted when it is revoked.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "personal_tokens")]
pub struct Model {
    /// Serial, 32 bits, never reused.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// The account that the token acts for.
    #[sea_orm(indexed)]
    pub user_id: i32,
    /// What its owner calls it.
    #[sea_orm(column_type = "String(StringLen::N(100))")]
    pub name: String,
    /// SHA-256 of the token, in lower-case hexadecimal.
    #[sea_orm(unique, column_type = "String(StringLen::N(64))")]
    pub hash: String,
    /// The scopes, separated by spaces.
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub scopes: String,
    /// When the token was created.
    pub created_at: StoredTime,
    /// When the token expires.
    pub expires_at: StoredTime,
    /// When the token was last used, to the minute; null before its first use.
    pub last_used_at: Option<StoredTime>,
    /// The account. Deleting it revokes its tokens.
    #[sea_orm(belongs_to, from = "user_id", to = "id", on_delete = "Cascade")]
    pub user: BelongsTo<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
