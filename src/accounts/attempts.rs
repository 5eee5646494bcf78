//! Limits on failed attempts to prove a password, counted in the database for all servers.
//!
//! A name from all addresses together is never refused, so that no stranger can lock out its owner.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::ConnectionTrait;

use super::{
    Accounts,
    limits::{self, Limit, Refusals},
};
use crate::{
    db::Transaction,
    http::{client_address::ClientAddress, error::Result},
};

/// The time after the first failure until the count starts again.
const WINDOW: TimeDelta = TimeDelta::minutes(15);

/// How many times more failures of all names may come from one address.
const NAMES: u32 = 10;

/// The attempts of one client to prove the password of one name.
#[derive(Clone, Debug)]
pub struct Attempts {
    /// `LOGIN_LIMIT`; `None` without a limit.
    limit: Option<u32>,
    name: String,
    network: String,
    refusals: Refusals,
}

impl Attempts {
    /// The attempts for this name, as it was typed.
    pub fn new(accounts: &Accounts, client: ClientAddress, name: &str) -> Self {
        let limit = (accounts.login_limit > 0).then_some(accounts.login_limit);
        let refusals = accounts.refusals.clone();
        Self { limit, name: name.to_owned(), network: client.network().to_string(), refusals }
    }

    /// The counters, each with its subject.
    fn counters(&self) -> Option<[(Limit, String); 2]> {
        self.limit.map(|max| {
            let name = Limit { name: "failed logins by name and address", max, window: WINDOW };
            let all =
                Limit { name: "failed logins by address", max: max.saturating_mul(NAMES), window: WINDOW };
            [(name, format!("{}\n{}", self.network, self.name)), (all, self.network.clone())]
        })
    }

    /// Checks the limits without counting.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`](crate::http::error::Error::TooManyRequests).
    pub async fn check(&self, db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<()> {
        for (limit, subject) in self.counters().iter().flatten() {
            let check = async || limits::check(db, limit, subject, now).await;
            self.refusals.or_ask(limit, subject, now, check).await?;
        }
        Ok(())
    }

    /// Counts a failure. If others of the same client were counted since [`Attempts::check`], this one may be over
    /// the limit, and the client must not learn that it failed.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`](crate::http::error::Error::TooManyRequests).
    pub async fn count(&self, accounts: &Accounts, now: DateTime<Utc>) -> Result<()> {
        let Some(counters) = self.counters() else { return Ok(()) };
        let count = async move |txn: &Transaction| -> Result<()> {
            let mut outcome = Ok(());
            for (limit, subject) in &counters {
                outcome = outcome.and(limits::count(txn, limit, subject, now).await);
            }
            outcome
        };
        accounts.writer.transaction(async move |txn| limits::commit_refusal(count(txn).await)).await?
    }
}
