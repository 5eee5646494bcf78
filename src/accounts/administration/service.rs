//! Lists accounts, changes their roles, and suspends, reinstates and deletes them.
//!
//! An action that changes nothing writes nothing, also no entry of the log.

use chrono::{DateTime, Utc};
use entity::{StoredTime, article, user};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _,
    QueryFilter as _, QuerySelect as _, Set,
    sea_query::{Expr, ExprTrait as _, Func, SimpleExpr},
};

use super::{
    audit::{self, Action, Actor, Target},
    schemas::{AccountResponse, NOT_FOUND, SuspendedArticles, UserList},
};
use crate::{
    accounts::{
        sessions::service::end_all,
        users::{USERS, service::keep_an_admin},
    },
    db::{Change, Transaction, Writer},
    http::{
        error::{Error, Result},
        id_paging::IdPage,
        paging::Neighbours,
        timestamp::Timestamp,
    },
};

/// A page of the accounts, the newest first.
pub async fn list_users(
    db: &impl ConnectionTrait,
    page: &IdPage<UserList>,
) -> Result<(Vec<AccountResponse>, Neighbours)> {
    let prefix = page.list.prefix.as_deref().map(starts_with);
    let users = user::Entity::find().filter(Condition::all().add_option(prefix));
    let rows = page.select(users, user::Column::Id).all(db).await?;
    let (rows, neighbours) = page.rows(rows, |row| row.id.into());
    Ok((rows.into_iter().map(view).collect(), neighbours))
}

/// The accounts whose name or address starts with `prefix`. Compared with `substr` and not with LIKE, which ignores
/// case on SQLite and has wildcards. Accounts without an `email_key` are compared by their address.
fn starts_with(prefix: &str) -> Condition {
    let length = i32::try_from(prefix.chars().count()).unwrap_or(i32::MAX);
    let starts = |text: SimpleExpr, prefix: &str| {
        Expr::expr(Func::cust("substr").args([text, Expr::val(1), Expr::val(length)])).eq(prefix)
    };
    let (email, key) = (user::Column::Email.into_expr(), user::Column::EmailKey.into_expr());
    let address = Func::coalesce([key, Func::lower(email).into()]).into();
    Condition::any()
        .add(starts(user::Column::Username.into_expr(), prefix))
        .add(starts(address, &user::email_key(prefix)))
}

/// One account.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn read_user(db: &impl ConnectionTrait, id: i32) -> Result<AccountResponse> {
    user::Entity::find_by_id(id).one(db).await?.map(view).ok_or(NOT_FOUND)
}

/// Suspends an account: ends its sessions and tokens at once, on every server, and hides its published articles if
/// asked to. An account that is suspended already can have its articles hidden later.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] for the last administrator.
pub async fn suspend(
    writer: &Writer,
    actor: &Actor,
    id: i32,
    articles: SuspendedArticles,
    now: DateTime<Utc>,
) -> Result<AccountResponse> {
    let actor = actor.clone();
    let work = async move |txn: &Transaction| {
        keep_an_admin(txn, id).await?;
        let account = lock(txn, id).await?;
        let hidden = match articles {
            SuspendedArticles::Keep => 0,
            SuspendedArticles::Hide => article::Entity::hide_by(id).exec(txn).await?.rows_affected,
        };
        if !account.is_active && hidden == 0 {
            return Ok(account);
        }
        end_all(txn, id, None, now).await?;
        let account = set(txn, account, Role { is_active: Some(false), is_admin: None }, now).await?;
        audit::record(txn, &actor, Action::UserSuspend, target(&account), now).await?;
        Ok(account)
    };
    writer.transaction::<_, Error, _>(work).await.map(view)
}

/// Ends the suspension of an account, and publishes the articles that it hid.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn reinstate(
    writer: &Writer,
    actor: &Actor,
    id: i32,
    now: DateTime<Utc>,
) -> Result<AccountResponse> {
    let actor = actor.clone();
    let work = async move |txn: &Transaction| {
        let account = lock(txn, id).await?;
        let published = article::Entity::unhide_by(id).exec(txn).await?.rows_affected;
        if account.is_active && published == 0 {
            return Ok(account);
        }
        let account = set(txn, account, Role { is_active: Some(true), is_admin: None }, now).await?;
        audit::record(txn, &actor, Action::UserReinstate, target(&account), now).await?;
        Ok(account)
    };
    writer.transaction::<_, Error, _>(work).await.map(view)
}

/// Makes an account an administrator.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn promote(writer: &Writer, actor: &Actor, id: i32, now: DateTime<Utc>) -> Result<AccountResponse> {
    set_admin(writer, actor, id, true, now).await
}

/// Takes the rights of an administrator from an account.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] for the last administrator.
pub async fn demote(writer: &Writer, actor: &Actor, id: i32, now: DateTime<Utc>) -> Result<AccountResponse> {
    set_admin(writer, actor, id, false, now).await
}

async fn set_admin(
    writer: &Writer,
    actor: &Actor,
    id: i32,
    is_admin: bool,
    now: DateTime<Utc>,
) -> Result<AccountResponse> {
    let actor = actor.clone();
    let action = if is_admin { Action::UserPromote } else { Action::UserDemote };
    let work = async move |txn: &Transaction| {
        if !is_admin {
            keep_an_admin(txn, id).await?;
        }
        let account = lock(txn, id).await?;
        if account.is_admin == is_admin {
            return Ok(account);
        }
        let account = set(txn, account, Role { is_active: None, is_admin: Some(is_admin) }, now).await?;
        audit::record(txn, &actor, action, target(&account), now).await?;
        Ok(account)
    };
    writer.transaction::<_, Error, _>(work).await.map(view)
}

/// Deletes an account with its articles, sessions and tokens.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] for the last administrator.
pub async fn delete(writer: &Writer, actor: &Actor, id: i32, now: DateTime<Utc>) -> Result<()> {
    let actor = actor.clone();
    let work = async move |txn: &Transaction| {
        // The foreign key deletes the articles.
        txn.changed(Change::Everything);
        keep_an_admin(txn, id).await?;
        let account = lock(txn, id).await?;
        user::Entity::delete_by_id(id).exec(txn).await?;
        audit::record(txn, &actor, Action::UserDelete, target(&account), now).await?;
        Ok(())
    };
    writer.transaction(work).await
}

/// The account, locked until the end of the transaction. Actions that call [`keep_an_admin`] do so before, so that
/// all of them lock administrators first and cannot wait for each other.
pub(super) async fn lock(txn: &Transaction, id: i32) -> Result<user::Model> {
    user::Entity::find_by_id(id).lock_exclusive().one(txn).await?.ok_or(NOT_FOUND)
}

/// The changes of an account that only administrators make.
struct Role {
    is_active: Option<bool>,
    is_admin: Option<bool>,
}

async fn set(
    txn: &Transaction,
    account: user::Model,
    role: Role,
    now: DateTime<Utc>,
) -> Result<user::Model, DbErr> {
    let Role { is_active, is_admin } = role;
    txn.changed(Change::Row(USERS, account.id));
    let row = user::ActiveModel {
        id: Set(account.id),
        is_active: Set(is_active.unwrap_or(account.is_active)),
        is_admin: Set(is_admin.unwrap_or(account.is_admin)),
        updated_at: Set(Ord::max(StoredTime::from(now), account.created_at)),
        ..Default::default()
    };
    row.update(txn).await
}

/// The account as the log names it.
pub(super) fn target(account: &user::Model) -> Target {
    Target { id: account.id, name: account.username.clone() }
}

/// The account, as shown to administrators.
pub(super) fn view(account: user::Model) -> AccountResponse {
    let user::Model {
        id,
        email,
        username,
        hashed_password: _,
        created_at,
        updated_at,
        email_key: _,
        is_admin,
        is_active,
        is_email_confirmed,
        display_name,
        bio,
        image,
        sessions_ended_at: _,
    } = account;
    AccountResponse {
        id,
        email,
        username,
        created_at: Timestamp(created_at.get()),
        updated_at: Timestamp(updated_at.get()),
        display_name,
        bio,
        image,
        is_admin,
        is_active,
        is_email_confirmed,
    }
}
