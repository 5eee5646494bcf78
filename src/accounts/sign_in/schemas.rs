//! Requests and responses of sign-in (contract, section 5).

use secrecy::SecretString;
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    accounts::users::schemas::Username,
    fields,
    http::validation::{Field, Input, InvalidValue, Limits, TextRule, text_schema},
    text,
};

text! {
    /// `password`, the only supported grant type (RFC 6749, section 4.3).
    pub struct GrantType = TextRule::new(0, None, "^password$");
    /// Any text. A name or a password that registration would reject belongs to no account, which is a 401.
    pub struct FormText = TextRule::any();
}

/// The name of an account: any text, because an old account may have any name.
#[derive(Clone, Debug)]
pub struct LoginName {
    /// As it was typed.
    pub typed: String,
    /// The spelling in which registration would store it; `None` if registration would reject it.
    pub stored: Option<String>,
}

impl Field for LoginName {
    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue> {
        let typed = FormText::parse(input, limits)?.into_inner();
        let stored = Username::parse(Input::Text(&typed), limits).ok().map(Username::into_inner);
        Ok(Self { typed, stored })
    }

    fn schema() -> RefOr<Schema> {
        FormText::schema()
    }
}

/// A password to verify: any text.
#[derive(Clone, Debug)]
pub struct Secret(pub SecretString);

impl Field for Secret {
    const SECRET: bool = true;

    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue> {
        FormText::parse(input, limits).map(|text| Self(text.into_inner().into()))
    }

    fn schema() -> RefOr<Schema> {
        text_schema(&TextRule { format: Some("password"), ..TextRule::any() })
    }
}

fields! {
    /// The form of an OAuth 2.0 password grant.
    pub struct LoginForm {
        /// `password`, or absent.
        #[example = "password"]
        grant_type: Option<GrantType>,
        /// The name of the account, case-sensitive.
        #[example = "ada"]
        username: LoginName,
        /// The password of the account. Only its first 72 bytes are compared.
        #[example = "correct horse battery"]
        password: Secret,
        /// Ignored.
        #[example = ""]
        scope: Option<FormText>,
        /// Ignored.
        #[example = ""]
        client_id: Option<FormText>,
        /// Ignored.
        #[example = ""]
        client_secret: Option<Secret>,
    }
}

/// An access token, to be sent as `Authorization: Bearer …`.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenResponse {
    /// A JSON Web Token that expires after `ACCESS_TOKEN_EXPIRE_MINUTES`.
    #[schema(examples(
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIiwiZXhwIjoxNzk1NDQ4NjAwfQ.c2lnbmF0dXJl"
    ))]
    pub access_token: String,
    /// Always `bearer`.
    #[schema(examples("bearer"))]
    pub token_type: &'static str,
}
