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
    /// Administrators see every draft, and manage accounts and articles.
    #[sea_orm(default_value = false)]
    pub is_admin: bool,
    /// False while the account is suspended.
    #[sea_orm(default_value = true)]
    pub is_active: bool,
    /// Whether the owner of the account has shown to receive mail at `email`. True for accounts that did not come
    /// from registration.
    #[sea_orm(default_value = true)]
    pub is_email_confirmed: bool,
    /// The name to show to readers; 1 to 100 code points.
    #[sea_orm(column_type = "String(StringLen::N(100))", nullable)]
    pub display_name: Option<String>,
    /// A text about the author; 1 to 1,000 code points.
    #[sea_orm(column_type = "String(StringLen::N(1000))", nullable)]
    pub bio: Option<String>,
    /// The URL of a picture; up to 2,000 code points.
    #[sea_orm(column_type = "String(StringLen::N(2000))", nullable)]
    pub image: Option<String>,
    /// When all sessions were last ended together. From then on, no access token without a session is accepted,
    /// such as those of the FastAPI blog.
    pub sessions_ended_at: Option<StoredTime>,
    /// The articles of this account.
    #[sea_orm(has_many)]
    pub articles: HasMany<super::article::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The `email_key` of an address.
pub fn email_key(email: &str) -> String {
    email.to_ascii_lowercase()
}
