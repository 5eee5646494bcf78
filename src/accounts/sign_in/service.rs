//! Signing in.

use chrono::{DateTime, Utc};
use entity::user;
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _};

use super::schemas::LoginForm;
use crate::{
    accounts::{passwords::Passwords, tokens::Tokens},
    http::error::{Error, Result},
};

/// A token for the account whose name and password these are.
///
/// # Errors
/// [`Error::BadLogin`] whether the name or the password is wrong, after the same time; [`Error::Busy`].
pub async fn sign_in(
    db: &impl ConnectionTrait,
    passwords: &Passwords,
    tokens: &Tokens,
    form: LoginForm,
    now: DateTime<Utc>,
) -> Result<String> {
    let name = form.username.into_inner();
    // No account's name holds U+0000, and PostgreSQL would refuse the question.
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
