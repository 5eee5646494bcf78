//! The tasks that publish drafts at their time, and that assign slugs to articles which other programs inserted.

use std::time::Duration;

use entity::{article, user};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, sea_query::ExprTrait as _,
};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Publishing,
    articles::service::{assign_slug, publish_scheduled},
};
use crate::{
    clock::Clock,
    db::Writer,
    http::error::{Error, Result},
    tasks::Tasks,
};

/// How often the task looks for due drafts. A draft is published within twice this time.
const INTERVAL: Duration = Duration::from_secs(1);

/// How often the task looks for articles without a slug. They are found by their ids until then.
const SLUG_INTERVAL: Duration = Duration::from_secs(10);

/// Articles that one statement looks for. Each is changed in a transaction of its own.
const BATCH: u64 = 100;

/// The pause between two batches, in which other writes get their turn.
const PAUSE: Duration = Duration::from_millis(10);

/// Starts the tasks. `publishing` has the connections of tasks.
pub(super) fn start(tasks: &Tasks, publishing: &Publishing) {
    let Publishing { writer, clock, .. } = publishing.clone();
    tasks.spawn("scheduled publication", async move |token| {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while token.run_until_cancelled(ticks.tick()).await.is_some() {
            publish_due(&writer, &clock, &token).await?;
        }
        Ok::<_, Error>(())
    });
    let writer = publishing.writer.clone();
    tasks.spawn("slugs of articles", async move |token| {
        // The start of a server has more urgent work.
        while token.run_until_cancelled(sleep(SLUG_INTERVAL)).await.is_some() {
            assign_slugs(&writer, &token).await?;
        }
        Ok::<_, Error>(())
    });
}

/// Publishes all drafts that are due, in the order of their times. Another server may publish some of them.
async fn publish_due(writer: &Writer, clock: &Clock, token: &CancellationToken) -> Result<()> {
    let due = async || {
        let due = article::Entity::find()
            .inner_join(user::Entity)
            .filter(article::Column::ScheduledAt.lte(clock.now()))
            .filter(article::Column::Published.into_expr().not())
            .filter(user::Column::IsActive.into_expr())
            .order_by_asc(article::Column::ScheduledAt);
        ids(writer.connections(), due).await
    };
    in_batches(token, due, async |id| publish_scheduled(writer, id, clock.now()).await).await
}

/// Assigns a slug to each article without one.
async fn assign_slugs(writer: &Writer, token: &CancellationToken) -> Result<()> {
    let without = async || {
        let without = article::Entity::find().filter(article::Column::Slug.is_null());
        ids(writer.connections(), without).await
    };
    in_batches(token, without, async |id| assign_slug(writer, id).await).await
}

/// The ids of the first articles of `select`.
async fn ids(db: &impl ConnectionTrait, select: sea_orm::Select<article::Entity>) -> Result<Vec<i32>, DbErr> {
    let ids = select.order_by_asc(article::Column::Id).select_only().column(article::Column::Id);
    ids.limit(BATCH).into_tuple().all(db).await
}

/// Calls `change` for each article that `next` finds, until it finds no more or `change` changes none. An article that
/// fails does not keep the others of its batch waiting.
///
/// # Errors
/// The first error of an article.
async fn in_batches(
    token: &CancellationToken,
    next: impl AsyncFn() -> Result<Vec<i32>, DbErr>,
    change: impl AsyncFn(i32) -> Result<bool>,
) -> Result<()> {
    loop {
        let batch = next().await?;
        let (mut changed, mut failure) = (false, None);
        for id in &batch {
            match change(*id).await {
                Ok(done) => changed |= done,
                // The next article would fail too.
                Err(error @ Error::Unavailable(_)) => return Err(error),
                Err(error) => failure = failure.or(Some(error)),
            }
            if token.is_cancelled() {
                return Ok(());
            }
        }
        let is_last = u64::try_from(batch.len()).is_ok_and(|found| found < BATCH);
        match failure {
            Some(error) => return Err(error),
            None if is_last || !changed || token.run_until_cancelled(sleep(PAUSE)).await.is_none() => {
                return Ok(());
            }
            None => {}
        }
    }
}
