//! Starts, refreshes, lists and ends sessions.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{email_token, personal_token, session, user};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, QueryTrait as _, Set, sea_query::Expr,
};
use secrecy::{ExposeSecret as _, SecretString};

use super::schemas::{SessionResponse, TokenResponse};
use crate::{
    accounts::{
        Accounts,
        callers::{Credential, CurrentUser},
        client::Client,
        secrets::{RefreshToken, Secrets, hash_of, new_id},
        tokens::Tokens,
        users::USERS,
    },
    db::{Change, Transaction, Writer},
    http::{
        error::{Error, Result},
        timestamp::Timestamp,
    },
};

/// The maximum number of sessions of one account. Old scripts sign in before each request.
const MAX_SESSIONS: u64 = 100;

/// For this long after a rotation, the old refresh token returns the same successor, because the response may
/// have been lost.
const GRACE: TimeDelta = TimeDelta::seconds(10);

/// How long sessions last.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Without use.
    pub idle: TimeDelta,
    /// In any case.
    pub max: TimeDelta,
}

impl Lifetimes {
    /// When a refresh token that is issued now expires.
    fn refresh_expiry(self, started: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
        Ord::min(now + self.idle, started + self.max)
    }
}

/// A session that was started or refreshed.
struct Issued {
    user_id: i32,
    session: String,
    refresh_token: SecretString,
    refresh_expires_at: DateTime<Utc>,
}

/// The outcome of a refresh.
enum Refresh {
    Issued(Issued),
    /// The refresh token has expired.
    Expired,
    /// An old refresh token was used again: it or its successor was stolen, so the session was ended.
    Reused,
    Invalid,
}

/// Starts a session in the transaction `txn`, and ends the least recently used ones beyond the maximum.
pub(in crate::accounts) async fn start(
    txn: &Transaction,
    accounts: &Accounts,
    user_id: i32,
    client: &Client,
    now: DateTime<Utc>,
) -> Result<Started> {
    let id = new_id();
    let refresh_token = accounts.secrets.first_refresh_token(&id)?;
    let refresh_expires_at = accounts.session_lifetimes.refresh_expiry(now, now);
    let row = session::ActiveModel {
        id: Set(id.clone()),
        user_id: Set(user_id),
        refresh_hash: Set(hash_of(refresh_token.expose_secret())),
        previous_hash: Set(None),
        device: Set(client.device.clone()),
        address: Set(client.address.0.to_string()),
        created_at: Set(now.into()),
        last_used_at: Set(now.into()),
        refresh_expires_at: Set(refresh_expires_at.into()),
        expires_at: Set(Ord::max(refresh_expires_at, now + accounts.tokens.lifetime()).into()),
    };
    session::Entity::insert(row).exec_without_returning(txn).await?;
    let newest = session::Entity::find()
        .select_only()
        .column(session::Column::Id)
        .filter(session::Column::UserId.eq(user_id))
        .order_by_desc(session::Column::LastUsedAt)
        .order_by_desc(session::Column::Id)
        .limit(MAX_SESSIONS)
        .into_query();
    session::Entity::delete_many()
        .filter(session::Column::UserId.eq(user_id))
        .filter(session::Column::Id.not_in_subquery(newest))
        .exec(txn)
        .await?;
    Ok(Started(Issued { user_id, session: id, refresh_token, refresh_expires_at }))
}

/// A session that was started in a transaction, whose tokens are issued after its commit.
pub(in crate::accounts) struct Started(Issued);

impl Started {
    /// Issues the tokens.
    pub(in crate::accounts) fn tokens(self, tokens: &Tokens, now: DateTime<Utc>) -> Result<TokenResponse> {
        respond(self.0, tokens, now)
    }
}

fn respond(issued: Issued, tokens: &Tokens, now: DateTime<Utc>) -> Result<TokenResponse> {
    let Issued { user_id, session, refresh_token, refresh_expires_at } = issued;
    Ok(TokenResponse {
        access_token: tokens.issue(user_id, &session, now)?,
        token_type: "bearer",
        expires_in: tokens.lifetime().num_seconds(),
        refresh_token,
        refresh_expires_in: (refresh_expires_at - now).num_seconds(),
    })
}

/// Exchanges a refresh token for new tokens.
///
/// # Errors
/// [`Error::BadCredentials`] if it is not the current refresh token of a session. If it is an earlier one, the
/// session ends (RFC 9700, section 4.14), except that within 10 seconds its successor is returned again.
pub async fn refresh(
    accounts: &Accounts,
    token: &SecretString,
    client: Client,
    now: DateTime<Utc>,
) -> Result<TokenResponse> {
    let (secrets, lifetimes) = (accounts.secrets.clone(), accounts.session_lifetimes);
    let (token, access_lifetime) = (token.clone(), accounts.tokens.lifetime());
    let work = async move |txn: &Transaction| {
        let Some(token) = RefreshToken::parse(token.expose_secret()) else { return Ok(Refresh::Invalid) };
        let row = session::Entity::find_by_id(token.session).lock_exclusive().one(txn).await?;
        let Some(row) = row else { return Ok(Refresh::Invalid) };
        rotate(txn, &secrets, lifetimes, access_lifetime, token, row, &client, now).await
    };
    match accounts.writer.transaction::<_, Error, _>(work).await? {
        Refresh::Issued(issued) => respond(issued, &accounts.tokens, now),
        Refresh::Reused => {
            tracing::warn!("a refresh token was used again; its session was ended");
            Err(Error::BadCredentials)
        }
        Refresh::Expired | Refresh::Invalid => Err(Error::BadCredentials),
    }
}

#[expect(clippy::too_many_arguments, reason = "the values of one request")]
async fn rotate(
    txn: &Transaction,
    secrets: &Secrets,
    lifetimes: Lifetimes,
    access_lifetime: TimeDelta,
    token: RefreshToken<'_>,
    row: session::Model,
    client: &Client,
    now: DateTime<Utc>,
) -> Result<Refresh> {
    let hash = hash_of(token.text);
    let issued = |row: session::Model, refresh_token, expires| Issued {
        user_id: row.user_id,
        session: row.id,
        refresh_token,
        refresh_expires_at: expires,
    };
    if hash == row.refresh_hash {
        if row.refresh_expires_at.get() <= now {
            return Ok(Refresh::Expired);
        }
        let refresh_token = secrets.successor(token)?;
        let expires = lifetimes.refresh_expiry(row.created_at.get(), now);
        let update = session::ActiveModel {
            id: Set(row.id.clone()),
            refresh_hash: Set(hash_of(refresh_token.expose_secret())),
            previous_hash: Set(Some(hash)),
            address: Set(client.address.0.to_string()),
            last_used_at: Set(now.into()),
            refresh_expires_at: Set(expires.into()),
            expires_at: Set(Ord::max(expires, now + access_lifetime).into()),
            ..Default::default()
        };
        update.update(txn).await?;
        return Ok(Refresh::Issued(issued(row, refresh_token, expires)));
    }
    let in_time = now - row.last_used_at.get() <= GRACE;
    if in_time
        && row.previous_hash.as_ref() == Some(&hash)
        && let Some(successor) = secrets.successor_with_hash(token, &row.refresh_hash)?
    {
        let expires = row.refresh_expires_at.get();
        return Ok(Refresh::Issued(issued(row, successor, expires)));
    }
    if secrets.has_issued(token)? {
        session::Entity::delete_by_id(row.id).exec(txn).await?;
        return Ok(Refresh::Reused);
    }
    Ok(Refresh::Invalid)
}

/// The sessions of an account, the most recently used first. At most 100.
pub async fn list(db: &impl ConnectionTrait, user: &CurrentUser) -> Result<Vec<SessionResponse>> {
    list_of(db, user.id().0, user.session()).await
}

/// The same of any account; `current` is the session of the request.
pub(in crate::accounts) async fn list_of(
    db: &impl ConnectionTrait,
    user_id: i32,
    current: Option<&str>,
) -> Result<Vec<SessionResponse>> {
    let rows = session::Entity::find()
        .filter(session::Column::UserId.eq(user_id))
        .order_by_desc(session::Column::LastUsedAt)
        .order_by_desc(session::Column::Id)
        .limit(MAX_SESSIONS)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| view(row, current)).collect())
}

fn view(row: session::Model, current: Option<&str>) -> SessionResponse {
    let session::Model { id, device, address, created_at, last_used_at, refresh_expires_at, .. } = row;
    SessionResponse {
        current: current == Some(&id),
        id,
        device,
        address,
        created_at: Timestamp(created_at.get()),
        last_used_at: Timestamp(last_used_at.get()),
        expires_at: Timestamp(refresh_expires_at.get()),
    }
}

/// Ends one session of an account.
///
/// # Errors
/// [`Error::NotFound`] if the account has no such session.
pub async fn end(writer: &Writer, user: &CurrentUser, id: &str) -> Result<()> {
    // No id contains U+0000, and PostgreSQL rejects a query with it.
    if id.contains('\0') {
        return Err(Error::NotFound("Session"));
    }
    let delete = session::Entity::delete_many()
        .filter(session::Column::Id.eq(id))
        .filter(session::Column::UserId.eq(user.id().0));
    let deleted = writer.statement([], async move |db| delete.exec(db).await.map_err(Error::from));
    if deleted.await?.rows_affected == 0 { Err(Error::NotFound("Session")) } else { Ok(()) }
}

/// Ends the session of a request. A token of the FastAPI blog has no session; for it, all such tokens of the
/// account end.
pub async fn sign_out(writer: &Writer, user: &CurrentUser, now: DateTime<Utc>) -> Result<()> {
    let id = user.id().0;
    match user.credential() {
        Credential::Session(session) => match end(writer, user, session).await {
            // Another request ended it first.
            Err(Error::NotFound(_)) => Ok(()),
            other => other,
        },
        Credential::Legacy | Credential::Personal(_) => {
            let update = reject_tokens_without_session(id, now);
            let changes = [Change::Row(USERS, id)];
            writer
                .statement(changes, async move |db| update.exec(db).await.map(drop).map_err(Error::from))
                .await
        }
    }
}

/// Ends all sessions of an account except that of the request, and all its tokens without a session.
pub async fn end_others(writer: &Writer, user: &CurrentUser, now: DateTime<Utc>) -> Result<()> {
    let (id, session) = (user.id().0, user.session().map(str::to_owned));
    let work = async move |txn: &Transaction| {
        txn.changed(Change::Row(USERS, id));
        end_sessions(txn, id, session.as_deref(), now).await.map_err(Error::from)
    };
    writer.transaction(work).await
}

/// Ends all sessions of an account except `except`, and rejects its tokens without a session from now on.
pub(in crate::accounts) async fn end_sessions(
    txn: &impl ConnectionTrait,
    user_id: i32,
    except: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    // The account first, as a sign-in does, so that the two cannot wait for each other.
    reject_tokens_without_session(user_id, now).exec(txn).await?;
    session::Entity::delete_many()
        .filter(session::Column::UserId.eq(user_id))
        .apply_if(except, |query, session| query.filter(session::Column::Id.ne(session)))
        .exec(txn)
        .await
        .map(drop)
}

/// Ends everything that acts for an account, except the session `except`: sessions, tokens without a session, personal
/// access tokens, and links in e-mail.
pub(in crate::accounts) async fn end_all(
    txn: &impl ConnectionTrait,
    user_id: i32,
    except: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    end_sessions(txn, user_id, except, now).await?;
    personal_token::Entity::delete_many()
        .filter(personal_token::Column::UserId.eq(user_id))
        .exec(txn)
        .await?;
    email_token::Entity::delete_many()
        .filter(email_token::Column::UserId.eq(user_id))
        .exec(txn)
        .await
        .map(drop)
}

fn reject_tokens_without_session(user_id: i32, now: DateTime<Utc>) -> sea_orm::UpdateMany<user::Entity> {
    user::Entity::update_many()
        .col_expr(user::Column::SessionsEndedAt, Expr::val(now))
        .filter(user::Column::Id.eq(user_id))
}
