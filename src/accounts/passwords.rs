//! Password hashing with bcrypt, on blocking threads, with a limited number of concurrent hashes and a fair
//! queue for the others.

mod cores;
mod queue;
mod stored;
pub mod strength;

use std::{
    fmt,
    hint::black_box,
    ops::Range,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::OnceCell;

use self::{cores::Cores, stored::StoredHash};
pub use self::{queue::Requester, stored::cost};
use super::profiles::enforce_opaque_string;
use crate::http::error::{Cause, Error, Result};

/// Maximum number of passwords that wait, per core. At cost 12, the last one waits for a few seconds.
const QUEUE_PER_CORE: usize = 16;

/// The number of bytes of a password that bcrypt reads. It ignores the rest.
pub const MAX_BYTES: usize = 72;

/// Up to this cost, logins that fail take the same time. A login takes a few seconds at this cost; a single
/// stored hash must not make every login slower than that.
const MAX_EQUALISED_COST: u32 = 16;

/// Hashes passwords at one cost and verifies those of any cost, at most one per core at a time. Client
/// addresses take turns, and the queue is bounded.
pub struct Passwords {
    cost: u32,
    /// The highest known cost, at which a login that fails works.
    highest_cost: AtomicU32,
    stored_costs: OnceCell<()>,
    max_concurrent: usize,
    cores: Cores,
}

/// The result of comparing a password with a stored value.
#[derive(Debug, PartialEq, Eq)]
pub enum Verification {
    /// It matches. `renewed` is a hash to store instead, if the stored one is cheaper than new ones.
    Right {
        /// The hash of the same password at the current cost.
        renewed: Option<String>,
    },
    /// It does not match, or there is no stored value.
    Wrong,
    /// The stored value is not a bcrypt hash, so no password matches it.
    Unusable,
}

impl Passwords {
    /// `cost` is the cost factor of bcrypt, 4 to 31: a hash takes 2 to the power of `cost` rounds.
    pub fn new(cost: u32) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            cost,
            highest_cost: AtomicU32::new(cost),
            stored_costs: OnceCell::new(),
            max_concurrent: cores,
            cores: Cores::new(cores, cores.saturating_mul(QUEUE_PER_CORE)),
        }
    }

    /// The maximum number of passwords hashed at the same time.
    pub fn max_concurrent(&self) -> usize {
        self.max_concurrent
    }

    /// How many passwords are being hashed, and how many wait for it.
    pub fn hashing_and_waiting(&self) -> (usize, usize) {
        let (idle, waiting) = self.cores.idle_and_waiting();
        (self.max_concurrent.saturating_sub(idle), waiting)
    }

    /// Returns the hash to store.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full.
    pub async fn hash(&self, requester: Requester, password: &SecretString) -> Result<String> {
        let (password, cost) = (password.clone(), self.cost);
        let work = move || bcrypt::hash(password.expose_secret(), cost);
        self.cores.run(requester, work).await?.map_err(failed)
    }

    /// Learns the costs of stored hashes, which `load` reads; later calls do nothing.
    pub async fn learn_costs(&self, load: impl AsyncFnOnce() -> Result<Vec<u32>>) -> Result<()> {
        let learn = async || load().await.map(|costs| costs.into_iter().for_each(|cost| self.learn(cost)));
        self.stored_costs.get_or_try_init(learn).await.copied()
    }

    fn learn(&self, cost: u32) {
        self.highest_cost.fetch_max(cost.min(MAX_EQUALISED_COST), Ordering::Relaxed);
    }

    /// Compares `password` with the stored value of an account, if there is one: as its profile prescribes,
    /// then as typed, if that differs. Every failure with the same password takes the same time, so that the
    /// duration reveals neither whether an account exists nor how its password is stored.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full.
    pub async fn verify(
        &self,
        requester: Requester,
        password: &SecretString,
        stored: Option<&str>,
    ) -> Result<Verification> {
        let (password, is_known) = (password.clone(), stored.is_some());
        let hash = stored.and_then(StoredHash::parse);
        if let Some(hash) = &hash {
            self.learn(hash.cost());
        }
        let (cost, highest_cost) = (self.cost, self.highest_cost.load(Ordering::Relaxed));
        let work = move || {
            let spellings = spellings(&password);
            let mut attempts =
                hash.iter().flat_map(|hash| spellings.iter().map(move |spelling| (hash, spelling)));
            if let Some((hash, password)) =
                attempts.find(|(hash, spelling)| hash.matches(spelling.expose_secret()))
            {
                let renewed = (hash.cost() < cost).then(|| bcrypt::hash(password.expose_secret(), cost));
                return Ok(Verification::Right { renewed: renewed.transpose().map_err(failed)? });
            }
            for _ in &spellings {
                dummy_costs(hash.as_ref().map(StoredHash::cost), highest_cost).for_each(hash_dummy);
            }
            Ok(if is_known && hash.is_none() { Verification::Unusable } else { Verification::Wrong })
        };
        self.cores.run(requester, work).await?
    }
}

/// The spellings in which a password is compared: the one that new hashes are made of, then the typed one, of
/// which the old blog made its hashes.
fn spellings(typed: &SecretString) -> Vec<SecretString> {
    let prescribed = enforce_opaque_string(typed.expose_secret());
    let other = prescribed.filter(|spelling| spelling != typed.expose_secret()).map(SecretString::from);
    other.into_iter().chain([typed.clone()]).collect()
}

/// The costs of the dummy hashes that bring a failed login to 2 to the power of `highest` rounds, after one
/// hash of cost `attempted` or none: 2^c + (2^c + … + 2^(C-1)) = 2^C.
fn dummy_costs(attempted: Option<u32>, highest: u32) -> Range<u32> {
    attempted.map_or(highest..highest + 1, |cost| cost..highest)
}

fn hash_dummy(cost: u32) {
    drop(black_box(bcrypt::hash_with_salt("", cost, [0; 16])));
}

fn failed(cause: impl Into<Cause>) -> Error {
    Error::internal("hash a password", cause)
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("cost", &self.cost).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::client_address::ClientAddress;

    const RIGHT: Verification = Verification::Right { renewed: None };

    fn requester() -> Requester {
        Requester::new(ClientAddress::LOCAL, "ann")
    }

    async fn verify(passwords: &Passwords, password: &str, stored: Option<&str>) -> Verification {
        passwords.verify(requester(), &password.into(), stored).await.unwrap()
    }

    #[actix_web::test]
    async fn only_the_right_password_matches_its_hash() {
        let passwords = Passwords::new(4);
        let hash = passwords.hash(requester(), &"right".into()).await.unwrap();
        assert_eq!(verify(&passwords, "right", Some(&hash)).await, RIGHT);
        assert_eq!(verify(&passwords, "wrong", Some(&hash)).await, Verification::Wrong);
        assert_eq!(verify(&passwords, "right", None).await, Verification::Wrong);
        assert_eq!(verify(&passwords, "right", Some("right")).await, Verification::Unusable);
    }

    #[actix_web::test]
    async fn only_a_cheaper_hash_is_renewed_and_only_for_the_right_password() {
        let passwords = Passwords::new(6);
        for (cost, is_renewed) in [(4, true), (5, true), (6, false), (7, false)] {
            let hash = bcrypt::hash("right", cost).unwrap();
            assert_eq!(verify(&passwords, "wrong", Some(&hash)).await, Verification::Wrong);
            let Verification::Right { renewed } = verify(&passwords, "right", Some(&hash)).await else {
                panic!("cost {cost}")
            };
            assert_eq!(renewed.is_some(), is_renewed, "cost {cost}");
            if let Some(renewed) = renewed {
                assert_eq!(super::cost(&renewed), Some(6));
                assert_eq!(verify(&passwords, "right", Some(&renewed)).await, RIGHT);
            }
        }
    }

    #[actix_web::test]
    async fn a_password_matches_in_its_prescribed_spelling_and_as_it_was_typed() {
        let passwords = Passwords::new(5);
        let (composed, decomposed) = ("Jos\u{e9} 1234", "Jose\u{301}\u{3000}1234");
        for (hashed, typed, matches) in [
            (composed, decomposed, true),
            (decomposed, decomposed, true),
            (decomposed, composed, false),
            ("a\tb", "a\tb", true),
            ("a\tb", "a b", false),
        ] {
            let hash = bcrypt::hash(hashed, 4).unwrap();
            let verification = verify(&passwords, typed, Some(&hash)).await;
            assert_eq!(matches!(verification, Verification::Right { .. }), matches, "{hashed:?} {typed:?}");
            if let Verification::Right { renewed } = verification {
                assert!(bcrypt::verify(hashed, &renewed.unwrap()).unwrap(), "{hashed:?} {typed:?}");
            }
        }
    }

    #[test]
    fn every_failed_login_takes_the_same_number_of_rounds() {
        for highest in 4..=16 {
            for attempted in (4..=highest).map(Some).chain([None]) {
                let attempt = attempted.map_or(0, |cost| 1_u32 << cost);
                let dummies: u32 = dummy_costs(attempted, highest).map(|cost| 1 << cost).sum();
                assert_eq!(attempt + dummies, 1 << highest, "{attempted:?} {highest}");
            }
        }
        assert!(dummy_costs(Some(17), 16).is_empty());
    }

    #[actix_web::test]
    async fn the_highest_cost_is_learned_from_the_database_once_and_from_every_login() {
        let passwords = Passwords::new(5);
        let highest = || passwords.highest_cost.load(Ordering::Relaxed);
        assert!(passwords.learn_costs(async || Err(Error::Busy)).await.is_err());
        passwords.learn_costs(async || Ok(vec![4, 6])).await.unwrap();
        assert_eq!(highest(), 6);
        passwords.learn_costs(async || panic!("read again")).await.unwrap();
        let hash = bcrypt::hash("right", 7).unwrap();
        assert_eq!(verify(&passwords, "right", Some(&hash)).await, RIGHT);
        assert_eq!(highest(), 7);
        passwords.learn(31);
        assert_eq!(highest(), MAX_EQUALISED_COST);
    }
}
