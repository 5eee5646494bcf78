//! Accounts: users, passwords, access tokens, and the types that say who may call.

pub mod callers;
pub mod passwords;
pub mod sign_in;
pub mod tokens;
pub mod users;

use std::sync::Arc;

pub use callers::{Anyone, CurrentUser, Viewer};

use crate::{
    clock::Clock,
    config::{Registration, Settings},
    db::{Connections, Db, Writer},
    http::resource::Endpoint,
};
use passwords::Passwords;
use tokens::Tokens;

/// What requests about accounts need. Cloning it costs reference counts.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Reads what is committed.
    pub reader: Connections,
    /// Writes.
    pub writer: Writer,
    /// Issues and verifies access tokens.
    pub tokens: Arc<Tokens>,
    /// Hashes and verifies passwords.
    pub passwords: Arc<Passwords>,
    /// Whether anyone may sign up over the API.
    pub registration: Registration,
    /// Drafts are public, so a read has nothing to gain from a token.
    pub reads_ignore_tokens: bool,
    /// The time.
    pub clock: Clock,
}

impl Accounts {
    /// The state of this area. Needs no live service.
    pub fn new(settings: &Settings, reader: Connections, writer: Writer, clock: Clock) -> Self {
        let tokens = Tokens::new(
            &settings.auth.secret_key,
            settings.auth.algorithm,
            settings.auth.access_token_lifetime,
        );
        Self {
            reader,
            writer,
            tokens: Arc::new(tokens),
            passwords: Arc::new(Passwords::new(settings.auth.bcrypt_cost)),
            registration: settings.auth.registration,
            reads_ignore_tokens: settings.publishing.public_drafts,
            clock,
        }
    }

    /// The same on the connections of another worker.
    #[must_use]
    pub fn on(&self, db: &Db) -> Self {
        let writer = self.writer.on(db.writer.clone());
        Self { reader: db.reader.clone(), writer, ..self.clone() }
    }
}

/// The routes of this area.
pub fn endpoints() -> impl Iterator<Item = Endpoint> {
    sign_in::routes::endpoints().into_iter().chain(users::routes::endpoints())
}
