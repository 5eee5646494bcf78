//! Settings of accounts, passwords and access tokens.

use chrono::TimeDelta;
use secrecy::SecretString;

use super::declare::settings_group;
use super::kind::{Kind, boolean, choice, number, number_by_environment};
use super::{Purpose, secret_key};

/// The algorithm that signs access tokens: `ALGORITHM`. Only HMAC, so that no public key can be used as a
/// secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
}

/// Whether anyone can create an account over the API: `REGISTRATION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Anyone can create an account.
    Open,
    /// Accounts are created on the command line only.
    Closed,
    /// Closed if the database was taken over from the FastAPI blog, which had no registration; otherwise open.
    Auto,
}

impl Registration {
    /// What applies to a database. `adopted` says whether it was taken over.
    #[must_use]
    pub fn resolve(self, adopted: bool) -> Self {
        match self {
            Self::Auto if adopted => Self::Closed,
            Self::Auto => Self::Open,
            set => set,
        }
    }

    /// What applies, as a message to the operator.
    pub fn message(self) -> &'static str {
        match self {
            Self::Closed => {
                "registration is closed: only `byline user create` creates accounts; REGISTRATION=open opens it"
            }
            Self::Open | Self::Auto => {
                "registration is open: anyone can create an account and publish articles; REGISTRATION=closed closes it"
            }
        }
    }
}

settings_group! {
    /// Accounts and access tokens
    AuthSettings {
        /// Key that signs access tokens. Production requires at least 32 random bytes, such as the output of
        /// `openssl rand -hex 32`.
        SECRET_KEY => secret_key: SecretString = secret_key().secret().computed(
            "generated and stored in `DATA_DIR/secret_key`; required in production",
            "change-me-to-the-output-of-openssl-rand-hex-32",
            // `Settings::check` generates the key, once everything else is known to be valid.
            |reader| {
                if reader.is_production() && reader.purpose() == Purpose::Server {
                    reader.error(
                        "SECRET_KEY",
                        "production requires a key of at least 32 bytes, such as the output of `openssl rand -hex 32`",
                    );
                }
                Some(SecretString::default())
            },
        );

        /// Key that was `SECRET_KEY` before. What it signed stays valid until it expires. Remove it after the
        /// longest lifetime of a token.
        SECRET_KEY_PREVIOUS => previous_secret_key: Option<SecretString> =
            previous_secret_key().secret().map(Some).computed(
                "none",
                "the-key-that-was-SECRET_KEY-before",
                |_| Some(None),
            );

        /// Algorithm that signs access tokens.
        ALGORITHM => algorithm: Algorithm = choice(&[
            ("HS256", Algorithm::HS256),
            ("HS384", Algorithm::HS384),
            ("HS512", Algorithm::HS512),
        ]).default("HS256");

        /// Lifetime of an access token.
        ACCESS_TOKEN_EXPIRE_MINUTES => access_token_lifetime: TimeDelta =
            number(1..=MINUTES_OF_A_CENTURY).unit("minutes").map(TimeDelta::minutes).default("30");

        /// A session that is not used for this long ends. A client uses it by refreshing its access token.
        SESSION_IDLE_DAYS => session_idle: TimeDelta = number(1..=3650).unit("days").map(TimeDelta::days).default("30");

        /// A session ends after this time, however often it is used.
        SESSION_MAX_DAYS => session_max: TimeDelta = number(1..=3650).unit("days").map(TimeDelta::days).default("365");

        /// Cost of password hashing. Each step doubles the time to hash a password.
        BCRYPT_COST => bcrypt_cost: u32 = number_by_environment(4..=31, 10..=31).default("12");

        /// Failed logins of one name from one address within 15 minutes after which further ones are refused; ten
        /// times as many of all names. 0 sets no limit.
        LOGIN_LIMIT => login_limit: u32 = number(0..=10_000).default("10");

        /// Whether new passwords that are easy to guess or contain the user name are refused.
        CHECK_PASSWORDS => check_passwords: bool = boolean().default("true");

        /// Whether anyone can create an account over the API. `auto` is `closed` for a database that was taken
        /// over from the FastAPI blog, and otherwise `open`.
        REGISTRATION => registration: Registration = choice(&[
            ("auto", Registration::Auto),
            ("open", Registration::Open),
            ("closed", Registration::Closed),
        ]).default_by_environment("auto", "closed");
    }
}

fn previous_secret_key() -> Kind<SecretString> {
    Kind::new("text", |name, key, reader| {
        if key.is_empty() {
            reader.error(name, "is empty");
            return None;
        }
        Some(key.into())
    })
}

/// The maximum lifetime of an access token: one hundred years.
const MINUTES_OF_A_CENTURY: i64 = 100 * 365 * 24 * 60;

/// The way out of a weak key.
const NEW_KEY: &str = "generate a key with `openssl rand -hex 32`";

/// A weak key is an error in production and a warning in development. An empty key is always an error,
/// because it is never intended.
fn secret_key() -> Kind<SecretString> {
    Kind::new("text", |name, key, reader| {
        if key.is_empty() {
            reader.error(name, "is empty");
            return None;
        }
        for weakness in secret_key::weaknesses(key) {
            if reader.is_production() {
                reader.error(name, format_args!("{weakness}; {NEW_KEY}"));
            } else {
                let way_out = format_args!("production would not start with it; {NEW_KEY}");
                reader.warning(name, format_args!("{weakness}; {way_out}"));
            }
        }
        Some(key.into())
    })
}
