//! The queue of e-mail. A message is written in the transaction of its cause and sent later.

use sea_orm::entity::prelude::*;

use crate::StoredTime;

/// One message that was not delivered yet. The row of a delivered message is deleted.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mail_queue")]
pub struct Model {
    /// Serial, never reused. Part of the message's `Message-ID`.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The template.
    #[sea_orm(column_type = "String(StringLen::N(40))")]
    pub kind: String,
    /// The address to send it to.
    #[sea_orm(column_type = "String(StringLen::N(255))")]
    pub recipient: String,
    /// The values of the template, a JSON object without secrets.
    #[sea_orm(column_type = "Text")]
    pub parameters: String,
    /// When the message was queued.
    pub created_at: StoredTime,
    /// The number of attempts to send it.
    #[sea_orm(default_value = 0)]
    pub attempts: i32,
    /// When the next attempt is due. A server that sends the message moves it into the future, so that no other
    /// server sends it at the same time.
    #[sea_orm(indexed)]
    pub next_attempt_at: StoredTime,
    /// When the server gave up; null while it still tries.
    pub failed_at: Option<StoredTime>,
    /// The reason for the latest failure.
    #[sea_orm(column_type = "String(StringLen::N(500))", nullable)]
    pub last_error: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
