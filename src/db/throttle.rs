//! Admits expensive statements a few at a time, so that the others find a free connection and processor.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Maximum number of statements that wait to be admitted. Further ones are refused immediately.
const MAX_WAITING: usize = 256;

/// Admits a limited number of statements of the process at the same time, in the order of their arrival.
/// Clones share the limit.
#[derive(Clone, Debug)]
pub struct Throttle {
    running: Arc<Semaphore>,
    /// One permit for each statement that runs or waits.
    queue: Arc<Semaphore>,
    max_wait: Duration,
}

/// Permission to run. Dropping it admits the next statement.
#[derive(Debug)]
pub struct Admission {
    _running: OwnedSemaphorePermit,
    _queued: OwnedSemaphorePermit,
}

impl Throttle {
    /// Admits up to `max_concurrent` statements. A statement waits for at most `max_wait`.
    pub fn new(max_concurrent: usize, max_wait: Duration) -> Self {
        Self {
            running: Arc::new(Semaphore::new(max_concurrent)),
            queue: Arc::new(Semaphore::new(max_concurrent.saturating_add(MAX_WAITING))),
            max_wait,
        }
    }

    /// Permission, if it needs no wait.
    pub fn try_admit(&self) -> Option<Admission> {
        let queued = Arc::clone(&self.queue).try_acquire_owned().ok()?;
        let running = Arc::clone(&self.running).try_acquire_owned().ok()?;
        Some(Admission { _running: running, _queued: queued })
    }

    /// Waits for permission; `None` if too many wait already, or after the maximum wait.
    pub async fn admit(&self) -> Option<Admission> {
        let queued = Arc::clone(&self.queue).try_acquire_owned().ok()?;
        let running = timeout(self.max_wait, Arc::clone(&self.running).acquire_owned()).await.ok()?.ok()?;
        Some(Admission { _running: running, _queued: queued })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::{join, join_all};

    use super::*;

    #[tokio::test]
    async fn a_statement_waits_until_another_ends_but_not_longer_than_the_maximum() {
        let throttle = Throttle::new(2, Duration::from_millis(50));
        let (first, second) = (throttle.admit().await.unwrap(), throttle.clone().try_admit().unwrap());
        assert!(throttle.try_admit().is_none());
        assert!(throttle.admit().await.is_none());
        let (admitted, ()) = join(throttle.admit(), async { drop(first) }).await;
        assert!(admitted.is_some());
        drop(second);
        assert!(throttle.admit().await.is_some());
    }

    #[tokio::test]
    async fn the_number_of_those_that_wait_is_bounded() {
        let throttle = Throttle::new(1, Duration::from_mins(1));
        let running = throttle.admit().await;
        let waiting: Vec<_> = (0..MAX_WAITING).map(|_| throttle.admit()).collect();
        let mut waiting = Box::pin(join_all(waiting));
        assert!(timeout(Duration::from_millis(10), &mut waiting).await.is_err());
        assert!(matches!(timeout(Duration::from_secs(1), throttle.admit()).await, Ok(None)));
        drop((waiting, running));
        assert!(throttle.admit().await.is_some());
    }
}
