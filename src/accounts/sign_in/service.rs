//! Verifies credentials and issues access tokens.

use std::iter;

use chrono::{DateTime, Utc};
use entity::user;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _,
    sea_query::{Alias, Expr, ExprTrait as _, Func, Query},
};

use super::schemas::{LoginForm, LoginName};
use crate::{
    accounts::{
        Accounts,
        passwords::{self, Requester, Verification},
        users::USERS,
    },
    db::{Change, Writer},
    http::{
        client_address::ClientAddress,
        error::{Error, Result},
    },
};

/// Number of accounts, the newest ones, whose password costs are read at the first login.
const READ_COSTS: u64 = 100_000;

/// Issues a token for the account with this name and password. If its hash is cheaper than new ones, it is
/// replaced.
///
/// # Errors
/// [`Error::BadLogin`] if the name or the password is wrong, after the same time in all cases;
/// [`Error::EmailNotConfirmed`] if they are right, but the address of the account must be confirmed first;
/// [`Error::Busy`] when the queue of password hashes is full.
pub async fn sign_in(
    accounts: &Accounts,
    client: ClientAddress,
    form: LoginForm,
    now: DateTime<Utc>,
) -> Result<String> {
    let (reader, passwords) = (&accounts.reader, &accounts.passwords);
    passwords.learn_costs(async || load_costs(reader).await).await?;
    let requester = Requester::new(client, &form.username.typed);
    let account = find_account(reader, form.username).await?;
    let is_usable = account.as_ref().is_none_or(|account| accounts.admits(account));
    let (id, stored) = account.map(|account| (account.id, account.hashed_password)).unzip();
    let verification = passwords.verify(requester, &form.password.0, stored.as_deref()).await?;
    match (id, stored, verification) {
        (Some(id), Some(stored), Verification::Right { renewed }) => {
            if let Some(renewed) = renewed {
                replace_hash(&accounts.writer, id, stored, renewed).await;
            }
            if !is_usable {
                return Err(Error::EmailNotConfirmed);
            }
            accounts.tokens.issue(id, now)
        }
        (id, _, Verification::Unusable) => {
            tracing::warn!(user_id = id, "the stored password of an account is not a bcrypt hash");
            Err(Error::BadLogin)
        }
        _ => Err(Error::BadLogin),
    }
}

/// The account with exactly the typed name, or else the one with its normalised spelling.
async fn find_account(db: &impl ConnectionTrait, name: LoginName) -> Result<Option<user::Model>> {
    let LoginName { typed, stored } = name;
    // No name contains U+0000, and PostgreSQL rejects a query with it.
    if typed.contains('\0') {
        return Ok(None);
    }
    let names = user::Column::Username.is_in(iter::once(typed.clone()).chain(stored));
    let mut accounts = user::Entity::find().filter(names).all(db).await?;
    accounts.sort_by_key(|account| account.username != typed);
    Ok(accounts.into_iter().next())
}

/// The different costs of the stored hashes of the newest accounts.
async fn load_costs(db: &impl ConnectionTrait) -> Result<Vec<u32>> {
    #[derive(FromQueryResult)]
    struct Start {
        start: String,
    }

    let hash = user::Column::HashedPassword;
    let newest = user::Entity::find()
        .select_only()
        .column_as(hash.into_expr(), "hash")
        .order_by_desc(user::Column::Id)
        .limit(READ_COSTS)
        .into_query();
    let start = Func::cust("substr").args([Expr::col("hash"), Expr::val(1), Expr::val(6)]);
    let starts = Query::select()
        .distinct()
        .expr_as(start, "start")
        .from_subquery(newest, Alias::new("newest"))
        .and_where(Expr::col("hash").like("$2%"))
        .to_owned();
    let starts = Start::find_by_statement(db.get_database_backend().build(&starts)).all(db).await?;
    Ok(starts.iter().filter_map(|Start { start }| passwords::cost(start)).collect())
}

/// Replaces the hash of an account, unless it has changed in the meantime. A failure does not fail the login:
/// the hash is replaced at a later one.
async fn replace_hash(writer: &Writer, id: i32, stored: String, renewed: String) {
    let update = user::Entity::update_many()
        .col_expr(user::Column::HashedPassword, Expr::val(renewed))
        .filter(user::Column::Id.eq(id))
        .filter(user::Column::HashedPassword.eq(stored));
    let update = writer.statement([Change::Row(USERS, id)], async move |db| update.exec(db).await);
    if let Err(error) = update.await {
        tracing::warn!(user_id = id, %error, "failed to renew the hash of a password");
    }
}
