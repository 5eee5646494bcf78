//! Making accounts.

use chrono::{DateTime, Utc};
use entity::user;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, PaginatorTrait as _,
    QueryFilter as _, Set, SqlErr,
};

use super::schemas::{NewUser, UserView};
use crate::{
    accounts::passwords::Passwords,
    http::{
        error::{Error, Result},
        timestamp::Timestamp,
    },
};

/// Makes an account.
///
/// # Errors
/// [`Error::Conflict`] when the name or the address is taken, [`Error::Busy`].
pub async fn register(
    db: &impl ConnectionTrait,
    passwords: &Passwords,
    input: NewUser,
    now: DateTime<Utc>,
) -> Result<UserView> {
    let hashed_password = passwords.hash(input.password.secret()).await?;
    let (email, username) = (input.email.into_inner(), input.username.into_inner());
    let row = user::ActiveModel {
        email_key: Set(Some(user::email_key(&email))),
        email: Set(email),
        username: Set(username.clone()),
        hashed_password: Set(hashed_password),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    match row.insert(db).await {
        Ok(account) => Ok(view(account)),
        Err(error) => Err(conflict(db, error, username).await),
    }
}

/// The account as its owner sees it.
pub fn view(account: user::Model) -> UserView {
    UserView {
        id: account.id,
        email: account.email,
        username: account.username,
        created_at: Timestamp(account.created_at),
        updated_at: Timestamp(account.updated_at),
    }
}

/// Which of the two unique values an insert broke: one statement can break both, and no engine's text says so reliably.
async fn conflict(db: &impl ConnectionTrait, error: DbErr, username: String) -> Error {
    if !matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) {
        return error.into();
    }
    match user::Entity::find().filter(user::Column::Username.eq(username)).count(db).await {
        Ok(0) => Error::Conflict("Email already registered"),
        Ok(_) => Error::Conflict("Username already registered"),
        Err(error) => error.into(),
    }
}
