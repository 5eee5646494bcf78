//! Sessions: one for each sign-in, until it ends or expires.

use sea_orm::entity::prelude::*;

use crate::StoredTime;

/// One session. Its row is deleted when it ends, so a session that exists is valid.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    /// 128 random bits in lower-case hexadecimal. Random, so that a restored backup does not assign the id of
    /// a lost session again.
    #[sea_orm(primary_key, auto_increment = false, column_type = "String(StringLen::N(32))")]
    pub id: String,
    /// The account.
    #[sea_orm(indexed)]
    pub user_id: i32,
    /// SHA-256 of the current refresh token, in lower-case hexadecimal.
    #[sea_orm(column_type = "String(StringLen::N(64))")]
    pub refresh_hash: String,
    /// The same of the refresh token before it.
    #[sea_orm(column_type = "String(StringLen::N(64))", nullable)]
    pub previous_hash: Option<String>,
    /// The header `User-Agent` at sign-in, cut to 200 code points.
    #[sea_orm(column_type = "String(StringLen::N(200))", nullable)]
    pub device: Option<String>,
    /// The IP address of the client at sign-in or at the latest refresh.
    #[sea_orm(column_type = "String(StringLen::N(45))")]
    pub address: String,
    /// When the user signed in.
    pub created_at: StoredTime,
    /// When the user signed in or, later, when the refresh token was last rotated.
    pub last_used_at: StoredTime,
    /// When the current refresh token expires.
    pub refresh_expires_at: StoredTime,
    /// When the row can be deleted: the refresh token and every access token have expired.
    #[sea_orm(indexed)]
    pub expires_at: StoredTime,
    /// The account. Deleting it ends its sessions.
    #[sea_orm(belongs_to, from = "user_id", to = "id", on_delete = "Cascade")]
    pub user: BelongsTo<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
