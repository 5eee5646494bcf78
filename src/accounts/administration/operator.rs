//! What only the operator does, on the command line: create accounts, set passwords, list and end sessions.

use chrono::{DateTime, Utc};
use entity::user;
use sea_orm::{ActiveModelTrait as _, ConnectionTrait, Set};

use super::{
    audit::{self, Action, Actor},
    schemas::{AccountResponse, NOT_FOUND},
    service::{lock, target, view},
};
use crate::{
    accounts::{
        Accounts,
        passwords::{Requester, strength::check_strength},
        sessions::{
            schemas::SessionResponse,
            service::{end_all, end_sessions, list_of},
        },
        users::{
            USERS,
            schemas::{AccountName, NewPassword, UserCreate},
            service::{find_by_name, name_first, row, taken},
        },
    },
    db::{Change, Transaction, Writer},
    http::{
        client_address::ClientAddress,
        error::{Error, Result},
    },
};

/// Creates an account.
///
/// # Errors
/// [`Error::Invalid`] if the password is easy to guess; [`Error::Conflict`] if the name or the address is taken.
pub async fn create(
    accounts: &Accounts,
    input: UserCreate,
    is_admin: bool,
    now: DateTime<Utc>,
) -> Result<AccountResponse> {
    let username = input.username.as_ref().to_owned();
    // The operator vouches for the address.
    let row = row(accounts, ClientAddress::LOCAL, input, true, now).await?;
    let row = user::ActiveModel { is_admin: Set(is_admin), ..row };
    let work = async move |txn: &Transaction| {
        txn.changed(Change::Inserted(USERS));
        let account = row.clone().insert(txn).await.map_err(taken)?;
        audit::record(txn, &Actor::CommandLine, Action::UserCreate, target(&account), now).await?;
        Ok(account)
    };
    let created = accounts.writer.transaction::<_, Error, _>(work).await.map(view);
    name_first(&accounts.reader, created, username).await
}

/// The account with this name, or with its normalised spelling.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn read_by_name(db: &impl ConnectionTrait, name: AccountName) -> Result<AccountResponse> {
    find_by_name(db, name).await?.map(view).ok_or(NOT_FOUND)
}

/// Sets the password of an account, and ends all its sessions and tokens.
///
/// # Errors
/// [`Error::Invalid`] if the password is easy to guess; [`Error::NotFound`].
pub async fn set_password(
    accounts: &Accounts,
    account: &AccountResponse,
    password: &NewPassword,
    now: DateTime<Utc>,
) -> Result<()> {
    let AccountResponse { id, username, email, .. } = account;
    check_strength(accounts, password, username, email, &["user", "password"])?;
    let (id, requester) = (*id, Requester::new(ClientAddress::LOCAL, username));
    let hash = accounts.passwords.hash(requester, password.secret()).await?;
    let work = async move |txn: &Transaction| {
        let account = lock(txn, id).await?;
        txn.changed(Change::Row(USERS, id));
        let row = user::ActiveModel { id: Set(id), hashed_password: Set(hash.clone()), ..Default::default() };
        row.update(txn).await?;
        end_all(txn, id, None, now).await?;
        Ok(audit::record(txn, &Actor::CommandLine, Action::UserSetPassword, target(&account), now).await?)
    };
    accounts.writer.transaction(work).await
}

/// The sessions of an account, the most recently used first. At most 100.
pub async fn list_sessions(db: &impl ConnectionTrait, id: i32) -> Result<Vec<SessionResponse>> {
    list_of(db, id, None).await
}

/// Ends all sessions of an account, and rejects its access tokens of the FastAPI blog. Personal access tokens stay
/// valid.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn end_all_sessions(writer: &Writer, id: i32, now: DateTime<Utc>) -> Result<()> {
    let work = async move |txn: &Transaction| {
        let account = lock(txn, id).await?;
        txn.changed(Change::Row(USERS, id));
        end_sessions(txn, id, None, now).await?;
        Ok(audit::record(txn, &Actor::CommandLine, Action::UserEndSessions, target(&account), now).await?)
    };
    writer.transaction(work).await
}
