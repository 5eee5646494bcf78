//! Requests about lost passwords and e-mail addresses.

use secrecy::SecretString;
use utoipa::openapi::{RefOr, Schema};

use crate::{
    accounts::users::schemas::{Email, NewPassword},
    fields,
    http::validation::{Field, Input, InvalidValue, Limits, TextRule, parse_text, text_schema},
};

/// The token of a link.
#[derive(Clone, Debug)]
pub struct LinkToken(pub SecretString);

impl LinkToken {
    fn rule() -> TextRule {
        TextRule { min: 1, max: Some(200), ..TextRule::any() }
    }
}

impl Field for LinkToken {
    const SECRET: bool = true;

    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        parse_text(input, &Self::rule()).map(|token| Self(token.into()))
    }

    fn schema() -> RefOr<Schema> {
        text_schema(&Self::rule())
    }
}

fields! {
    /// A request for a link to set a new password.
    pub struct PasswordForgot {
        /// The e-mail address of the account, in any case.
        #[example = "ada@example.com"]
        email: Email,
    }
}

fields! {
    /// A new password, by a link.
    pub struct PasswordReset {
        /// The token of the link.
        #[example = "0f8fad5bd9cb469fa16570867728950e.kE7Wv3X0Yh5l1Tq2Jr8mZc4Nd6Pb9Sa0Uf7Gi3Hj5Kk"]
        token: LinkToken,
        /// The new password: at least 8 code points and at most 72 bytes in UTF-8.
        #[example = "correct horse battery"]
        new_password: NewPassword,
    }
}

fields! {
    /// The confirmation of an e-mail address.
    pub struct EmailConfirmation {
        /// The token of the link.
        #[example = "0f8fad5bd9cb469fa16570867728950e.kE7Wv3X0Yh5l1Tq2Jr8mZc4Nd6Pb9Sa0Uf7Gi3Hj5Kk"]
        token: LinkToken,
    }
}
