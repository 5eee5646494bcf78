//! The log of administrative actions. Each entry is written in the transaction of its action, and triggers refuse
//! to change or delete entries.

use chrono::{DateTime, Utc};
use entity::audit_entry;
use sea_orm::{ActiveValue::NotSet, ConnectionTrait, DbErr, EntityTrait as _, Set};

use super::schemas::{LogList, LogResponse};
use crate::{
    accounts::CurrentUser,
    db::Transaction,
    http::{
        client_address::ClientAddress, error::Result, id_paging::IdPage, paging::Neighbours, request::UserId,
        timestamp::Timestamp,
    },
};

/// Who performs an action.
#[derive(Clone, Debug)]
pub enum Actor {
    /// An administrator, over the API.
    Administrator {
        /// The account.
        id: UserId,
        /// Its name.
        name: String,
        /// The client that sent the request.
        address: ClientAddress,
    },
    /// The operator, on the command line.
    CommandLine,
}

impl Actor {
    /// The account that sent a request.
    pub fn of(user: &CurrentUser, address: ClientAddress) -> Self {
        Self::Administrator { id: user.id(), name: user.username().to_owned(), address }
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// An account was created by the operator.
    UserCreate,
    /// An account became an administrator.
    UserPromote,
    /// An account is no longer an administrator.
    UserDemote,
    /// An account was suspended, or its articles were hidden later.
    UserSuspend,
    /// The suspension of an account ended.
    UserReinstate,
    /// An account was deleted with its articles.
    UserDelete,
    /// The operator set the password of an account.
    UserSetPassword,
    /// The operator ended the sessions of an account.
    UserEndSessions,
    /// An administrator changed the article of another author.
    ArticleUpdate,
    /// An administrator deleted the article of another author.
    ArticleDelete,
    /// An administrator gave a tag another name.
    TagRename,
    /// An administrator merged a tag with another one.
    TagMerge,
}

impl Action {
    /// The name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserCreate => "user.create",
            Self::UserPromote => "user.promote",
            Self::UserDemote => "user.demote",
            Self::UserSuspend => "user.suspend",
            Self::UserReinstate => "user.reinstate",
            Self::UserDelete => "user.delete",
            Self::UserSetPassword => "user.set_password",
            Self::UserEndSessions => "user.end_sessions",
            Self::ArticleUpdate => "article.update",
            Self::ArticleDelete => "article.delete",
            Self::TagRename => "tag.rename",
            Self::TagMerge => "tag.merge",
        }
    }
}

/// The account or the article that an action concerns.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its id.
    pub id: i32,
    /// The name of the account or the title of the article.
    pub name: String,
}

/// Writes an entry, in the transaction of the action.
pub async fn record(
    txn: &Transaction,
    actor: &Actor,
    action: Action,
    target: Target,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let (actor_id, actor, address) = match actor {
        Actor::Administrator { id, name, address } => {
            (Some(id.0), Some(name.clone()), Some(address.0.to_string()))
        }
        Actor::CommandLine => (None, None, None),
    };
    let row = audit_entry::ActiveModel {
        id: NotSet,
        created_at: Set(now.into()),
        actor_id: Set(actor_id),
        actor: Set(actor),
        action: Set(action.name().to_owned()),
        target_id: Set(Some(target.id)),
        target: Set(Some(target.name)),
        address: Set(address),
    };
    audit_entry::Entity::insert(row).exec_without_returning(txn).await.map(drop)
}

/// A page of the log, the newest entry first.
pub async fn list(
    db: &impl ConnectionTrait,
    page: &IdPage<LogList>,
) -> Result<(Vec<LogResponse>, Neighbours)> {
    let rows = page.select(audit_entry::Entity::find(), audit_entry::Column::Id).all(db).await?;
    let (rows, neighbours) = page.rows(rows, |row| row.id);
    Ok((rows.into_iter().map(view).collect(), neighbours))
}

fn view(row: audit_entry::Model) -> LogResponse {
    let audit_entry::Model { id, created_at, actor_id, actor, action, target_id, target, address } = row;
    LogResponse {
        id,
        created_at: Timestamp(created_at.get()),
        actor_id,
        actor,
        action,
        target_id,
        target,
        address,
    }
}
