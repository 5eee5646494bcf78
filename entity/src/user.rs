//! Accounts.

use sea_orm::entity::prelude::*;

use crate::StoredTime;

/// One account.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// Serial, 32 bits, never reused.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// The address as entered at registration.
    #[sea_orm(unique, column_type = "String(StringLen::N(255))")]
    pub email: String,
    /// The name to sign in with; case-sensitive.
    #[sea_orm(unique, column_type = "String(StringLen::N(50))")]
    pub username: String,
    /// A bcrypt hash (`$2$`, `$2a$`, `$2b$`, `$2y$`).
    #[sea_orm(column_type = "String(StringLen::N(255))")]
    pub hashed_password: String,
    /// When the account was created.
    pub created_at: StoredTime,
    /// When the account last changed.
    pub updated_at: StoredTime,
    /// `email` in ASCII lower case; makes addresses unique regardless of case. Null for accounts of an
    /// adopted database whose address differs from that of an older account only by case. Such accounts stay
    /// usable, but no further account with this address can be created.
    #[sea_orm(unique, column_type = "String(StringLen::N(255))", nullable)]
    pub email_key: Option<String>,
    /// The articles of this account.
    #[sea_orm(has_many)]
    pub articles: HasMany<super::article::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The `email_key` of an address.
pub fn email_key(email: &str) -> String {
    email.to_ascii_lowercase()
}
