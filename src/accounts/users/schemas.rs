//! Requests and responses about user accounts.

use secrecy::SecretString;
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    accounts::passwords::MAX_BYTES,
    fields,
    http::{
        timestamp::Timestamp,
        validation::{Field, Input, InvalidValue, Limits, TextRule, parse_text, text_schema},
    },
    text,
};

/// A valid e-mail address as defined by the HTML standard.
const EMAIL: &str = "^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$";

/// No control characters, no white space at either end. U+FEFF is listed because it is white space in
/// ECMA-262, but not in the `regex` crate.
const USERNAME: &str = r"^[^\s\ufeff\u0000-\u001f\u007f-\u009f](?:[^\u0000-\u001f\u007f-\u009f]*[^\s\ufeff\u0000-\u001f\u007f-\u009f])?$";

text! {
    /// An e-mail address.
    pub struct Email = TextRule {
        format: Some("email"), mismatch: Some(not_an_address), ..TextRule::new(3, Some(255), EMAIL)
    };
    /// A user name, 1 to 50 code points.
    pub struct Username = TextRule::new(1, Some(50), USERNAME);
}

/// The error that Pydantic reports for an address. Its pattern would explain nothing to a person.
fn not_an_address() -> InvalidValue {
    let reason = "An address has the form name@example.com";
    InvalidValue::new("value_error", format!("value is not a valid email address: {reason}"))
        .with("reason", reason)
}

/// A password to set: at least 8 code points and at most 72 bytes, because bcrypt ignores further bytes.
#[derive(Clone, Debug)]
pub struct NewPassword(SecretString);

impl NewPassword {
    fn rule() -> TextRule {
        TextRule { format: Some("password"), ..TextRule::without_nul(8, Some(MAX_BYTES)) }
    }

    /// The password.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

impl Field for NewPassword {
    const SECRET: bool = true;

    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        let password = parse_text(input, &Self::rule())?;
        if password.len() > MAX_BYTES {
            let msg = format!("Data should have at most {MAX_BYTES} bytes");
            return Err(InvalidValue::new("bytes_too_long", msg).with("max_length", MAX_BYTES));
        }
        Ok(Self(password.into()))
    }

    fn schema() -> RefOr<Schema> {
        text_schema(&Self::rule())
    }
}

fields! {
    /// A new account.
    pub struct UserCreate {
        /// The e-mail address, 3 to 255 characters. No two accounts have the same address, regardless of
        /// case.
        #[example = "ada@example.com"]
        email: Email,
        /// The user name to sign in with, unique and case-sensitive. 1 to 50 code points, without control
        /// characters and without white space at either end.
        #[example = "ada"]
        username: Username,
        /// The password: at least 8 code points and at most 72 bytes in UTF-8.
        #[example = "correct horse battery"]
        password: NewPassword,
    }
}

/// An account, as shown to its owner.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserResponse {
    /// The id of the account. Ids are never reused.
    #[schema(examples(1))]
    pub id: i32,
    /// The e-mail address, spelled as at registration.
    #[schema(examples("ada@example.com"))]
    pub email: String,
    /// The user name.
    #[schema(examples("ada"))]
    pub username: String,
    /// When the account was created.
    #[schema(value_type = String, format = DateTime, examples("2026-11-23T15:39:42.169551Z"))]
    pub created_at: Timestamp,
    /// When the account last changed.
    #[schema(value_type = String, format = DateTime, examples("2026-11-23T15:39:42.169551Z"))]
    pub updated_at: Timestamp,
}
