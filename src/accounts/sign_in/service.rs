//! Verifies credentials and starts sessions.

use chrono::{DateTime, Utc};
use entity::user;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, FromQueryResult, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, QueryTrait as _,
    sea_query::{Alias, Expr, ExprTrait as _, Func, Query},
};

use super::schemas::LoginForm;
use crate::{
    accounts::{
        Accounts,
        attempts::Attempts,
        client::Client,
        passwords::{self, Requester, Verification},
        sessions::{self, schemas::TokenResponse, service::Started},
        users::{USERS, service::find_by_name},
    },
    db::{Change, Transaction},
    http::error::{Error, Result},
};

/// Number of accounts, the newest ones, whose password costs are read at the first login.
const READ_COSTS: u64 = 100_000;

/// Starts a session of the account with this name and password. If its hash is cheaper than new ones, it is
/// replaced.
///
/// # Errors
/// [`Error::BadLogin`] if the name or the password is wrong, after the same time in all cases;
/// [`Error::Suspended`] and [`Error::EmailNotConfirmed`] only after the correct password; [`Error::Busy`] when the
/// queue of password hashes is full.
pub async fn sign_in(
    accounts: &Accounts,
    client: Client,
    form: LoginForm,
    now: DateTime<Utc>,
) -> Result<TokenResponse> {
    let (reader, passwords) = (&accounts.reader, &accounts.passwords);
    passwords.learn_costs(async || load_costs(reader).await).await?;
    let requester = Requester::new(client.address, &form.username.typed);
    let attempts = Attempts::new(accounts, client.address, &form.username.typed);
    attempts.check(reader, now).await?;
    // A second time if another login has renewed the hash, or the password has changed, in the meantime.
    for _ in 0..2 {
        let account = find_by_name(reader, form.username.clone()).await?;
        let (id, stored) = account.map(|account| (account.id, account.hashed_password)).unzip();
        let verification = passwords.verify(requester.clone(), &form.password.0, stored.as_deref()).await?;
        let (Some(id), Some(stored), Verification::Right { renewed }) = (id, stored, &verification) else {
            if verification == Verification::Unusable {
                tracing::warn!(user_id = id, "the stored password of an account is not a bcrypt hash");
            }
            return attempts.count(accounts, now).await.and(Err(Error::BadLogin));
        };
        let (attempts, client) = (attempts.clone(), client.clone());
        let session = start_session(accounts, attempts, id, stored, renewed.clone(), client, now).await?;
        if let Some(session) = session {
            return session.tokens(&accounts.tokens, now);
        }
    }
    Err(Error::BadLogin)
}

/// Starts a session, if the password that was verified is still that of the account: it may have been changed, and
/// all sessions ended, in the meantime. `None` if it is not.
async fn start_session(
    accounts: &Accounts,
    attempts: Attempts,
    id: i32,
    verified: String,
    renewed: Option<String>,
    client: Client,
    now: DateTime<Utc>,
) -> Result<Option<Started>> {
    let state = accounts.clone();
    let work = async move |txn: &Transaction| {
        // Failures of the same client may have reached the limit in the meantime.
        attempts.check(txn, now).await?;
        let account = user::Entity::find_by_id(id).filter(user::Column::HashedPassword.eq(&verified));
        // Against a change of the password or a suspension at the same time.
        let account = if renewed.is_some() { account.lock_exclusive() } else { account.lock_shared() };
        let Some(account) = account.one(txn).await? else { return Ok(None) };
        if !account.is_active {
            return Err(Error::Suspended);
        }
        if !state.admits(&account) {
            return Err(Error::EmailNotConfirmed);
        }
        if let Some(renewed) = &renewed {
            txn.changed(Change::Row(USERS, id));
            replace_hash(txn, id, &verified, renewed).await?;
        }
        sessions::service::start(txn, &state, id, &client, now).await.map(Some)
    };
    accounts.writer.transaction(work).await
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

/// Replaces the hash of an account, unless it has changed in the meantime.
async fn replace_hash(
    txn: &impl ConnectionTrait,
    id: i32,
    verified: &str,
    renewed: &str,
) -> Result<(), DbErr> {
    let update = user::Entity::update_many()
        .col_expr(user::Column::HashedPassword, Expr::val(renewed))
        .filter(user::Column::Id.eq(id))
        .filter(user::Column::HashedPassword.eq(verified));
    update.exec(txn).await.map(drop)
}
