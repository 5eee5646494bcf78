//! What every request may use.

use std::sync::Arc;

use actix_web::web::ThinData;
use chrono::{DateTime, SubsecRound as _, Utc};
use entity::article::Sight;

use crate::{
    accounts::{passwords::Passwords, tokens::Tokens},
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
}

impl AppState {
    /// Needs no live service.
    pub fn new(settings: Settings, db: Db) -> Self {
        let rules = Rules {
            max_page_size: settings.http.max_page_size,
            max_body_bytes: settings.http.max_body_bytes,
        };
        let tokens = Tokens::new(
            &settings.auth.secret_key,
            settings.auth.algorithm,
            settings.auth.access_token_lifetime,
        );
        let passwords = Passwords::new(settings.auth.bcrypt_cost);
        let cache = Arc::new(Cache::new(settings.cache.bytes));
        Self { db, shared: Arc::new(Shared { settings, rules, tokens, passwords, cache }) }
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
        if self.shared.settings.publishing.public_drafts { Sight::Everything } else { Sight::Public }
    }

    /// What an account may see.
    pub fn sight_of(&self, user_id: i32) -> Sight {
        if self.shared.settings.publishing.public_drafts { Sight::Everything } else { Sight::Author(user_id) }
    }

    /// The one clock, in microseconds: what is answered is what both databases store.
    pub fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "the one place where time is read")]
        Utc::now().trunc_subsecs(6)
    }
}
