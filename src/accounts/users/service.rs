//! Creates, reads, changes and deletes accounts.

use std::iter;

use chrono::{DateTime, Utc};
use entity::{StoredTime, user};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::NotSet, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _,
    IntoActiveModel as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Set,
    sea_query::Expr,
};
use sha2::{Digest as _, Sha256};

use super::{
    USERS,
    schemas::{
        AccountName, Bio, DisplayName, ImageUrl, PasswordChange, PasswordConfirmation, ProfileResponse,
        UserCreate, UserResponse, UserUpdate,
    },
};
use crate::{
    accounts::{
        Accounts, CurrentUser,
        attempts::Attempts,
        passwords::{Requester, Verification, strength::check_strength},
        recovery::service as recovery,
        sessions::{schemas::Credential, service::end_all},
    },
    config::EmailVerification,
    db::{Change, Transaction, violated_unique},
    http::{
        client_address::ClientAddress,
        conditional::{EntityTag, EntityTags},
        error::{Error, Result},
        request::UserId,
        timestamp::Timestamp,
    },
};

const EMAIL: &str = "Email already registered";
const EMAIL_TAKEN: Error = Error::Conflict(EMAIL);
const NAME_TAKEN: Error = Error::Conflict("Username already registered");

/// The answer to removing, suspending or demoting the last administrator.
pub(in crate::accounts) const LAST_ADMIN: Error = Error::Conflict("The last administrator cannot be removed");

/// The unique indexes of both engines.
const NAME_INDEXES: [&str; 2] = ["users_username_key", "users.username"];
const EMAIL_INDEXES: [&str; 4] = ["users_email_key", "users.email", "users_email_key_key", "users.email_key"];

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
    let username = input.username.as_ref().to_owned();
    let row = row(accounts, client, input, false, now).await?;
    let register = async move |txn: &Transaction| -> Result<user::Model> {
        let account = row.clone().insert(txn).await.map_err(taken)?;
        recovery::queue_confirmation(txn, account.id, &account.email, now).await?;
        txn.changed(Change::Inserted(USERS));
        Ok(account)
    };
    let registered = accounts.writer.transaction(register).await.map(view);
    let account = name_first(&accounts.reader, registered, username).await?;
    accounts.delivery.notify();
    Ok(account)
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
    let username = input.username.as_ref().to_owned();
    let row = row(accounts, client, input, is_email_confirmed, now).await?;
    let insert = async move |db: &_| row.insert(db).await.map(view).map_err(taken);
    let created = accounts.writer.statement([Change::Inserted(USERS)], insert).await;
    name_first(&accounts.reader, created, username).await
}

/// The row of a new account.
pub(in crate::accounts) async fn row(
    accounts: &Accounts,
    client: ClientAddress,
    input: UserCreate,
    is_email_confirmed: bool,
    now: DateTime<Utc>,
) -> Result<user::ActiveModel> {
    let UserCreate { email, username, password } = input;
    let (email, username) = (email.into_inner(), username.into_inner());
    check_strength(accounts, &password, &username, &email, &["body", "password"])?;
    let requester = Requester::new(client, &username);
    let hashed_password = accounts.passwords.hash(requester, password.secret()).await?;
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

/// The account, as shown to its owner.
pub fn view(account: user::Model) -> UserResponse {
    let user::Model {
        id,
        email,
        username,
        hashed_password: _,
        created_at,
        updated_at,
        email_key: _,
        is_admin,
        is_active: _,
        is_email_confirmed,
        display_name,
        bio,
        image,
        sessions_ended_at: _,
    } = account;
    let (created_at, updated_at) = (Timestamp(created_at.get()), Timestamp(updated_at.get()));
    UserResponse {
        id,
        email,
        username,
        created_at,
        updated_at,
        display_name,
        bio,
        image,
        is_admin,
        is_email_confirmed,
    }
}

/// The tag of the account as its owner sees it.
pub fn tag(account: &UserResponse) -> Result<EntityTag> {
    let json = serde_json::to_vec(account).map_err(|error| Error::internal("write an account", error))?;
    Ok(EntityTag::of_digest(&Sha256::digest(json)))
}

/// The public profile of an active account.
///
/// # Errors
/// [`Error::NotFound`] if there is none with this name.
pub async fn profile(db: &impl ConnectionTrait, name: AccountName) -> Result<ProfileResponse> {
    let account = find_by_name(db, name).await?.filter(|account| account.is_active);
    let user::Model { id, username, display_name, bio, image, .. } =
        account.ok_or(Error::NotFound("User"))?;
    Ok(ProfileResponse { id, username, display_name, bio, image })
}

/// The account with exactly the typed name, or else the one with its normalised spelling.
pub async fn find_by_name(db: &impl ConnectionTrait, name: AccountName) -> Result<Option<user::Model>> {
    let AccountName { typed, stored } = name;
    // No name contains U+0000, and PostgreSQL rejects a query with it.
    if typed.contains('\0') {
        return Ok(None);
    }
    let names = user::Column::Username.is_in(iter::once(typed.clone()).chain(stored));
    let mut accounts = user::Entity::find().filter(names).all(db).await?;
    accounts.sort_by_key(|account| account.username != typed);
    Ok(accounts.into_iter().next())
}

/// Changes the members that are given. `updated_at` changes only if a value changes. If addresses are confirmed, a new
/// one takes effect when it is.
///
/// # Errors
/// [`Error::PreconditionFailed`], then [`Error::Conflict`] if the name or the address is taken;
/// [`Error::TooManyRequests`] if the mailbox has reached its limit.
pub async fn update(
    accounts: &Accounts,
    id: UserId,
    input: UserUpdate,
    if_match: Option<EntityTags>,
    now: DateTime<Utc>,
) -> Result<UserResponse> {
    let confirms = recovery::asks_for_confirmation(accounts);
    let work = async move |txn: &Transaction| {
        let account = user::Entity::find_by_id(id.0).lock_exclusive().one(txn).await?;
        let account = account.ok_or(Error::BadCredentials)?;
        let matches = |tags: &EntityTags| tag(&view(account.clone())).map(|tag| tags.matches(&tag));
        if !if_match.as_ref().map_or(Ok(true), matches)? {
            return Err(Error::PreconditionFailed("account"));
        }
        let mut input = input.clone();
        if let Some(email) = input.email.take_if(|email| confirms && email.as_ref() != account.email) {
            recovery::request_address_change(txn, &account, email.as_ref(), now).await?;
        }
        let mut changed = changed(account.clone(), input);
        if changed == account {
            return Ok(view(account));
        }
        changed.updated_at = StoredTime::from(now).max(account.created_at);
        let row = changed.into_active_model().reset_all();
        row.update(txn).await.map(view).map_err(taken)
    };
    let account = accounts.writer.transaction(work).await?;
    accounts.delivery.notify();
    Ok(account)
}

/// The account with the members that are given.
fn changed(mut account: user::Model, input: UserUpdate) -> user::Model {
    let UserUpdate { email, username, display_name, bio, image } = input;
    if let Some(email) = email {
        account.email = email.into_inner();
        account.email_key = Some(user::email_key(&account.email));
    }
    if let Some(username) = username {
        account.username = username.into_inner();
    }
    if let Some(display_name) = display_name.into_change() {
        account.display_name = display_name.map(DisplayName::into_inner);
    }
    if let Some(bio) = bio.into_change() {
        account.bio = bio.map(Bio::into_inner);
    }
    if let Some(image) = image.into_change() {
        account.image = image.map(ImageUrl::into_inner);
    }
    account
}

/// Changes the password, and ends every other session and token of the account.
///
/// # Errors
/// [`Error::WrongPassword`]; [`Error::Busy`] when the queue of password hashes is full.
pub async fn change_password(
    accounts: &Accounts,
    user: &CurrentUser,
    client: ClientAddress,
    input: PasswordChange,
    now: DateTime<Utc>,
) -> Result<()> {
    let PasswordChange { current_password, new_password } = input;
    let verified = confirm_password(accounts, user, client, &current_password, now).await?;
    let (requester, email) = (Requester::new(client, user.username()), user.email());
    check_strength(accounts, &new_password, user.username(), email, &["body", "new_password"])?;
    let hash = accounts.passwords.hash(requester, new_password.secret()).await?;
    let (id, session) = (user.id(), user.session().map(str::to_owned));
    let work = async move |txn: &Transaction| {
        txn.changed(Change::Row(USERS, id.0));
        let update = user::Entity::update_many()
            .col_expr(user::Column::HashedPassword, Expr::val(&hash))
            .filter(user::Column::Id.eq(id.0))
            .filter(user::Column::HashedPassword.eq(&verified));
        // Another request changed it first.
        if update.exec(txn).await?.rows_affected == 0 {
            return Err(Error::WrongPassword);
        }
        Ok(end_all(txn, id.0, session.as_deref(), now).await?)
    };
    accounts.writer.transaction(work).await
}

/// Deletes the account with its articles, sessions and tokens.
///
/// # Errors
/// [`Error::WrongPassword`]; [`Error::Conflict`] for the last administrator; [`Error::Busy`] when the queue of
/// password hashes is full.
pub async fn delete(
    accounts: &Accounts,
    user: &CurrentUser,
    client: ClientAddress,
    input: PasswordConfirmation,
    now: DateTime<Utc>,
) -> Result<()> {
    let verified = confirm_password(accounts, user, client, &input.password, now).await?;
    let id = user.id();
    let work = async move |txn: &Transaction| {
        // The foreign key deletes the articles.
        txn.changed(Change::Everything);
        keep_an_admin(txn, id.0).await?;
        let delete = user::Entity::delete_many()
            .filter(user::Column::Id.eq(id.0))
            .filter(user::Column::HashedPassword.eq(&verified));
        if delete.exec(txn).await?.rows_affected == 0 { Err(Error::WrongPassword) } else { Ok(()) }
    };
    accounts.writer.transaction(work).await
}

/// Compares a password with that of the account, and returns the stored hash that it matches. Failures count like
/// those of a login, so that a stolen token does not help to guess the password.
async fn confirm_password(
    accounts: &Accounts,
    user: &CurrentUser,
    client: ClientAddress,
    password: &Credential,
    now: DateTime<Utc>,
) -> Result<String> {
    let attempts = Attempts::new(accounts, client, user.username());
    attempts.check(&accounts.reader, now).await?;
    let stored = user::Entity::find_by_id(user.id().0).one(&accounts.reader).await?;
    let stored = stored.ok_or(Error::BadCredentials)?.hashed_password;
    let requester = Requester::new(client, user.username());
    match accounts.passwords.verify(requester, &password.0, Some(&stored)).await? {
        Verification::Right { .. } => attempts.check(&accounts.reader, now).await.map(|()| stored),
        Verification::Wrong | Verification::Unusable => {
            attempts.count(accounts, now).await.and(Err(Error::WrongPassword))
        }
    }
}

/// Refuses to remove, suspend or demote the account `id` if no other administrator is active. The locks make
/// concurrent requests wait for each other, also for two different administrators.
///
/// # Errors
/// [`Error::Conflict`].
pub(in crate::accounts) async fn keep_an_admin(txn: &Transaction, id: i32) -> Result<()> {
    let admins: Vec<user::Model> = user::Entity::find()
        .filter(user::Column::IsAdmin.eq(true))
        .filter(user::Column::IsActive.eq(true))
        .order_by_asc(user::Column::Id)
        .limit(2)
        .lock_exclusive()
        .all(txn)
        .await?;
    match admins.as_slice() {
        [only] if only.id == id => Err(LAST_ADMIN),
        _ => Ok(()),
    }
}

/// The error of an update that violates a unique index. The database reports one of them.
pub(in crate::accounts) fn taken(error: DbErr) -> Error {
    match violated_unique(&error) {
        Some(name) if NAME_INDEXES.contains(&name) => NAME_TAKEN,
        Some(name) if EMAIL_INDEXES.contains(&name) => EMAIL_TAKEN,
        _ => error.into(),
    }
}

/// The outcome of creating an account. If both the name and the address are taken, the database reports one of
/// them, and the answer names the name. Not part of the transaction, which an error ends on PostgreSQL.
pub(in crate::accounts) async fn name_first<T>(
    db: &impl ConnectionTrait,
    outcome: Result<T>,
    username: String,
) -> Result<T> {
    match outcome {
        Err(Error::Conflict(EMAIL)) => {
            let same_name = user::Entity::find().filter(user::Column::Username.eq(username));
            Err(if same_name.count(db).await? == 0 { EMAIL_TAKEN } else { NAME_TAKEN })
        }
        other => other,
    }
}
