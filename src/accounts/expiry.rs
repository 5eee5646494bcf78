//! The task that deletes rows of accounts that have expired: sessions, personal access tokens, links of e-mails,
//! counters, and messages that could not be sent. Nothing relies on it, because every statement compares the time itself.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{email_token, personal_token, rate_limit, session};
use sea_orm::{
    ColumnTrait, EntityTrait, Iterable as _, PrimaryKeyToColumn, QueryFilter as _, QuerySelect as _,
    QueryTrait as _,
};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::{Accounts, recovery::service::EXPIRED_LINKS};
use crate::{
    db::Writer,
    http::error::{Error, Result},
    mail::queue,
    tasks::Tasks,
};

/// The time between two runs.
const INTERVAL: Duration = Duration::from_mins(1);

/// Rows deleted by one statement. A run deletes as many batches as there are.
const BATCH: u64 = 500;

/// The pause between two batches, in which other writes get their turn.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a personal access token is listed after it has expired, so that its owner sees why a script fails.
const SHOWN_EXPIRED: TimeDelta = TimeDelta::days(30);

/// Starts the task. `accounts` has the connections of tasks.
pub fn start(tasks: &Tasks, accounts: &Accounts) {
    let (writer, clock) = (accounts.writer.clone(), accounts.clock.clone());
    tasks.spawn("expiry of accounts' rows", async move |token| {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while token.run_until_cancelled(ticks.tick()).await.is_some() {
            delete_expired(&writer, clock.now(), &token).await?;
        }
        Ok::<_, Error>(())
    });
}

/// Deletes all rows that have expired at `now`.
pub async fn delete_expired(writer: &Writer, now: DateTime<Utc>, token: &CancellationToken) -> Result<()> {
    let old = now - SHOWN_EXPIRED;
    delete_all::<session::Entity>(writer, session::Column::ExpiresAt, now, token).await?;
    delete_all::<personal_token::Entity>(writer, personal_token::Column::ExpiresAt, old, token).await?;
    delete_all::<email_token::Entity>(writer, email_token::Column::ExpiresAt, now - EXPIRED_LINKS, token)
        .await?;
    delete_all::<rate_limit::Entity>(writer, rate_limit::Column::ExpiresAt, now, token).await?;
    Ok(writer.statement([], async move |db| queue::remove_failed(db, now).await).await?)
}

/// Deletes the rows of one table whose `column` is not after `now`, in batches.
async fn delete_all<E: EntityTrait>(
    writer: &Writer,
    column: E::Column,
    now: DateTime<Utc>,
    token: &CancellationToken,
) -> Result<()> {
    let Some(key) = E::PrimaryKey::iter().next().map(PrimaryKeyToColumn::into_column) else { return Ok(()) };
    loop {
        let expired = E::find().select_only().column(key).filter(column.lte(now)).limit(BATCH).into_query();
        let delete = E::delete_many().filter(key.in_subquery(expired));
        let deleted = writer.statement([], async move |db| delete.exec(db).await).await?.rows_affected;
        if deleted < BATCH || token.run_until_cancelled(sleep(PAUSE)).await.is_none() {
            return Ok(());
        }
    }
}
