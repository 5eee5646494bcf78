//! What login takes and gives (contract, section 5).

use secrecy::SecretString;
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    fields,
    http::validation::{Field, Input, InvalidValue, Limits, TextRule, text_schema},
    text,
};

text! {
    /// Nothing but the password grant (RFC 6749, section 4.3).
    pub struct GrantType = TextRule::new(0, None, "^password$");
    /// Any text: what fits no rule of ours fits no account either, and that is a 401.
    pub struct FormText = any_text();
}

fn any_text() -> TextRule {
    TextRule::new(0, None, r"^[\s\S]*$")
}

/// A password that is to be compared: any text.
#[derive(Clone, Debug)]
pub struct Secret(pub SecretString);

impl Field for Secret {
    const SECRET: bool = true;

    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue> {
        FormText::parse(input, limits).map(|text| Self(text.into_inner().into()))
    }

    fn schema() -> RefOr<Schema> {
        text_schema(&TextRule { format: Some("password"), ..any_text() })
    }
}

fields! {
    /// The form of OAuth2's password grant.
    pub struct LoginForm {
        /// `password`, or left out.
        grant_type: Option<GrantType>,
        /// The name of the account, compared exactly.
        username: FormText,
        /// Its password; bcrypt reads the first 72 bytes.
        password: Secret,
        /// Not looked at.
        scope: Option<FormText>,
        /// Not looked at.
        client_id: Option<FormText>,
        /// Not looked at.
        client_secret: Option<Secret>,
    }
}

/// A token to send as `Authorization: Bearer …`.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenResponse {
    /// A JWT that lives for `ACCESS_TOKEN_EXPIRE_MINUTES`.
    #[schema(
        example = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIiwiZXhwIjoxNzk1NDQ4NjAwfQ.c2lnbmF0dXJl"
    )]
    pub access_token: String,
    /// `bearer`.
    #[schema(example = "bearer")]
    pub token_type: &'static str,
}
