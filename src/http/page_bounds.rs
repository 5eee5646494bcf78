//! What bounds the cost of pages.

use std::time::Duration;

use super::{
    error::{Error, Result},
    page_json::PageMemory,
};
use crate::db::{Admission, Throttle};

/// Maximum number of pages read at the same time that are deep in a list, or whose list is counted. A single
/// one, so that every worker has a connection for other reads.
const EXPENSIVE: usize = 1;

/// A page that skips, or asks for, more rows than this is expensive.
pub const MAX_CHEAP_ROWS: u64 = 10_000;

/// Pages of up to this many rows are served whatever their size: clients of the FastAPI blog send no `limit`.
pub const ALWAYS_SERVED: u64 = 100;

/// A page of more bytes than this is large.
pub const MAX_CHEAP_BYTES: u64 = 4 << 20;

/// Maximum number of large pages read at the same time. Each occupies its worker for several milliseconds, many times.
const LARGE: usize = 1;

/// The bounds of all pages of the process. Clones share them.
#[derive(Clone, Debug)]
pub struct PageBounds {
    expensive: Throttle,
    large: Throttle,
    /// The memory of all pages.
    pub memory: PageMemory,
    /// Maximum size of a page of more than [`ALWAYS_SERVED`] rows.
    pub max_bytes: Option<u64>,
}

impl PageBounds {
    /// The bounds for requests that last for at most `request_timeout`.
    pub fn new(request_timeout: Duration, max_bytes: Option<u64>) -> Self {
        // An expensive statement that waited has a quarter of the time left, and a request that waits in vain
        // is answered before its deadline.
        let max_wait = request_timeout.mul_f64(0.75);
        Self {
            expensive: Throttle::new(EXPENSIVE, max_wait),
            large: Throttle::new(LARGE, max_wait),
            memory: PageMemory::new(max_bytes),
            max_bytes,
        }
    }

    /// Waits until an expensive page may be read. The next one is admitted when the result is dropped.
    ///
    /// # Errors
    /// [`Error::Busy`] if others take too long.
    pub async fn admit_expensive(&self) -> Result<Admission> {
        self.expensive.admit().await.ok_or(Error::Busy)
    }

    /// Permission to read a large page, if no other is read and none waits.
    pub fn try_admit_large(&self) -> Option<Admission> {
        self.large.try_admit()
    }

    /// Waits until a large page may be read. The next one is admitted when the result is dropped.
    ///
    /// # Errors
    /// [`Error::Busy`] if others take too long.
    pub async fn admit_large(&self) -> Result<Admission> {
        self.large.admit().await.ok_or(Error::Busy)
    }
}
