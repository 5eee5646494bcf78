//! The one source of time, as a value.

use chrono::{DateTime, SubsecRound as _, Utc};

/// Tells the time.
#[derive(Clone, Debug, Default)]
pub struct Clock;

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self
    }

    /// The time in microseconds, the precision of both databases.
    pub fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "the one place where time is read")]
        Utc::now().trunc_subsecs(6)
    }
}
