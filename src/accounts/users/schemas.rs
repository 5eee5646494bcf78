//! What accounts take and show.

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

/// What the HTML standard takes as a valid e-mail address.
const EMAIL: &str = "^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$";

/// No control characters, no blanks at the ends; U+FEFF is a blank to ECMA-262 and none to `regex`.
const USERNAME: &str = r"^[^\s\ufeff\u0000-\u001f\u007f-\u009f](?:[^\u0000-\u001f\u007f-\u009f]*[^\s\ufeff\u0000-\u001f\u007f-\u009f])?$";

text! {
    /// An e-mail address.
    pub struct Email = TextRule { format: Some("email"), ..TextRule::new(3, Some(255), EMAIL) };
    /// A name to sign in with, 1 to 50 code points.
    pub struct Username = TextRule::new(1, Some(50), USERNAME);
}

/// A password to be set: 8 code points to 72 bytes, as bcrypt would not see what comes behind them.
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
        /// An address that nobody else has, however it is capitalised; at most 255 characters.
        email: Email,
        /// A name that nobody else has: 1 to 50 code points, no control characters, no blanks at the ends.
        username: Username,
        /// 8 code points to 72 bytes of UTF-8.
        password: NewPassword,
    }
}

/// An account as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserResponse {
    /// Never given to anyone else.
    #[schema(example = 1)]
    pub id: i32,
    /// As it was registered.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// As it was registered.
    #[schema(example = "ada")]
    pub username: String,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When the account last changed.
    pub updated_at: Timestamp,
}
