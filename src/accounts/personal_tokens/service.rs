//! Creates, lists, revokes and verifies personal access tokens.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{personal_token, user};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::NotSet, ColumnTrait as _, Condition, ConnectionTrait,
    EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Set,
    sea_query::Expr,
};
use secrecy::ExposeSecret as _;

use super::schemas::{PersonalTokenCreate, PersonalTokenCreated, PersonalTokenPath, PersonalTokenResponse};
use crate::{
    accounts::{CurrentUser, secrets},
    db::{Transaction, Writer},
    http::{
        error::{Error, Result},
        scope::Scope,
        timestamp::Timestamp,
        validation::Lifetime,
    },
};

/// The maximum number of tokens of one account, those that have expired included.
const MAX_TOKENS: u64 = 100;

/// The use of a token is written at most once in this time.
const USE_PRECISION: TimeDelta = TimeDelta::minutes(1);

/// Creates a token.
///
/// # Errors
/// [`Error::AdminOnly`] for the scope `admin` of an account that is no administrator; [`Error::Conflict`] if the
/// account has too many tokens.
pub async fn create(
    writer: &Writer,
    user: &CurrentUser,
    input: PersonalTokenCreate,
    now: DateTime<Utc>,
) -> Result<PersonalTokenCreated> {
    let PersonalTokenCreate { name, scopes, expires_in: Lifetime(lifetime) } = input;
    if scopes.0.contains(&Scope::Admin) && !user.is_admin() {
        return Err(Error::AdminOnly);
    }
    // In the order of their declaration, each once.
    let scopes = Scope::ALL.into_iter().filter(|scope| scopes.0.contains(scope)).map(Scope::name);
    let token = secrets::new_personal_token();
    let user_id = user.id().0;
    let row = personal_token::ActiveModel {
        id: NotSet,
        user_id: Set(user_id),
        name: Set(name.into_inner()),
        hash: Set(secrets::hash_of(token.expose_secret())),
        scopes: Set(scopes.collect::<Vec<_>>().join(" ")),
        created_at: Set(now.into()),
        expires_at: Set((now + lifetime).into()),
        last_used_at: Set(None),
    };
    let insert = async move |txn: &Transaction| {
        // The lock makes concurrent requests count one after the other.
        user::Entity::find_by_id(user_id).lock_exclusive().one(txn).await?.ok_or(Error::BadCredentials)?;
        if of_account(user_id).count(txn).await? >= MAX_TOKENS {
            return Err(Error::Conflict("The account has too many personal access tokens; revoke one first"));
        }
        Ok(row.clone().insert(txn).await?)
    };
    Ok(PersonalTokenCreated { token, description: view(writer.transaction(insert).await?) })
}

/// The tokens of an account, the newest first. At most 100.
pub async fn list(db: &impl ConnectionTrait, user: &CurrentUser) -> Result<Vec<PersonalTokenResponse>> {
    let rows = of_account(user.id().0).order_by_desc(personal_token::Column::Id).limit(MAX_TOKENS);
    Ok(rows.all(db).await?.into_iter().map(view).collect())
}

/// Revokes a token at once.
///
/// # Errors
/// [`Error::NotFound`] if the account has no such token.
pub async fn revoke(writer: &Writer, user: &CurrentUser, path: &PersonalTokenPath) -> Result<()> {
    const NOT_FOUND: Error = Error::NotFound("Personal access token");
    let id = path.token_id.get().ok_or(NOT_FOUND)?;
    let delete = personal_token::Entity::delete_many()
        .filter(personal_token::Column::Id.eq(id))
        .filter(personal_token::Column::UserId.eq(user.id().0));
    let deleted = writer.statement([], async move |db| delete.exec(db).await.map_err(Error::from));
    if deleted.await?.rows_affected == 0 { Err(NOT_FOUND) } else { Ok(()) }
}

/// The account of a valid token and the token's scopes.
///
/// # Errors
/// [`Error::BadCredentials`] if the token is unknown, revoked or expired, or its account is suspended.
pub(in crate::accounts) async fn verify(
    db: &impl ConnectionTrait,
    writer: &Writer,
    token: &str,
    now: DateTime<Utc>,
) -> Result<(user::Model, Vec<Scope>)> {
    let found = personal_token::Entity::find()
        .filter(personal_token::Column::Hash.eq(secrets::hash_of(token)))
        .filter(personal_token::Column::ExpiresAt.gt(now))
        .find_also_related(user::Entity)
        .filter(user::Column::IsActive.eq(true))
        .one(db)
        .await?;
    let Some((token, Some(account))) = found else { return Err(Error::BadCredentials) };
    if token.last_used_at.is_none_or(|used| used.get() + USE_PRECISION <= now) {
        record_use(writer, token.id, now).await;
    }
    Ok((account, token.scopes.split(' ').filter_map(Scope::parse_name).collect()))
}

/// Writes when the token was used. A failure does not fail the request: the database may be read-only.
async fn record_use(writer: &Writer, id: i32, now: DateTime<Utc>) {
    use personal_token::Column::{Id, LastUsedAt};

    let is_due = Condition::any().add(LastUsedAt.is_null()).add(LastUsedAt.lte(now - USE_PRECISION));
    let update = personal_token::Entity::update_many()
        .col_expr(LastUsedAt, Expr::val(now))
        .filter(Id.eq(id))
        .filter(is_due);
    let update = writer.statement([], async move |db| update.exec(db).await);
    if let Err(error) = update.await {
        tracing::debug!(token_id = id, %error, "failed to record the use of a personal access token");
    }
}

fn of_account(user_id: i32) -> sea_orm::Select<personal_token::Entity> {
    personal_token::Entity::find().filter(personal_token::Column::UserId.eq(user_id))
}

fn view(row: personal_token::Model) -> PersonalTokenResponse {
    let personal_token::Model { id, user_id: _, name, hash: _, scopes, created_at, expires_at, last_used_at } =
        row;
    PersonalTokenResponse {
        id,
        name,
        scopes: scopes.split(' ').map(str::to_owned).collect(),
        created_at: Timestamp(created_at.get()),
        expires_at: Timestamp(expires_at.get()),
        last_used_at: last_used_at.map(|time| Timestamp(time.get())),
    }
}
