//! What every request may use.

use std::sync::Arc;

use actix_web::web::ThinData;
use chrono::{DateTime, Utc};
use entity::article::Sight;

use crate::{
    accounts::{passwords::Passwords, tokens::Tokens},
    clock::Clock,
    config::Settings,
    db::Db,
    http::{cache::Cache, validation::Rules},
};

/// The state as handlers take it.
pub type State = ThinData<AppState>;

/// Cheap to clone. The database handles belong to one worker, the rest to the process.
#[derive(Clone, Debug)]
pub struct AppState {
    /// Where reads and writes go.
    pub db: Db,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    rules: Rules,
    tokens: Tokens,
    passwords: Passwords,
    cache: Arc<Cache>,
    clock: Clock,
}

impl AppState {
    /// Needs no live service.
    pub fn new(settings: Settings, db: Db) -> Self {
        let rules = Rules { max_page_size: settings.max_page_size, max_body_bytes: settings.max_body_bytes };
        let tokens = Tokens::new(&settings.secret_key, settings.algorithm, settings.access_token_expire);
        let passwords = Passwords::new(settings.bcrypt_cost);
        // Without word of other processes' writes nothing may be cached.
        let cache = Arc::new(Cache::new(if db.can_listen() { settings.cache_bytes } else { 0 }));
        let clock = Clock::system();
        Self { db, shared: Arc::new(Shared { settings, rules, tokens, passwords, cache, clock }) }
    }

    /// The same state with database handles of another worker.
    #[must_use]
    pub fn with_db(&self, db: Db) -> Self {
        Self { db, shared: Arc::clone(&self.shared) }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// The limits that requests are checked against.
    pub fn rules(&self) -> &Rules {
        &self.shared.rules
    }

    /// Issues and verifies access tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.shared.tokens
    }

    /// Hashes and verifies passwords.
    pub fn passwords(&self) -> &Passwords {
        &self.shared.passwords
    }

    /// What strangers may read, in memory.
    pub fn cache(&self) -> &Arc<Cache> {
        &self.shared.cache
    }

    /// What somebody without an account may see.
    pub fn public_sight(&self) -> Sight {
        if self.shared.settings.public_drafts { Sight::Everything } else { Sight::Public }
    }

    /// What an account may see.
    pub fn sight_of(&self, user_id: i32) -> Sight {
        if self.shared.settings.public_drafts { Sight::Everything } else { Sight::Author(user_id) }
    }

    /// The clock of the process; a test may set it.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The present time by that clock.
    pub fn now(&self) -> DateTime<Utc> {
        self.shared.clock.now()
    }
}
