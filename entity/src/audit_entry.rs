//! The log of administrative actions. Triggers refuse to change or delete its rows.

use sea_orm::entity::prelude::*;

use crate::StoredTime;

/// One action.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_log")]
pub struct Model {
    /// Serial, never reused.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// When it was done.
    pub created_at: StoredTime,
    /// The administrator's account; null for the command line. Not a foreign key: the entry outlives the account.
    pub actor_id: Option<i32>,
    /// The name of the administrator at that time; null for the command line.
    #[sea_orm(column_type = "String(StringLen::N(50))", nullable)]
    pub actor: Option<String>,
    /// What was done, such as `user.suspend`.
    #[sea_orm(column_type = "String(StringLen::N(40))")]
    pub action: String,
    /// The id of the account or of the article.
    pub target_id: Option<i32>,
    /// The name of the account or the title of the article at that time.
    #[sea_orm(column_type = "String(StringLen::N(200))", nullable)]
    pub target: Option<String>,
    /// The IP address of the client; null for the command line.
    #[sea_orm(column_type = "String(StringLen::N(45))", nullable)]
    pub address: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
