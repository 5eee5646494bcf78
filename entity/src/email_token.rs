//! Single-use links that were sent by e-mail: to reset a password, and to confirm an address.

use sea_orm::entity::prelude::*;

use crate::StoredTime;

/// One link. The secret in it is derived from `id` and the server's key, so no row reveals it. The row is
/// deleted when the link is used.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_tokens")]
pub struct Model {
    /// 128 random bits in lower-case hexadecimal.
    #[sea_orm(primary_key, auto_increment = false, column_type = "String(StringLen::N(32))")]
    pub id: String,
    /// The account.
    #[sea_orm(indexed)]
    pub user_id: i32,
    /// What the link does: `reset` or `confirm`.
    #[sea_orm(column_type = "String(StringLen::N(20))")]
    pub kind: String,
    /// The address that the link was sent to. `confirm` makes it the address of the account.
    #[sea_orm(column_type = "String(StringLen::N(255))")]
    pub email: String,
    /// When the link was created.
    pub created_at: StoredTime,
    /// When the link expires.
    #[sea_orm(indexed)]
    pub expires_at: StoredTime,
    /// The account. Deleting it deletes its links.
    #[sea_orm(belongs_to, from = "user_id", to = "id", on_delete = "Cascade")]
    pub user: BelongsTo<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
