//! Limits on how often something may happen, counted in the database, so that all servers share the counts and a
//! restart does not reset them.

use std::{cmp, fmt, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use entity::{StoredTime, rate_limit};
use quick_cache::sync::Cache;
use sea_orm::{
    ConnectionTrait, EntityTrait as _, Set,
    sea_query::{Expr, ExprTrait as _, OnConflict},
};
use sha2::{Digest as _, Sha256};

use crate::http::error::{Error, Result};

/// How often an event may happen to one subject.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Distinguishes the counters of different limits. Changing it resets them.
    pub name: &'static str,
    /// The maximum number of events within `window`.
    pub max: u32,
    /// The time from the first event until the counter starts again.
    pub window: TimeDelta,
}

/// How long a refusal is repeated without a statement.
const REPEATED: TimeDelta = TimeDelta::seconds(1);

/// Maximum number of refusals in memory.
const MAX_REFUSALS: usize = 10_000;

/// The refusals of the last second. A client that does not stop is refused again from memory, so that its requests
/// cost the database nothing.
#[derive(Clone)]
pub struct Refusals(Arc<Cache<String, Refusal>>);

/// When a client was refused, and how many seconds it has to wait.
type Refusal = (DateTime<Utc>, u32);

impl Default for Refusals {
    fn default() -> Self {
        Self(Arc::new(Cache::new(MAX_REFUSALS)))
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Refusals").field(&self.0.len()).finish()
    }
}

impl Refusals {
    /// Repeats the last refusal of `subject` by `limit`, or returns what `ask` returns.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`], and the errors of `ask`.
    pub async fn or_ask(
        &self,
        limit: &Limit,
        subject: &str,
        now: DateTime<Utc>,
        ask: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<()> {
        let key = key(limit, subject);
        if let Some((at, seconds)) = self.0.get(&key)
            && (TimeDelta::zero()..REPEATED).contains(&(now - at))
        {
            return Err(Error::TooManyRequests(seconds));
        }
        let outcome = ask().await;
        if let Err(Error::TooManyRequests(seconds)) = outcome {
            self.0.insert(key, (now, seconds));
        }
        outcome
    }
}

/// Counts one event. Events over the limit are refused, and do not prolong the wait.
///
/// In a transaction, an error of this function rolls back what was counted before; [`commit_refusal`] prevents
/// that.
///
/// # Errors
/// [`Error::TooManyRequests`] if there were `max` events before.
pub async fn count(
    db: &impl ConnectionTrait,
    limit: &Limit,
    subject: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let (now, next) = (StoredTime::from(now), StoredTime::from(now + limit.window));
    let row = rate_limit::ActiveModel { key: Set(key(limit, subject)), count: Set(1), expires_at: Set(next) };
    let column = |column: rate_limit::Column| Expr::col((rate_limit::Entity, column));
    let (counted, expires_at) = (column(rate_limit::Column::Count), column(rate_limit::Column::ExpiresAt));
    let has_expired = expires_at.clone().lte(now);
    // The count ends one above the maximum, so that it cannot overflow.
    let is_below = counted.clone().lte(limit.max);
    let increased =
        Expr::case(has_expired.clone(), 1).case(is_below, counted.clone().add(1)).finally(counted);
    let upsert = OnConflict::column(rate_limit::Column::Key)
        .value(rate_limit::Column::Count, increased)
        .value(rate_limit::Column::ExpiresAt, Expr::case(has_expired, next).finally(expires_at))
        .to_owned();
    let row = rate_limit::Entity::insert(row).on_conflict(upsert).exec_with_returning(db).await?;
    refuse_above(limit.max, &row, now)
}

/// Checks the limit without counting.
///
/// # Errors
/// [`Error::TooManyRequests`] if there were `max` events.
pub async fn check(
    db: &impl ConnectionTrait,
    limit: &Limit,
    subject: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let row = rate_limit::Entity::find_by_id(key(limit, subject)).one(db).await?;
    let now = StoredTime::from(now);
    match row {
        Some(row) if row.expires_at > now => refuse_above(limit.max.saturating_sub(1), &row, now),
        _ if limit.max == 0 => Err(Error::TooManyRequests(1)),
        _ => Ok(()),
    }
}

/// For a transaction that ends with this outcome: commits also if a limit refuses the request, so that the refused
/// request counts towards the other limits.
///
/// # Errors
/// Every other error.
pub fn commit_refusal<T>(outcome: Result<T>) -> Result<Result<T>> {
    match outcome {
        Err(refusal @ Error::TooManyRequests(_)) => Ok(Err(refusal)),
        Err(error) => Err(error),
        Ok(value) => Ok(Ok(value)),
    }
}

fn refuse_above(max: u32, row: &rate_limit::Model, now: StoredTime) -> Result<()> {
    if i64::from(row.count) <= i64::from(max) {
        return Ok(());
    }
    let millis = (row.expires_at.get() - now.get()).num_milliseconds();
    // Rounded up, so that a client that waits so long is not refused again.
    let seconds = u32::try_from(millis.saturating_add(999) / 1000).unwrap_or_default();
    Err(Error::TooManyRequests(cmp::max(seconds, 1)))
}

/// The key of a counter: a hash, because people type passwords into fields for names.
fn key(limit: &Limit, subject: &str) -> String {
    let hash = Sha256::new().chain_update(limit.name).chain_update([0]).chain_update(subject).finalize();
    format!("{hash:x}")
}

#[cfg(test)]
mod tests {
    use sea_orm::DatabaseConnection;
    use test_support::TestDatabase;

    use super::*;

    const LIMIT: Limit = Limit { name: "a limit of the tests", max: 2, window: TimeDelta::minutes(1) };

    async fn database() -> (TestDatabase, DatabaseConnection) {
        let database = TestDatabase::create().await;
        let connection = database.connect().await;
        migration::up(&connection).await.unwrap();
        (database, connection)
    }

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_795_000_000_000 + millis).unwrap()
    }

    /// The wait in seconds; `None` if the event is allowed.
    fn wait(outcome: Result<()>) -> Option<u32> {
        match outcome {
            Ok(()) => None,
            Err(Error::TooManyRequests(seconds)) => Some(seconds),
            Err(error) => panic!("{error:?}"),
        }
    }

    #[actix_web::test]
    async fn events_up_to_the_maximum_are_allowed_within_a_window() {
        let (_database, db) = database().await;
        let event = async |millis| wait(count(&db, &LIMIT, "ann", at(millis)).await);
        assert_eq!([event(0).await, event(1).await], [None, None]);
        // The wait is rounded up, and a refused event does not prolong it.
        assert_eq!([event(2).await, event(58_999).await, event(59_999).await], [Some(60), Some(2), Some(1)]);
        // The end of the window is not part of it.
        assert_eq!([event(60_000).await, event(60_001).await], [None, None]);
        assert_eq!(event(60_002).await, Some(60));
    }

    #[actix_web::test]
    async fn subjects_and_limits_are_counted_separately() {
        let (_database, db) = database().await;
        let other = Limit { name: "another limit of the tests", ..LIMIT };
        for _ in 0..2 {
            for (limit, subject) in [(&LIMIT, "ann"), (&LIMIT, "Ann"), (&LIMIT, ""), (&other, "ann")] {
                assert_eq!(wait(count(&db, limit, subject, at(0)).await), None, "{limit:?} {subject}");
            }
        }
        assert_eq!(wait(count(&db, &LIMIT, "ann", at(0)).await), Some(60));
    }

    #[actix_web::test]
    async fn a_check_refuses_as_counting_would_but_counts_nothing() {
        let (_database, db) = database().await;
        for counted in 0..2 {
            for _ in 0..3 {
                assert_eq!(wait(check(&db, &LIMIT, "ann", at(0)).await), None, "{counted}");
            }
            count(&db, &LIMIT, "ann", at(0)).await.unwrap();
        }
        assert_eq!(wait(check(&db, &LIMIT, "ann", at(30_000)).await), Some(30));
        assert_eq!(wait(check(&db, &LIMIT, "ben", at(30_000)).await), None);
        assert_eq!(wait(check(&db, &LIMIT, "ann", at(60_000)).await), None);
    }

    #[actix_web::test]
    async fn a_refusal_is_repeated_for_a_second_without_asking_and_nothing_else_is() {
        let refusals = Refusals::default();
        let ask = async |limit: &Limit, subject: &str, millis: i64, outcome: Result<()>| {
            let mut asked = false;
            let outcome = refusals.or_ask(limit, subject, at(millis), async || {
                asked = true;
                outcome
            });
            let outcome = wait(outcome.await);
            (asked, outcome)
        };
        let refused = || Err(Error::TooManyRequests(7));
        assert_eq!(ask(&LIMIT, "ann", 0, Ok(())).await, (true, None));
        assert_eq!(ask(&LIMIT, "ann", 1, refused()).await, (true, Some(7)));
        assert_eq!(ask(&LIMIT, "ann", 1000, Ok(())).await, (false, Some(7)));
        let other = Limit { name: "another limit of the tests", ..LIMIT };
        assert_eq!(ask(&other, "ann", 1000, Ok(())).await, (true, None));
        assert_eq!(ask(&LIMIT, "ben", 1000, Ok(())).await, (true, None));
        // The clock was set back, or a second has passed.
        assert_eq!(ask(&LIMIT, "ann", 0, Ok(())).await, (true, None));
        assert_eq!(ask(&LIMIT, "ann", 1001, Ok(())).await, (true, None));
    }

    #[actix_web::test]
    async fn a_maximum_of_zero_allows_nothing_and_the_largest_one_does_not_overflow() {
        let (_database, db) = database().await;
        let none = Limit { max: 0, ..LIMIT };
        assert_eq!(wait(check(&db, &none, "ann", at(0)).await), Some(1));
        assert_eq!(wait(count(&db, &none, "ann", at(0)).await), Some(60));
        assert_eq!(wait(check(&db, &none, "ann", at(0)).await), Some(60));
        let row = rate_limit::ActiveModel {
            key: Set(key(&LIMIT, "ben")),
            count: Set(i32::MAX),
            expires_at: Set(at(1000).into()),
        };
        rate_limit::Entity::insert(row).exec_without_returning(&db).await.unwrap();
        assert_eq!(wait(count(&db, &LIMIT, "ben", at(0)).await), Some(1));
        let largest = Limit { max: u32::MAX, ..LIMIT };
        for _ in 0..2 {
            assert_eq!(wait(count(&db, &largest, "ann", at(0)).await), None);
        }
    }
}
