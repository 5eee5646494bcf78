//! Accounts: users, passwords, access tokens, and the types that state who may send a request.

pub mod administration;
pub mod callers;
pub mod client;
pub mod passwords;
pub mod personal_tokens;
pub mod profiles;
pub mod secrets;
pub mod sessions;
pub mod sign_in;
pub mod tokens;
pub mod users;

use std::sync::Arc;

pub use callers::{Admin, Anyone, CurrentUser, Registrant, Viewer};

use crate::{
    clock::Clock,
    config::{Registration, Settings},
    db::{Connections, Db, Writer},
    http::resource::Endpoint,
};
use passwords::Passwords;
use secrets::Secrets;
use sessions::service::Lifetimes;
use tokens::Tokens;

/// The maximum size of a request body about accounts, in bytes. Anyone may send one.
pub const MAX_BODY_BYTES: usize = 16 << 10;

/// The state that requests about accounts need. Cloning it only increments reference counts.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Reads committed rows.
    pub reader: Connections,
    /// Writes.
    pub writer: Writer,
    /// Issues and verifies access tokens.
    pub tokens: Arc<Tokens>,
    /// Issues and verifies other credentials.
    pub secrets: Arc<Secrets>,
    /// How long sessions last.
    pub session_lifetimes: Lifetimes,
    /// Hashes and verifies passwords.
    pub passwords: Arc<Passwords>,
    /// Whether anyone can create an account over the API.
    pub registration: Registration,
    /// Whether drafts are public. If they are, reads ignore tokens.
    pub reads_ignore_tokens: bool,
    /// The source of time.
    pub clock: Clock,
}

impl Accounts {
    /// Builds the state. Opens no connection.
    pub fn new(settings: &Settings, reader: Connections, writer: Writer, clock: Clock) -> Self {
        let auth = &settings.auth;
        let (key, previous) = (&auth.secret_key, auth.previous_secret_key.as_ref());
        Self {
            reader,
            writer,
            tokens: Arc::new(Tokens::new(key, previous, auth.algorithm, auth.access_token_lifetime)),
            secrets: Arc::new(Secrets::new(key, previous)),
            session_lifetimes: Lifetimes { idle: auth.session_idle, max: auth.session_max },
            passwords: Arc::new(Passwords::new(settings.auth.bcrypt_cost)),
            registration: settings.auth.registration.resolve(false),
            reads_ignore_tokens: settings.publishing.public_drafts,
            clock,
        }
    }

    /// Returns the same state with the connections of another worker.
    #[must_use]
    pub fn on(&self, db: &Db) -> Self {
        let writer = self.writer.on(db.writer.clone());
        Self { reader: db.reader.clone(), writer, ..self.clone() }
    }
}

/// The routes of this area.
pub fn endpoints() -> impl Iterator<Item = Endpoint> {
    sign_in::routes::endpoints()
        .into_iter()
        .chain(sessions::routes::endpoints())
        .chain(personal_tokens::routes::endpoints())
        .chain(users::routes::endpoints())
        .chain(administration::routes::endpoints())
}
