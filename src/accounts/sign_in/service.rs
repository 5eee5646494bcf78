//! Verifies credentials and issues access tokens.

use chrono::{DateTime, Utc};
use entity::user;
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _};

use super::schemas::LoginForm;
use crate::{
    accounts::{passwords::Passwords, tokens::Tokens},
    http::error::{Error, Result},
};

/// Issues a token for the account with this name and password.
///
/// # Errors
/// [`Error::BadLogin`] if the name or the password is wrong, after the same time in both cases;
/// [`Error::Busy`] when the queue of password hashes is full.
pub async fn sign_in(
    db: &impl ConnectionTrait,
    passwords: &Passwords,
    tokens: &Tokens,
    form: LoginForm,
    now: DateTime<Utc>,
) -> Result<String> {
    let name = form.username.into_inner();
    // No name contains U+0000, and PostgreSQL rejects a query with it.
    let account = if name.contains('\0') {
        None
    } else {
        user::Entity::find().filter(user::Column::Username.eq(name)).one(db).await?
    };
    let (id, hash) = account.map(|account| (account.id, account.hashed_password)).unzip();
    if !passwords.verify(&form.password.0, hash).await? {
        return Err(Error::BadLogin);
    }
    tokens.issue(id.ok_or(Error::BadLogin)?, now)
}
