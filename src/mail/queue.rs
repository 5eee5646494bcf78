//! The rows of the queue: queued, claimed, delivered, retried, given up.

use chrono::{DateTime, TimeDelta, Utc};
use entity::mail;
use sea_orm::{
    ActiveValue::NotSet, ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Set, sea_query::Expr,
};

use super::{Kind, QueueLengths};

/// How long one server has a message for itself. Longer than an attempt takes.
const LEASE: TimeDelta = TimeDelta::minutes(2);

/// The pause after the first failed attempt. It doubles with each further one.
const FIRST_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// The longest pause.
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);

/// The number of attempts. With the pauses between them, the last one is about 24 hours after the first.
pub const MAX_ATTEMPTS: i32 = 29;

/// The maximum length of a stored reason, in code points.
const MAX_REASON: usize = 500;

/// How long messages that were given up stay in the queue.
const FAILED_FOR: TimeDelta = TimeDelta::days(30);

/// Why an attempt failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// Another attempt is pointless.
    pub(super) is_permanent: bool,
    /// For the log; contains no address.
    pub(super) summary: String,
    /// For the operator, who also sees the address.
    pub(super) reason: String,
}

/// Queues a message. `parameters` is a JSON object without secrets. Call it in the transaction of the cause, and
/// [`Delivery::notify`](super::Delivery::notify) after the commit.
pub async fn enqueue(
    db: &impl ConnectionTrait,
    kind: Kind,
    recipient: String,
    parameters: String,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let row = mail::ActiveModel {
        id: NotSet,
        kind: Set(kind.as_str().to_owned()),
        recipient: Set(recipient),
        parameters: Set(parameters),
        created_at: Set(now.into()),
        attempts: Set(0),
        next_attempt_at: Set(now.into()),
        failed_at: Set(None),
        last_error: Set(None),
    };
    mail::Entity::insert(row).exec_without_returning(db).await.map(drop)
}

/// Messages that are due, those that have waited longest first.
pub(super) async fn due(
    db: &impl ConnectionTrait,
    limit: u64,
    now: DateTime<Utc>,
) -> Result<Vec<mail::Model>, DbErr> {
    mail::Entity::find()
        .filter(mail::Column::FailedAt.is_null())
        .filter(mail::Column::NextAttemptAt.lte(now))
        .order_by_asc(mail::Column::NextAttemptAt)
        .order_by_asc(mail::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Counts the messages.
pub(super) async fn count(db: &impl ConnectionTrait) -> Result<QueueLengths, DbErr> {
    let given_up = mail::Entity::find().filter(mail::Column::FailedAt.is_not_null()).count(db).await?;
    let waiting = mail::Entity::find().filter(mail::Column::FailedAt.is_null()).count(db).await?;
    Ok(QueueLengths { waiting, given_up })
}

/// Reserves a message for this server and counts the attempt. `None` if another server was faster. A server that
/// ends without a result leaves the message to others after [`LEASE`].
pub(super) async fn claim(
    db: &impl ConnectionTrait,
    mut row: mail::Model,
    now: DateTime<Utc>,
) -> Result<Option<mail::Model>, DbErr> {
    let seen = row.next_attempt_at;
    row.next_attempt_at = (now + LEASE).into();
    row.attempts = row.attempts.saturating_add(1);
    let claimed = mail::Entity::update_many()
        .col_expr(mail::Column::NextAttemptAt, Expr::val(row.next_attempt_at))
        .col_expr(mail::Column::Attempts, Expr::val(row.attempts))
        .filter(mail::Column::Id.eq(row.id))
        .filter(mail::Column::NextAttemptAt.eq(seen))
        .filter(mail::Column::FailedAt.is_null())
        .exec(db)
        .await?;
    Ok((claimed.rows_affected == 1).then_some(row))
}

/// Replaces the parameters of a message.
pub async fn set_parameters(db: &impl ConnectionTrait, id: i64, parameters: String) -> Result<(), DbErr> {
    let update = mail::Entity::update_many().col_expr(mail::Column::Parameters, Expr::val(parameters));
    update.filter(mail::Column::Id.eq(id)).exec(db).await.map(drop)
}

/// Removes a message that was delivered or is not needed any more.
pub(super) async fn remove(db: &impl ConnectionTrait, id: i64) -> Result<(), DbErr> {
    mail::Entity::delete_by_id(id).exec(db).await.map(drop)
}

/// Records a failed attempt of the claimed `row`, and returns whether it was the last one.
pub(super) async fn record_failure(
    db: &impl ConnectionTrait,
    row: &mail::Model,
    failure: &Failure,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let gives_up = failure.is_permanent || row.attempts >= MAX_ATTEMPTS;
    let failed_at = gives_up.then_some(now);
    let reason: String = failure.reason.replace('\0', " ").chars().take(MAX_REASON).collect();
    // Not if another server has claimed it since.
    mail::Entity::update_many()
        .col_expr(mail::Column::NextAttemptAt, Expr::val(now + pause(row.attempts)))
        .col_expr(mail::Column::FailedAt, Expr::val(failed_at))
        .col_expr(mail::Column::LastError, Expr::val(reason))
        .filter(mail::Column::Id.eq(row.id))
        .filter(mail::Column::NextAttemptAt.eq(row.next_attempt_at))
        .exec(db)
        .await?;
    Ok(gives_up)
}

/// Returns the claimed `row` to the queue. For an attempt that was interrupted.
pub(super) async fn release(
    db: &impl ConnectionTrait,
    row: &mail::Model,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let update = mail::Entity::update_many().col_expr(mail::Column::NextAttemptAt, Expr::val(now));
    let own = update.filter(mail::Column::Id.eq(row.id));
    own.filter(mail::Column::NextAttemptAt.eq(row.next_attempt_at)).exec(db).await.map(drop)
}

/// The pause after this number of failed attempts.
fn pause(attempts: i32) -> TimeDelta {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or_default().min(16);
    (FIRST_PAUSE * 2_i32.saturating_pow(doublings)).min(LONGEST_PAUSE)
}

/// The oldest messages of the queue, for the operator.
pub async fn list(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<mail::Model>, DbErr> {
    mail::Entity::find().order_by_asc(mail::Column::Id).limit(limit).all(db).await
}

/// Makes a message due, or all if `id` is `None`, as if there had been no attempt. Returns their number.
pub async fn retry(db: &impl ConnectionTrait, id: Option<i64>, now: DateTime<Utc>) -> Result<u64, DbErr> {
    let chosen = id.map(|id| Condition::all().add(mail::Column::Id.eq(id)));
    let retried = mail::Entity::update_many()
        .col_expr(mail::Column::Attempts, Expr::val(0))
        .col_expr(mail::Column::NextAttemptAt, Expr::val(now))
        .col_expr(mail::Column::FailedAt, Expr::val(None::<DateTime<Utc>>))
        .filter(chosen.unwrap_or_else(Condition::all))
        .exec(db)
        .await?;
    Ok(retried.rows_affected)
}

/// Removes messages that were given up long ago.
pub async fn remove_failed(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<(), DbErr> {
    let old = mail::Column::FailedAt.lt(now - FAILED_FOR);
    mail::Entity::delete_many().filter(old).exec(db).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_a_minute_to_an_hour_and_last_for_a_day() {
        let pauses: Vec<i64> = (1..MAX_ATTEMPTS).map(|attempts| pause(attempts).num_minutes()).collect();
        assert_eq!(pauses.get(..8), Some([1, 2, 4, 8, 16, 32, 60, 60].as_slice()));
        let total: i64 = pauses.iter().sum();
        assert!((23 * 60..=25 * 60).contains(&total), "{total}");
        for attempts in [i32::MIN, -1, 0, i32::MAX] {
            assert!((FIRST_PAUSE..=LONGEST_PAUSE).contains(&pause(attempts)), "{attempts}");
        }
    }
}
