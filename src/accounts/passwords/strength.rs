//! Refuses new passwords that are easy to guess.

use secrecy::ExposeSecret as _;
use serde_json::json;
use zxcvbn::{Score, zxcvbn};

use crate::{
    accounts::{Accounts, users::schemas::NewPassword},
    http::{
        error::Result,
        field_errors::{FieldErrors, InvalidValue},
    },
};

/// The shortest user name that a password must not contain, in code points. Shorter ones are parts of many words.
const SHORTEST_NAME: usize = 3;

/// Checks a new password of the account with this name and address, which is located at `loc` in the request.
///
/// # Errors
/// [`Error::Invalid`](crate::http::error::Error::Invalid) if it contains the name, or if about a million guesses
/// would find it, as for the most common passwords.
pub fn check_strength(
    accounts: &Accounts,
    password: &NewPassword,
    username: &str,
    email: &str,
    loc: &[&'static str; 2],
) -> Result<()> {
    let password = password.secret().expose_secret();
    let contains_name = username.chars().count() >= SHORTEST_NAME
        && password.to_lowercase().contains(&username.to_lowercase());
    let reason = if !accounts.check_passwords {
        return Ok(());
    } else if contains_name {
        "a password must not contain the user name"
    } else if zxcvbn(password, &[username, email]).score() < Score::Two {
        "the password is too easy to guess"
    } else {
        return Ok(());
    };
    let invalid = InvalidValue::rejected(reason.to_owned());
    Err(FieldErrors::one(invalid, loc, json!("[redacted]")).into())
}
