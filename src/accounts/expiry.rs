//! The background task that removes rows about accounts that have expired.

use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::sleep;

use super::{Accounts, limits, recovery};
use crate::{mail::queue, tasks::Tasks};

/// The time between two runs.
const INTERVAL: Duration = Duration::from_mins(1);

/// Starts the task. `accounts` has the connections of tasks.
pub fn start(tasks: &Tasks, accounts: &Accounts) {
    let accounts = accounts.clone();
    tasks.spawn("expiry of accounts", async move |token| {
        loop {
            remove_expired(&accounts).await?;
            if token.run_until_cancelled(sleep(INTERVAL)).await.is_none() {
                return Ok::<(), DbErr>(());
            }
        }
    });
}

/// Removes counters, links and failed messages that are not needed any more.
async fn remove_expired(accounts: &Accounts) -> Result<(), DbErr> {
    let (writer, now) = (&accounts.writer, accounts.clock.now());
    while writer.statement([], async move |db| limits::remove_expired(db, now).await).await? {}
    writer.statement([], async move |db| recovery::service::remove_expired_links(db, now).await).await?;
    writer.statement([], async move |db| queue::remove_failed(db, now).await).await
}
