//! Composes the messages about accounts when they are sent.

use chrono::{DateTime, Utc};
use entity::{mail, user};
use sea_orm::{ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, QueryFilter as _};

use super::{
    links::LinkKind,
    service::{CONFIRM_LIFETIME, Parameters, RESET_LIFETIME, insert_link, renew_link},
};
use crate::{
    accounts::{Accounts, secrets::new_id},
    db::Transaction,
    http::error::{Error, Result},
    mail::{
        Kind, Message, queue,
        worker::{Compose, Composed},
    },
};

/// Composes messages. Links and their lifetimes begin when a message is sent.
#[derive(Debug)]
pub struct Composer {
    /// The state of accounts, with the connections of tasks.
    pub accounts: Accounts,
}

impl Compose for Composer {
    type Error = Error;

    async fn compose(&self, kind: Kind, row: &mail::Model) -> Result<Option<Composed>> {
        let parameters: Parameters = serde_json::from_str(&row.parameters)
            .map_err(|error| Error::internal("read the parameters of an e-mail", error))?;
        let Parameters { link, username } = parameters;
        let username = username.unwrap_or_default();
        let message = match kind {
            Kind::PasswordReset => return self.reset(row, link).await,
            Kind::ConfirmAddress => match self.confirmation(link).await? {
                Some(message) => message,
                None => return Ok(None),
            },
            Kind::AddressChange => Message::AddressChange { username },
            Kind::PasswordChanged => Message::PasswordChanged { username },
        };
        Ok(Some(Composed { recipient: row.recipient.clone(), message }))
    }
}

impl Composer {
    /// `None` if no active account has the address, or the link was used: an attempt before may have been
    /// successful without a response.
    async fn reset(&self, row: &mail::Model, link: Option<String>) -> Result<Option<Composed>> {
        let account = find_account(&self.accounts.reader, &row.recipient).await?;
        let Some(account) = account.filter(|account| account.is_active) else { return Ok(None) };
        let user::Model { id: user_id, email, username, .. } = account;
        let (mail_id, now) = (row.id, self.accounts.clock.now());
        let address = email.clone();
        let begin = async move |txn: &Transaction| match &link {
            Some(id) => Ok(renew_link(txn, LinkKind::Reset, id, now).await?.then(|| id.clone())),
            None => begin_reset(txn, mail_id, user_id, &address, now).await.map(Some),
        };
        let Some(id) = self.accounts.writer.transaction(begin).await? else { return Ok(None) };
        let url = self.accounts.links.url(LinkKind::Reset, &id)?;
        let message = Message::PasswordReset { username, url, minutes: RESET_LIFETIME.num_minutes() };
        Ok(Some(Composed { recipient: email, message }))
    }

    /// `None` if the link was used or replaced.
    async fn confirmation(&self, link: Option<String>) -> Result<Option<Message>> {
        let Some(id) = link else { return Ok(None) };
        let (renewed, now) = (id.clone(), self.accounts.clock.now());
        let renew = async move |db: &_| renew_link(db, LinkKind::Confirm, &renewed, now).await;
        if !self.accounts.writer.statement([], renew).await? {
            return Ok(None);
        }
        let url = self.accounts.links.url(LinkKind::Confirm, &id)?;
        Ok(Some(Message::ConfirmAddress { url, hours: CONFIRM_LIFETIME.num_hours() }))
    }
}

/// Creates the link of a message, and stores its id with the message for further attempts.
async fn begin_reset(
    txn: &impl ConnectionTrait,
    mail_id: i64,
    user_id: i32,
    email: &str,
    now: DateTime<Utc>,
) -> Result<String> {
    let id = new_id();
    insert_link(txn, LinkKind::Reset, &id, user_id, email, now).await?;
    let parameters = Parameters { link: Some(id.clone()), username: None }.to_json()?;
    queue::set_parameters(txn, mail_id, parameters).await?;
    Ok(id)
}

/// The account with exactly this address, or else the one whose address differs only by case.
async fn find_account(db: &impl ConnectionTrait, email: &str) -> Result<Option<user::Model>> {
    let same = Condition::any()
        .add(user::Column::Email.eq(email))
        .add(user::Column::EmailKey.eq(user::email_key(email)));
    let mut accounts = user::Entity::find().filter(same).all(db).await?;
    accounts.sort_by_key(|account| account.email != email);
    Ok(accounts.into_iter().next())
}
