//! Creates accounts and builds their responses.

use chrono::{DateTime, Utc};
use entity::user;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::NotSet, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _,
    PaginatorTrait as _, QueryFilter as _, Set,
};

use super::{
    USERS,
    schemas::{UserCreate, UserResponse},
};
use crate::{
    accounts::{
        Accounts,
        passwords::{Passwords, Requester},
        recovery::service as recovery,
    },
    config::EmailVerification,
    db::{Change, Transaction, violated_unique},
    http::{
        client_address::ClientAddress,
        error::{Error, Result},
        timestamp::Timestamp,
    },
};

/// Creates an account over the API. Queues a link to confirm its address if the settings ask for it.
///
/// # Errors
/// [`Error::TooManyRequests`] if the client's network has sent too many requests; otherwise as [`create`].
pub async fn register(
    accounts: &Accounts,
    client: ClientAddress,
    input: UserCreate,
    now: DateTime<Utc>,
) -> Result<UserResponse> {
    recovery::count_registration(accounts, client, now).await?;
    if !recovery::asks_for_confirmation(accounts) {
        let is_confirmed = accounts.verification == EmailVerification::Off;
        return create(accounts, client, input, is_confirmed, now).await;
    }
    let row = row(&accounts.passwords, client, input, false, now).await?;
    let username = row.username.clone().take().unwrap_or_default();
    let register = async move |txn: &Transaction| -> Result<user::Model, Failed> {
        let account = row.clone().insert(txn).await?;
        let queued = recovery::queue_confirmation(txn, account.id, &account.email, now).await;
        queued.map_err(Failed::Other)?;
        txn.changed(Change::Inserted(USERS));
        Ok(account)
    };
    match accounts.writer.transaction(register).await {
        Ok(account) => {
            accounts.delivery.notify();
            Ok(view(account))
        }
        // Outside of the transaction: after an error, PostgreSQL runs no further statement in it.
        Err(Failed::Database(error)) => Err(conflict(accounts.writer.connections(), error, username).await),
        Err(Failed::Other(error)) => Err(error),
    }
}

/// Why a transaction that creates an account failed.
enum Failed {
    Database(DbErr),
    Other(Error),
}

impl From<DbErr> for Failed {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

/// Creates an account.
///
/// # Errors
/// [`Error::Conflict`] if the name or the address is taken; [`Error::Busy`] when the queue of password hashes
/// is full.
pub async fn create(
    accounts: &Accounts,
    client: ClientAddress,
    input: UserCreate,
    is_email_confirmed: bool,
    now: DateTime<Utc>,
) -> Result<UserResponse> {
    let row = row(&accounts.passwords, client, input, is_email_confirmed, now).await?;
    let insert = async move |db: &_| insert(db, row).await.map(view);
    accounts.writer.statement([Change::Inserted(USERS)], insert).await
}

/// The row of a new account.
async fn row(
    passwords: &Passwords,
    client: ClientAddress,
    input: UserCreate,
    is_email_confirmed: bool,
    now: DateTime<Utc>,
) -> Result<user::ActiveModel> {
    let UserCreate { email, username, password } = input;
    let (email, username) = (email.into_inner(), username.into_inner());
    let requester = Requester::new(client, &username);
    let hashed_password = passwords.hash(requester, password.secret()).await?;
    Ok(user::ActiveModel {
        id: NotSet,
        email_key: Set(Some(user::email_key(&email))),
        email: Set(email),
        username: Set(username),
        hashed_password: Set(hashed_password),
        created_at: Set(now.into()),
        updated_at: Set(now.into()),
        is_admin: Set(false),
        is_active: Set(true),
        is_email_confirmed: Set(is_email_confirmed),
        display_name: Set(None),
        bio: Set(None),
        image: Set(None),
        sessions_ended_at: Set(None),
    })
}

async fn insert(db: &impl ConnectionTrait, row: user::ActiveModel) -> Result<user::Model> {
    let username = row.username.clone().take().unwrap_or_default();
    match row.insert(db).await {
        Ok(account) => Ok(account),
        Err(error) => Err(conflict(db, error, username).await),
    }
}

/// The account, as shown to its owner.
pub fn view(account: user::Model) -> UserResponse {
    let user::Model { id, email, username, created_at, updated_at, .. } = account;
    let (created_at, updated_at) = (Timestamp(created_at.get()), Timestamp(updated_at.get()));
    UserResponse { id, email, username, created_at, updated_at }
}

/// The error of an insert. It can violate both constraints, of which the database reports one, and the answer
/// names the user name if both values are taken.
async fn conflict(db: &impl ConnectionTrait, error: DbErr, username: String) -> Error {
    const NAME_TAKEN: Error = Error::Conflict("Username already registered");
    match violated_unique(&error) {
        Some("users_username_key" | "users.username") => NAME_TAKEN,
        Some("users_email_key" | "users.email" | "users_email_key_key" | "users.email_key") => {
            match user::Entity::find().filter(user::Column::Username.eq(username)).count(db).await {
                Ok(0) => Error::Conflict("Email already registered"),
                Ok(_) => NAME_TAKEN,
                Err(error) => error.into(),
            }
        }
        _ => error.into(),
    }
}
