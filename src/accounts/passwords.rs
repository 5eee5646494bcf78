//! Passwords: bcrypt, off the workers, and only so many at once.

use std::{fmt, sync::Arc, thread};

use actix_web::rt::task::spawn_blocking;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::error::{Error, Result};

/// How many wait for each core that hashes; at cost 12 that is a wait of some seconds.
const QUEUE_PER_CORE: usize = 16;

/// bcrypt reads no more of a password than this many bytes.
pub const MAX_BYTES: usize = 72;

/// Hashes and verifies at one cost, at most one password a core, with a bounded queue before it.
pub struct Passwords {
    cost: u32,
    max_concurrent: usize,
    queue: Arc<Semaphore>,
    cores: Arc<Semaphore>,
    dummy: String,
}

impl Passwords {
    /// `cost` is bcrypt's, 4 to 31: a hash takes 2 to the power of `cost` rounds.
    pub fn new(cost: u32) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        // Any salt and digest make a hash that costs what a real one costs; no password is known that fits this one.
        let dummy = format!("$2b${cost:02}$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzABCDC");
        Self {
            cost,
            max_concurrent: cores,
            queue: Arc::new(Semaphore::new(cores.saturating_mul(QUEUE_PER_CORE))),
            cores: Arc::new(Semaphore::new(cores)),
            dummy,
        }
    }

    /// How many are hashed at the same time.
    pub fn max_concurrent(&self) -> usize {
        self.max_concurrent
    }

    /// The hash to store.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full.
    pub async fn hash(&self, password: &SecretString) -> Result<String> {
        let (password, cost) = (password.clone(), self.cost);
        self.run(move || bcrypt::hash(password.expose_secret(), cost))
            .await?
            .map_err(|error| Error::internal("hash a password", error))
    }

    /// Whether `password` fits `hash`. Without a hash it takes as long and fits nothing, so that time doesn't tell whether an
    /// account exists; neither does a stored value that is no bcrypt hash.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full.
    pub async fn verify(&self, password: &SecretString, hash: Option<String>) -> Result<bool> {
        let (password, known) = (password.clone(), hash.is_some());
        let hash = hash.unwrap_or_else(|| self.dummy.clone());
        let fits = self.run(move || bcrypt::verify(password.expose_secret(), &hash)).await?;
        Ok(known && fits.unwrap_or(false))
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| Error::Busy)?;
        let core = Arc::clone(&self.cores)
            .acquire_owned()
            .await
            .map_err(|error| Error::internal("wait for a core to hash on", error))?;
        // Both permits go with the work: a client that leaves doesn't end it.
        let held: (OwnedSemaphorePermit, OwnedSemaphorePermit) = (place, core);
        let work = move || {
            let done = work();
            drop(held);
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
    async fn a_password_fits_its_hash_and_nothing_else_does() {
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
    async fn a_full_queue_is_said_max_concurrent() {
        let passwords = Passwords::new(4);
        let places = u32::try_from(passwords.queue.available_permits()).unwrap();
        let _all = passwords.queue.try_acquire_many(places).unwrap();
        assert!(matches!(passwords.hash(&"x".into()).await, Err(Error::Busy)));
    }
}
