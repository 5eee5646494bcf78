//! The task that deletes tags without articles. No response shows them.

use std::time::Duration;

use entity::{article_tag, tag};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
    SqlErr,
};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::{db::Writer, http::error::Result, publishing::Publishing, tasks::Tasks};

/// The time between two runs.
const INTERVAL: Duration = Duration::from_mins(10);

/// Tags that one statement looks at.
const BATCH: u64 = 500;

/// The pause between two batches, in which other writes get their turn.
const PAUSE: Duration = Duration::from_millis(50);

/// Starts the task. `publishing` has the connections of tasks.
pub fn start(tasks: &Tasks, publishing: &Publishing) {
    let writer = publishing.writer.clone();
    tasks.spawn("deletion of tags without articles", async move |token| {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while token.run_until_cancelled(ticks.tick()).await.is_some() {
            delete_orphans(&writer, &token).await?;
        }
        Ok::<_, crate::http::error::Error>(())
    });
}

/// Deletes all tags without articles.
pub async fn delete_orphans(writer: &Writer, token: &CancellationToken) -> Result<()> {
    let mut last = 0;
    loop {
        let batch = tag::Entity::find()
            .select_only()
            .column(tag::Column::Id)
            .filter(tag::Column::Id.gt(last))
            .order_by_asc(tag::Column::Id)
            .limit(BATCH);
        let ids: Vec<i32> = batch.into_tuple().all(writer.connections()).await?;
        let Some(newest) = ids.last().copied() else { return Ok(()) };
        let used = article_tag::Entity::find()
            .select_only()
            .column(article_tag::Column::TagId)
            .filter(article_tag::Column::TagId.is_in(ids.iter().copied()));
        let delete = tag::Entity::delete_many()
            .filter(tag::Column::Id.is_in(ids))
            .filter(tag::Column::Id.not_in_subquery(used.into_query()));
        let deleted = writer.statement([], async move |db| delete.exec(db).await).await;
        // An article that gets one of the tags at the same time wins; the next run deletes the others.
        if let Err(error) = deleted
            && !matches!(error.sql_err(), Some(SqlErr::ForeignKeyConstraintViolation(_)))
        {
            return Err(error.into());
        }
        last = newest;
        if token.run_until_cancelled(sleep(PAUSE)).await.is_none() {
            return Ok(());
        }
    }
}
