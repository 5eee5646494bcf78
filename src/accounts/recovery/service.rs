//! Queues links, and does what they are for: sets passwords and confirms addresses.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{email_token, user};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryTrait as _, Set,
    sea_query::Expr,
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    links::LinkKind,
    schemas::{EmailConfirmation, LinkToken, PasswordForgot, PasswordReset},
};
use crate::{
    accounts::{
        Accounts,
        limits::{self, Limit},
        passwords::{Requester, strength::check_strength},
        secrets::new_id,
        sessions::service as sessions,
        users::USERS,
    },
    config::EmailVerification,
    db::{Change, Transaction, violated_unique},
    http::{
        client_address::ClientAddress,
        error::{Error, Result},
        field_errors::{FieldErrors, InvalidValue},
    },
    mail::{Kind, queue},
};

/// How long a link to set a password is valid.
pub const RESET_LIFETIME: TimeDelta = TimeDelta::minutes(30);

/// How long a link to confirm an address is valid.
pub const CONFIRM_LIFETIME: TimeDelta = TimeDelta::hours(24);

/// How long links stay after they have expired. A message that is sent again renews its link, and is dropped if the
/// link is gone: the queue must have given up before that.
pub const EXPIRED_LINKS: TimeDelta = TimeDelta::days(2);

/// Messages to one mailbox that anyone can cause.
const MAILBOX: Limit = Limit { name: "mail to a mailbox", max: 3, window: TimeDelta::hours(1) };

/// Requests of one network that create accounts or send mail.
const NETWORK: Limit =
    Limit { name: "registration and mail by address", max: 60, window: TimeDelta::minutes(1) };

/// The parameters of a message.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Parameters {
    /// The id of the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<String>,
    /// The name of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) username: Option<String>,
}

impl Parameters {
    fn of_link(id: &str) -> Self {
        Self { link: Some(id.to_owned()), username: None }
    }

    fn of_account(account: &user::Model) -> Self {
        Self { link: None, username: Some(account.username.clone()) }
    }

    pub(super) fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::internal("queue an e-mail", error))
    }
}

/// Counts a request that creates an account.
///
/// # Errors
/// [`Error::TooManyRequests`] if the client's network has sent too many.
pub async fn count_registration(
    accounts: &Accounts,
    client: ClientAddress,
    now: DateTime<Utc>,
) -> Result<()> {
    let network = client.network().to_string();
    let count = async || {
        let network = network.clone();
        accounts.writer.statement([], async move |db| limits::count(db, &NETWORK, &network, now).await).await
    };
    accounts.refusals.or_ask(&NETWORK, &network, now, count).await
}

/// Queues a link to set a new password for the account with this address. The work is the same if there is no such
/// account: the account is looked up when the message is sent.
///
/// # Errors
/// [`Error::NoMail`] if the server sends no mail; [`Error::TooManyRequests`] if the mailbox or the client's network
/// has reached its limit.
pub async fn request_reset(
    accounts: &Accounts,
    client: ClientAddress,
    input: PasswordForgot,
    now: DateTime<Utc>,
) -> Result<()> {
    require_mail(accounts)?;
    let (email, network) = (input.email.into_inner(), client.network().to_string());
    let queue = async move |txn: &Transaction| -> Result<()> {
        limits::count(txn, &NETWORK, &network, now).await?;
        limits::count(txn, &MAILBOX, &user::email_key(&email), now).await?;
        let parameters = Parameters::default().to_json()?;
        Ok(queue::enqueue(txn, Kind::PasswordReset, email.clone(), parameters, now).await?)
    };
    accounts.writer.transaction(async move |txn| limits::commit_refusal(queue(txn).await)).await??;
    accounts.delivery.notify();
    Ok(())
}

/// Sets a new password, ends all sessions and tokens of the account, and confirms its address, because the link was
/// sent there.
///
/// # Errors
/// [`Error::Invalid`] if the link is not valid any more; [`Error::Busy`] when the queue of password hashes is full.
pub async fn reset_password(
    accounts: &Accounts,
    client: ClientAddress,
    input: PasswordReset,
    now: DateTime<Utc>,
) -> Result<()> {
    let PasswordReset { token, new_password } = input;
    let id = link_id(accounts, LinkKind::Reset, &token)?;
    // A link that was used must not cost a hash.
    let link = find_link(&accounts.reader, LinkKind::Reset, &id, now).await?;
    let account = user::Entity::find_by_id(link.user_id).one(&accounts.reader).await?;
    let user::Model { username, email, .. } = account.ok_or_else(invalid_link)?;
    check_strength(accounts, &new_password, &username, &email, &["body", "new_password"])?;
    let requester = Requester::new(client, &id);
    let hash = accounts.passwords.hash(requester, new_password.secret()).await?;
    let sends_mail = accounts.delivery.is_possible();
    let reset = async move |txn: &Transaction| -> Result<()> {
        let link = use_link(txn, LinkKind::Reset, &id, now).await?;
        let account = user::Entity::find_by_id(link.user_id).one(txn).await?.ok_or_else(invalid_link)?;
        if !account.is_active || user::email_key(&account.email) != user::email_key(&link.email) {
            return Err(invalid_link());
        }
        user::Entity::update_many()
            .col_expr(user::Column::HashedPassword, Expr::val(hash.clone()))
            .col_expr(user::Column::IsEmailConfirmed, Expr::val(true))
            .col_expr(user::Column::UpdatedAt, Expr::val(now.max(account.created_at.get())))
            .filter(user::Column::Id.eq(account.id))
            .exec(txn)
            .await?;
        sessions::end_all(txn, account.id, None, now).await?;
        txn.changed(Change::Row(USERS, account.id));
        if sends_mail {
            let parameters = Parameters::of_account(&account).to_json()?;
            queue::enqueue(txn, Kind::PasswordChanged, account.email, parameters, now).await?;
        }
        Ok(())
    };
    accounts.writer.transaction(reset).await?;
    accounts.delivery.notify();
    Ok(())
}

/// Confirms an address. If it is a new one, it becomes the address of the account, and other links that were sent
/// for the account are not valid any more.
///
/// # Errors
/// [`Error::Invalid`] if the link is not valid any more; [`Error::Conflict`] if another account has the address.
pub async fn confirm_email(accounts: &Accounts, input: EmailConfirmation, now: DateTime<Utc>) -> Result<()> {
    let id = link_id(accounts, LinkKind::Confirm, &input.token)?;
    let confirm = async move |txn: &Transaction| -> Result<()> {
        let link = use_link(txn, LinkKind::Confirm, &id, now).await?;
        let account = user::Entity::find_by_id(link.user_id).one(txn).await?.ok_or_else(invalid_link)?;
        if account.email == link.email && account.is_email_confirmed {
            return Ok(());
        }
        let update = user::Entity::update_many()
            .col_expr(user::Column::IsEmailConfirmed, Expr::val(true))
            .col_expr(user::Column::UpdatedAt, Expr::val(now.max(account.created_at.get())))
            .filter(user::Column::Id.eq(account.id));
        if account.email == link.email {
            update.exec(txn).await?;
        } else {
            let key = user::email_key(&link.email);
            let update = update
                .col_expr(user::Column::Email, Expr::val(link.email))
                .col_expr(user::Column::EmailKey, Expr::val(key));
            update.exec(txn).await.map_err(conflict)?;
            delete_links(txn, account.id, None).await?;
        }
        txn.changed(Change::Row(USERS, account.id));
        Ok(())
    };
    accounts.writer.transaction(confirm).await
}

/// Queues another link to confirm the address of the account, unless it is confirmed.
///
/// # Errors
/// As [`request_reset`].
pub async fn request_confirmation(
    accounts: &Accounts,
    client: ClientAddress,
    account: user::Model,
    now: DateTime<Utc>,
) -> Result<()> {
    require_mail(accounts)?;
    if account.is_email_confirmed {
        return Ok(());
    }
    let network = client.network().to_string();
    let queue = async move |txn: &Transaction| -> Result<()> {
        limits::count(txn, &NETWORK, &network, now).await?;
        limits::count(txn, &MAILBOX, &user::email_key(&account.email), now).await?;
        queue_confirmation(txn, account.id, &account.email, now).await
    };
    accounts.writer.transaction(async move |txn| limits::commit_refusal(queue(txn).await)).await??;
    accounts.delivery.notify();
    Ok(())
}

/// Queues a link that confirms `email` for an account. Call it in the transaction that needs the confirmation, and
/// notify the delivery after the commit.
///
/// # Errors
/// If the database fails.
pub async fn queue_confirmation(
    txn: &impl ConnectionTrait,
    user_id: i32,
    email: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let id = new_id();
    insert_link(txn, LinkKind::Confirm, &id, user_id, email, now).await?;
    let parameters = Parameters::of_link(&id).to_json()?;
    Ok(queue::enqueue(txn, Kind::ConfirmAddress, email.to_owned(), parameters, now).await?)
}

/// Queues a link that makes `email` the address of the account, and a notice to its present address. Links for
/// other new addresses are not valid any more. Call it in a transaction, and notify the delivery after the commit.
///
/// # Errors
/// [`Error::TooManyRequests`] if the mailbox of `email` has reached its limit.
pub async fn request_address_change(
    txn: &impl ConnectionTrait,
    account: &user::Model,
    email: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    limits::count(txn, &MAILBOX, &user::email_key(email), now).await?;
    delete_links(txn, account.id, Some(LinkKind::Confirm)).await?;
    queue_confirmation(txn, account.id, email, now).await?;
    let parameters = Parameters::of_account(account).to_json()?;
    Ok(queue::enqueue(txn, Kind::AddressChange, account.email.clone(), parameters, now).await?)
}

/// Whether a new account must confirm its address, and can.
pub fn asks_for_confirmation(accounts: &Accounts) -> bool {
    accounts.verification != EmailVerification::Off && accounts.delivery.is_possible()
}

/// Adds a link.
pub(super) async fn insert_link(
    db: &impl ConnectionTrait,
    kind: LinkKind,
    id: &str,
    user_id: i32,
    email: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let row = email_token::ActiveModel {
        id: Set(id.to_owned()),
        user_id: Set(user_id),
        kind: Set(kind.as_str().to_owned()),
        email: Set(email.to_owned()),
        created_at: Set(now.into()),
        expires_at: Set((now + lifetime(kind)).into()),
    };
    email_token::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

/// Lets a link begin now. Returns false if it was used or replaced.
pub(super) async fn renew_link(
    db: &impl ConnectionTrait,
    kind: LinkKind,
    id: &str,
    now: DateTime<Utc>,
) -> Result<bool> {
    let renewed = email_token::Entity::update_many()
        .col_expr(email_token::Column::ExpiresAt, Expr::val(now + lifetime(kind)))
        .filter(email_token::Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(renewed.rows_affected == 1)
}

fn lifetime(kind: LinkKind) -> TimeDelta {
    match kind {
        LinkKind::Reset => RESET_LIFETIME,
        LinkKind::Confirm => CONFIRM_LIFETIME,
    }
}

fn require_mail(accounts: &Accounts) -> Result<()> {
    if accounts.delivery.is_possible() { Ok(()) } else { Err(Error::NoMail) }
}

/// The id of a link, if its token is authentic.
fn link_id(accounts: &Accounts, kind: LinkKind, token: &LinkToken) -> Result<String> {
    accounts.links.id_of(kind, token.0.expose_secret())?.map(ToOwned::to_owned).ok_or_else(invalid_link)
}

async fn find_link(
    db: &impl ConnectionTrait,
    kind: LinkKind,
    id: &str,
    now: DateTime<Utc>,
) -> Result<email_token::Model> {
    let link = email_token::Entity::find_by_id(id).filter(email_token::Column::Kind.eq(kind.as_str()));
    link.filter(email_token::Column::ExpiresAt.gt(now)).one(db).await?.ok_or_else(invalid_link)
}

/// Returns the link and deletes it. Of two requests at the same time, one deletes it.
async fn use_link(
    txn: &impl ConnectionTrait,
    kind: LinkKind,
    id: &str,
    now: DateTime<Utc>,
) -> Result<email_token::Model> {
    let link = find_link(txn, kind, id, now).await?;
    let deleted = email_token::Entity::delete_by_id(id).exec(txn).await?;
    if deleted.rows_affected == 1 { Ok(link) } else { Err(invalid_link()) }
}

/// Deletes the links of an account, all or those of one kind.
async fn delete_links(txn: &impl ConnectionTrait, user_id: i32, kind: Option<LinkKind>) -> Result<()> {
    email_token::Entity::delete_many()
        .filter(email_token::Column::UserId.eq(user_id))
        .apply_if(kind, |delete, kind| delete.filter(email_token::Column::Kind.eq(kind.as_str())))
        .exec(txn)
        .await?;
    Ok(())
}

fn invalid_link() -> Error {
    let invalid = InvalidValue::rejected("the link is not valid, was used before, or has expired");
    FieldErrors::one(invalid, &["body", "token"], json!("[redacted]")).into()
}

fn conflict(error: DbErr) -> Error {
    if violated_unique(&error).is_some() { Error::Conflict("Email already registered") } else { error.into() }
}
