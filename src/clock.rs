//! The one source of time: a value that tests set and advance.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering::Relaxed},
};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

/// The value of [`Clock::stopped_at`] while the clock follows the system clock.
const RUNNING: i64 = i64::MIN;

/// A clock with microsecond precision, so that responses show exactly the times that both databases store.
/// Clones share one time.
#[derive(Clone, Debug)]
pub struct Clock {
    /// The time at which the clock is stopped, in microseconds since 1970, or [`RUNNING`].
    stopped_at: Arc<AtomicI64>,
}

impl Clock {
    /// A clock that follows the system clock.
    pub fn system() -> Self {
        Self { stopped_at: Arc::new(AtomicI64::new(RUNNING)) }
    }

    /// A clock that is stopped at `at`.
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self { stopped_at: Arc::new(AtomicI64::new(at.timestamp_micros())) }
    }

    /// Stops the clock and all its clones at `at`.
    pub fn set(&self, at: DateTime<Utc>) {
        self.stopped_at.store(at.timestamp_micros(), Relaxed);
    }

    /// Advances the clock by `by` and stops it there, with all its clones.
    pub fn advance(&self, by: TimeDelta) {
        self.set(self.now() + by);
    }

    /// The current time.
    pub fn now(&self) -> DateTime<Utc> {
        let stopped_at = match self.stopped_at.load(Relaxed) {
            RUNNING => None,
            micros => DateTime::from_timestamp_micros(micros),
        };
        #[expect(clippy::disallowed_methods, reason = "the only place that reads the system clock")]
        stopped_at.unwrap_or_else(|| Utc::now().trunc_subsecs(6))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanoseconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_nanos(nanoseconds)
    }

    #[test]
    fn the_system_clock_moves_in_whole_microseconds() {
        let clock = Clock::system();
        let first = clock.now();
        assert_eq!(first, first.trunc_subsecs(6));
        assert!(clock.now() >= first);
    }

    #[test]
    fn a_fixed_clock_is_stopped_at_a_whole_microsecond() {
        let clock = Clock::fixed(at(1_999));
        assert_eq!(clock.now(), at(1_000));
        assert_eq!(clock.now(), at(1_000));
    }

    #[test]
    fn setting_and_advancing_a_clock_moves_its_clones() {
        let clock = Clock::system();
        let clone = clock.clone();
        clock.set(at(5_000));
        assert_eq!(clone.now(), at(5_000));
        clone.advance(TimeDelta::microseconds(2));
        assert_eq!(clock.now(), at(7_000));
    }
}
