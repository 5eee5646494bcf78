//! Password hashing with bcrypt, on blocking threads, with a limited number of concurrent hashes.

use std::{fmt, sync::Arc, thread};

use actix_web::rt::task::spawn_blocking;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::error::{Error, Result};

/// Maximum number of queued passwords per core. At cost 12, the last one waits for a few seconds.
const QUEUE_PER_CORE: usize = 16;

/// The number of bytes of a password that bcrypt reads. It ignores the rest.
pub const MAX_BYTES: usize = 72;

/// Hashes and verifies passwords at one cost, at most one per core at a time. The queue is bounded.
pub struct Passwords {
    cost: u32,
    max_concurrent: usize,
    queue: Arc<Semaphore>,
    cores: Arc<Semaphore>,
    dummy: String,
}

impl Passwords {
    /// `cost` is the cost factor of bcrypt, 4 to 31: a hash takes 2 to the power of `cost` rounds.
    pub fn new(cost: u32) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        // Verifying this hash takes as long as verifying a real one. No password is known to match it.
        let dummy = format!("$2b${cost:02}$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzABCDC");
        Self {
            cost,
            max_concurrent: cores,
            queue: Arc::new(Semaphore::new(cores.saturating_mul(QUEUE_PER_CORE))),
            cores: Arc::new(Semaphore::new(cores)),
            dummy,
        }
    }

    /// The maximum number of passwords hashed at the same time.
    pub fn max_concurrent(&self) -> usize {
        self.max_concurrent
    }

    /// Returns the hash to store.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full.
    pub async fn hash(&self, password: &SecretString) -> Result<String> {
        let (password, cost) = (password.clone(), self.cost);
        self.run(move || bcrypt::hash(password.expose_secret(), cost))
            .await?
            .map_err(|error| Error::internal("hash a password", error))
    }

    /// Whether `password` matches `hash`. Without a hash, the result is false after the same time, so that
    /// the duration does not reveal whether an account exists. A stored value that is not a bcrypt hash
    /// matches no password.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full.
    pub async fn verify(&self, password: &SecretString, hash: Option<String>) -> Result<bool> {
        let (password, known) = (password.clone(), hash.is_some());
        let hash = hash.unwrap_or_else(|| self.dummy.clone());
        let matches = self.run(move || bcrypt::verify(password.expose_secret(), &hash)).await?;
        Ok(known && matches.unwrap_or(false))
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| Error::Busy)?;
        let core = Arc::clone(&self.cores)
            .acquire_owned()
            .await
            .map_err(|error| Error::internal("wait for a core to hash on", error))?;
        // The work owns both permits, because it continues if the client disconnects.
        let permits: (OwnedSemaphorePermit, OwnedSemaphorePermit) = (place, core);
        let work = move || {
            let done = work();
            drop(permits);
            done
        };
        spawn_blocking(work).await.map_err(|error| Error::internal("hash a password", error))
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("cost", &self.cost).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn only_the_right_password_matches_its_hash() {
        let passwords = Passwords::new(4);
        let hash = passwords.hash(&"right".into()).await.unwrap();
        assert!(passwords.verify(&"right".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(&"wrong".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify(&"right".into(), None).await.unwrap());
        assert!(!passwords.verify(&"right".into(), Some("plain text".to_owned())).await.unwrap());
    }

    #[test]
    fn the_dummy_is_a_hash_of_the_same_cost() {
        assert!(bcrypt::verify("x", &Passwords::new(4).dummy).is_ok());
    }

    #[actix_web::test]
    async fn a_full_queue_is_reported_as_busy() {
        let passwords = Passwords::new(4);
        let places = u32::try_from(passwords.queue.available_permits()).unwrap();
        let _all = passwords.queue.try_acquire_many(places).unwrap();
        assert!(matches!(passwords.hash(&"x".into()).await, Err(Error::Busy)));
    }
}
