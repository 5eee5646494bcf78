//! Accounts: users, passwords, access tokens, and the types that state who may send a request.

pub mod administration;
pub mod attempts;
pub mod callers;
pub mod client;
pub mod expiry;
pub mod limits;
pub mod passwords;
pub mod personal_tokens;
pub mod profiles;
pub mod recovery;
pub mod secrets;
pub mod sessions;
pub mod sign_in;
pub mod tokens;
pub mod users;

use std::sync::Arc;

use entity::user;

pub use callers::{Admin, Anyone, CurrentUser, Registrant, Viewer};

use crate::{
    clock::Clock,
    config::{EmailVerification, MailSettings, Registration, Settings},
    db::{Connections, Db, Writer},
    http::resource::Endpoint,
    mail::{Delivery, worker::Worker},
    tasks::Tasks,
};
use limits::Refusals;
use passwords::Passwords;
use recovery::{compose::Composer, links::Links};
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
    /// `LOGIN_LIMIT`.
    pub login_limit: u32,
    /// Refusals by limits on the number of requests.
    pub refusals: Refusals,
    /// Whether new passwords that are easy to guess are refused.
    pub check_passwords: bool,
    /// Hashes and verifies passwords.
    pub passwords: Arc<Passwords>,
    /// Whether anyone can create an account over the API.
    pub registration: Registration,
    /// Whether the owner of a new account must confirm its address.
    pub verification: EmailVerification,
    /// Makes and verifies the links in e-mail.
    pub links: Arc<Links>,
    /// The delivery of queued e-mail.
    pub delivery: Delivery,
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
        let secrets = Arc::new(Secrets::new(key, previous));
        Self {
            reader,
            writer,
            tokens: Arc::new(Tokens::new(key, previous, auth.algorithm, auth.access_token_lifetime)),
            secrets: Arc::clone(&secrets),
            session_lifetimes: Lifetimes { idle: auth.session_idle, max: auth.session_max },
            login_limit: auth.login_limit,
            refusals: Refusals::default(),
            check_passwords: auth.check_passwords,
            passwords: Arc::new(Passwords::new(settings.auth.bcrypt_cost)),
            registration: settings.auth.registration.resolve(false),
            verification: settings.mail.verification,
            links: Arc::new(Links::new(&settings.mail, secrets)),
            delivery: Delivery::new(settings),
            reads_ignore_tokens: settings.publishing.public_drafts,
            clock,
        }
    }

    /// Whether an account may be used, as far as its address is concerned.
    fn admits(&self, account: &user::Model) -> bool {
        self.verification != EmailVerification::Required || account.is_email_confirmed
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
        .chain(recovery::routes::endpoints())
        .chain(users::routes::endpoints())
        .chain(administration::routes::endpoints())
}

/// Starts the background tasks of this area. `accounts` has the connections of tasks; `site` is the name of the site
/// in messages.
pub fn start(tasks: &Tasks, accounts: &Accounts, mail: &MailSettings, site: &str) {
    expiry::start(tasks, accounts);
    let worker = Worker {
        writer: accounts.writer.clone(),
        clock: accounts.clock.clone(),
        delivery: accounts.delivery.clone(),
        settings: mail.clone(),
        site: site.to_owned(),
        composer: Composer { accounts: accounts.clone() },
    };
    worker.start(tasks);
}
