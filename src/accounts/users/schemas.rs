//! Requests and responses about user accounts.

use secrecy::SecretString;
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    accounts::{
        passwords::MAX_BYTES,
        profiles::{enforce_nickname, enforce_opaque_string},
    },
    fields,
    http::{
        timestamp::Timestamp,
        validation::{Field, Input, InvalidValue, Limits, TextRule, parse_text, text_schema},
    },
    text,
};

/// A valid e-mail address as defined by the HTML standard.
const EMAIL: &str = "^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$";

/// The maximum number of code points of a user name.
const MAX_NAME: usize = 50;

/// No control characters, no white space at either end. U+FEFF is listed because it is white space in
/// ECMA-262, but not in the `regex` crate.
const USERNAME: &str = r"^[^\s\ufeff\u0000-\u001f\u007f-\u009f](?:[^\u0000-\u001f\u007f-\u009f]*[^\s\ufeff\u0000-\u001f\u007f-\u009f])?$";

text! {
    /// An e-mail address.
    pub struct Email = TextRule {
        format: Some("email"), mismatch: Some(not_an_address), ..TextRule::new(3, Some(255), EMAIL)
    };
    /// A user name as it was typed, 1 to 50 code points.
    pub struct TypedName = TextRule::new(1, Some(MAX_NAME), USERNAME);
}

/// The error that Pydantic reports for an address. Its pattern would explain nothing to a person.
fn not_an_address() -> InvalidValue {
    let reason = "An address has the form name@example.com";
    InvalidValue::new("value_error", format!("value is not a valid email address: {reason}"))
        .with("reason", reason)
}

/// A user name in the spelling of its profile (RFC 8266), 1 to 50 code points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// The name.
    pub fn into_inner(self) -> String {
        self.0
    }
}

impl AsRef<str> for Username {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Field for Username {
    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue> {
        let typed = TypedName::parse(input, limits)?;
        let name = enforce_nickname(&typed.into_inner()).map_err(InvalidValue::rejected)?;
        // A character may become several, which JSON Schema cannot express.
        if name.chars().count() > MAX_NAME {
            return Err(InvalidValue::rejected(format!("more than {MAX_NAME} characters in NFKC")));
        }
        Ok(Self(name))
    }

    fn schema() -> RefOr<Schema> {
        TypedName::schema()
    }
}

/// A password to set, in the spelling of its profile (RFC 8265), or as typed if the profile rejects it: at
/// least 8 code points and at most 72 bytes, because bcrypt ignores further bytes.
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
        let typed = parse_text(input, &Self::rule())?;
        let password = enforce_opaque_string(&typed).unwrap_or_else(|| typed.clone());
        if typed.len().max(password.len()) > MAX_BYTES {
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
        /// characters, invisible characters, and white space at either end. Stored in Unicode's form NFKC,
        /// with single spaces (RFC 8266).
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
