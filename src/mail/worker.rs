//! The background task that sends the messages of the queue.

use std::{future::Future, time::Duration};

use entity::mail;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sea_orm::DbErr;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Delivery, Kind, Message,
    queue::{self, Failure},
    smtp::Transport,
};
use crate::{clock::Clock, config::MailSettings, db::Writer, tasks::Tasks};

/// The time between two looks at the queue, for messages that are due again and those of other processes.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// The maximum number of messages that one look reads.
const BATCH: u64 = 20;

/// The maximum number of messages that are sent at the same time.
const MAX_CONCURRENT: u32 = 4;

/// A message as it is sent.
#[derive(Debug)]
pub struct Composed {
    /// The address.
    pub recipient: String,
    /// The message.
    pub message: Message,
}

/// Composes messages from the rows of the queue, when they are sent.
pub trait Compose {
    /// An error of composing.
    type Error: std::fmt::Display;

    /// The message of a row; `None` if it is not needed any more. Called again for each attempt.
    ///
    /// # Errors
    /// If the message cannot be composed now. The attempt counts as failed.
    fn compose(
        &self,
        kind: Kind,
        row: &mail::Model,
    ) -> impl Future<Output = Result<Option<Composed>, Self::Error>>;
}

/// What the task needs.
pub struct Worker<C> {
    /// Reads and writes the queue.
    pub writer: Writer,
    /// The source of time.
    pub clock: Clock,
    /// Signals that this process has queued a message.
    pub delivery: Delivery,
    /// The settings of e-mail.
    pub settings: MailSettings,
    /// The name of the site.
    pub site: String,
    /// Composes messages.
    pub composer: C,
}

impl<C: Compose + Send + 'static> Worker<C> {
    /// Starts the task, unless messages cannot be delivered.
    pub fn start(self, tasks: &Tasks) {
        if self.delivery.is_possible() {
            tasks.spawn("mail", async move |token| self.run(&token).await);
        }
    }

    async fn run(&self, token: &CancellationToken) -> Result<(), String> {
        let transport =
            Transport::new(&self.settings, MAX_CONCURRENT).map_err(|error| format!("SMTP_URL: {error}"))?;
        let sent = self.send_all(&transport, token).await;
        transport.close().await;
        sent.map_err(|error| error.to_string())
    }

    /// Sends messages until the token is cancelled.
    async fn send_all(&self, transport: &Transport, token: &CancellationToken) -> Result<(), DbErr> {
        let mut counted: Option<Instant> = None;
        while !token.is_cancelled() {
            if self.delivery.counts() && counted.is_none_or(|counted| counted.elapsed() >= POLL_INTERVAL) {
                self.delivery.set_lengths(queue::count(self.writer.connections()).await?);
                counted = Some(Instant::now());
            }
            let due = queue::due(self.writer.connections(), BATCH, self.clock.now()).await?;
            if due.is_empty() {
                tokio::select! {
                    () = token.cancelled() => {}
                    () = self.delivery.queued.notified() => {}
                    () = sleep(POLL_INTERVAL) => {}
                }
                continue;
            }
            let concurrent = usize::try_from(MAX_CONCURRENT).unwrap_or(1);
            stream::iter(due)
                .map(Ok)
                .try_for_each_concurrent(concurrent, |row| self.deliver(transport, row, token))
                .await?;
        }
        Ok(())
    }

    /// Makes one attempt to send a message, unless another server does.
    async fn deliver(
        &self,
        transport: &Transport,
        row: mail::Model,
        token: &CancellationToken,
    ) -> Result<(), DbErr> {
        if token.is_cancelled() {
            return Ok(());
        }
        let now = self.clock.now();
        let claimed = self.writer.statement([], async move |db| queue::claim(db, row, now).await).await?;
        let Some(row) = claimed else { return Ok(()) };
        let id = row.id;
        match token.run_until_cancelled(self.attempt(transport, &row)).await {
            Some(Ok(())) => self.writer.statement([], async move |db| queue::remove(db, id).await).await,
            Some(Err(failure)) => self.fail(row, failure).await,
            None => {
                let now = self.clock.now();
                self.writer.statement([], async move |db| queue::release(db, &row, now).await).await
            }
        }
    }

    async fn attempt(&self, transport: &Transport, row: &mail::Model) -> Result<(), Failure> {
        let cannot_compose =
            |reason: String| Failure { is_permanent: false, summary: reason.clone(), reason };
        let kind = Kind::parse(&row.kind)
            .ok_or_else(|| cannot_compose(format!("this release knows no message {:?}", row.kind)))?;
        let composed = self.composer.compose(kind, row).await;
        let Some(Composed { recipient, message }) =
            composed.map_err(|error| cannot_compose(format!("the message cannot be composed: {error}")))?
        else {
            return Ok(());
        };
        transport.send(row, &recipient, message.render(&self.site)).await?;
        tracing::info!(mail = row.id, kind = row.kind, attempts = row.attempts, "an e-mail was sent");
        Ok(())
    }

    async fn fail(&self, row: mail::Model, failure: Failure) -> Result<(), DbErr> {
        let now = self.clock.now();
        let (id, kind, attempts) = (row.id, row.kind.clone(), row.attempts);
        let reason = failure.summary.clone();
        let record = async move |db: &_| queue::record_failure(db, &row, &failure, now).await;
        if self.writer.statement([], record).await? {
            tracing::error!(
                mail = id,
                kind,
                attempts,
                reason,
                "an e-mail was given up; `byline mail retry` sends it again"
            );
        } else if attempts == 1 {
            tracing::warn!(mail = id, kind, reason, "an e-mail was not sent and will be tried again");
        } else {
            tracing::debug!(mail = id, kind, attempts, reason, "an e-mail was not sent again");
        }
        Ok(())
    }
}
