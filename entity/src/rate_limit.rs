//! Counters of requests and of failures that are limited, shared by all servers.

use sea_orm::entity::prelude::*;

use crate::StoredTime;

/// One counter.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rate_limits")]
pub struct Model {
    /// What is counted: SHA-256 of the rule and its subject, in lower-case hexadecimal. Hashed, because people type
    /// passwords into fields for names.
    #[sea_orm(primary_key, auto_increment = false, column_type = "String(StringLen::N(64))")]
    pub key: String,
    /// The number of events since the counter started.
    pub count: i32,
    /// When the counter starts again from zero, and its row can be deleted.
    #[sea_orm(indexed)]
    pub expires_at: StoredTime,
}

impl ActiveModelBehavior for ActiveModel {}
