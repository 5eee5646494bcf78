//! Access tokens that tests make themselves.

use chrono::{DateTime, Utc};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::Value;

use super::SECRET_KEY;

/// Signs a token with the key of the tests, HS256.
pub(crate) fn sign_token(claims: &Value) -> String {
    sign_token_with(SECRET_KEY, claims)
}

/// Signs a token with another key, HS256.
pub(crate) fn sign_token_with(key: &str, claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(key.as_bytes())).unwrap()
}

/// The time of a client.
#[expect(clippy::disallowed_methods, reason = "a client has a clock of its own")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
