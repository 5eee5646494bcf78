//! Runs hashes on blocking threads, at most one per core. The others wait in the queue.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use actix_web::rt::task::spawn_blocking;
use tokio::sync::oneshot;

use super::{
    failed,
    queue::{Queue, Requester},
};
use crate::http::error::{Error, Result};

/// The cores, and who waits for one.
pub(super) struct Cores(Arc<Mutex<State>>);

struct State {
    /// While a core is idle, the queue is empty.
    idle: usize,
    waiting: Queue<oneshot::Sender<Core>>,
}

/// The right to use a core. It passes to the next in the queue when it is dropped.
struct Core(Arc<Mutex<State>>);

/// An entry of the queue, which it leaves when it is dropped.
struct Place<'a> {
    cores: &'a Cores,
    id: u64,
}

impl Cores {
    /// A number of cores, with a queue of at most `waiting` entries.
    pub(super) fn new(number: usize, waiting: usize) -> Self {
        Self(Arc::new(Mutex::new(State { idle: number, waiting: Queue::new(waiting) })))
    }

    /// Runs `work` as soon as it is the requester's turn. Work that has started continues if the caller is
    /// dropped; work that waits does not start.
    ///
    /// # Errors
    /// [`Error::Busy`] if the queue is full, or if the entry made room for that of another requester.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        requester: Requester,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let core = self.acquire(requester).await?;
        let work = move || {
            let done = work();
            drop(core);
            done
        };
        spawn_blocking(work).await.map_err(failed)
    }

    /// The number of idle cores, and the number of those who wait for one.
    pub(super) fn idle_and_waiting(&self) -> (usize, usize) {
        let state = lock(&self.0);
        (state.idle, state.waiting.len())
    }

    async fn acquire(&self, requester: Requester) -> Result<Core> {
        let (id, granted) = {
            let mut state = lock(&self.0);
            if let Some(idle) = state.idle.checked_sub(1) {
                state.idle = idle;
                return Ok(Core(Arc::clone(&self.0)));
            }
            let (grant, granted) = oneshot::channel();
            (state.waiting.push(requester, grant).ok_or(Error::Busy)?, granted)
        };
        let _place = Place { cores: self, id };
        granted.await.map_err(|_| Error::Busy)
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let next = {
            let mut state = lock(&self.0);
            let next = state.waiting.pop();
            if next.is_none() {
                state.idle = state.idle.saturating_add(1);
            }
            next
        };
        // Not under the lock: if the requester is gone, the core comes back and is dropped again.
        if let Some(next) = next {
            drop(next.send(Self(Arc::clone(&self.0))));
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.cores.0).waiting.remove(self.id);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // No code panics while it holds the lock, and the state is valid after every step.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cores").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use futures_util::{FutureExt as _, future::join_all, pin_mut};

    use super::*;
    use crate::http::client_address::ClientAddress;

    fn requester(address: &str) -> Requester {
        Requester::new(ClientAddress(address.parse().unwrap()), "ann")
    }

    fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
        future.now_or_never().is_none()
    }

    #[actix_web::test]
    async fn no_more_hashes_run_than_there_are_cores_and_each_frees_its_core() {
        let cores = Cores::new(2, 1);
        let (first, second) = (cores.acquire(requester("192.0.2.1")), cores.acquire(requester("192.0.2.1")));
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        let waiting = cores.acquire(requester("192.0.2.1"));
        pin_mut!(waiting);
        assert!(is_pending(&mut waiting));
        assert!(matches!(cores.acquire(requester("192.0.2.1")).await, Err(Error::Busy)));
        drop(first);
        drop(waiting.await.unwrap());
        drop(second);
        assert_eq!(lock(&cores.0).idle, 2);
    }

    #[actix_web::test]
    async fn an_entry_that_made_room_is_busy() {
        let cores = Cores::new(1, 2);
        let running = cores.acquire(requester("192.0.2.1")).await.unwrap();
        let (older, newer) = (cores.acquire(requester("192.0.2.1")), cores.acquire(requester("192.0.2.1")));
        pin_mut!(older, newer);
        assert!(is_pending(&mut older) && is_pending(&mut newer));
        let other = cores.acquire(requester("192.0.2.2"));
        pin_mut!(other);
        assert!(is_pending(&mut other));
        assert!(matches!(newer.await, Err(Error::Busy)));
        drop(running);
        drop(older.await.unwrap());
        drop(other.await.unwrap());
        assert_eq!(lock(&cores.0).idle, 1);
    }

    #[actix_web::test]
    async fn a_requester_that_is_gone_leaves_the_queue_and_loses_no_core() {
        let cores = Cores::new(1, 3);
        let running = cores.acquire(requester("192.0.2.1")).await.unwrap();
        let mut gone: Vec<_> = (0..3).map(|_| Box::pin(cores.acquire(requester("192.0.2.1")))).collect();
        assert!(gone.iter_mut().all(is_pending));
        gone.truncate(1);
        let next = cores.acquire(requester("192.0.2.1"));
        pin_mut!(next);
        assert!(is_pending(&mut next));
        // The first one gets the core, and is dropped before it learns of it.
        drop(running);
        drop(gone);
        drop(next.await.unwrap());
        assert_eq!(lock(&cores.0).idle, 1);
    }

    #[actix_web::test]
    async fn work_that_panics_frees_its_core() {
        let cores = Cores::new(1, 4);
        let outcomes =
            join_all((0..4).map(|number| {
                cores.run(requester("192.0.2.1"), move || assert!(number % 2 == 1, "on purpose"))
            }));
        let outcomes: Vec<bool> = outcomes.await.iter().map(Result::is_ok).collect();
        assert_eq!(outcomes, [false, true, false, true]);
        assert_eq!(lock(&cores.0).idle, 1);
    }
}
