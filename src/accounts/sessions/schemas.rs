//! Requests and responses about sessions.

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, Serializer};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    fields,
    http::{
        timestamp::Timestamp,
        validation::{Field, Input, InvalidValue, Limits, TextRule, parse_text, text_schema},
    },
    text,
};

/// A secret that the client received before: any text.
#[derive(Clone, Debug)]
pub struct Credential(pub SecretString);

impl Credential {
    fn rule() -> TextRule {
        TextRule { format: Some("password"), ..TextRule::any() }
    }
}

impl Field for Credential {
    const SECRET: bool = true;

    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        parse_text(input, &Self::rule()).map(|text| Self(text.into()))
    }

    fn schema() -> RefOr<Schema> {
        text_schema(&Self::rule())
    }
}

text! {
    /// The id of a session: any text, because other texts name no session.
    pub struct SessionId = TextRule::any();
}

fields! {
    /// A refresh token to exchange.
    pub struct RefreshRequest {
        /// The refresh token of the latest response.
        #[example = "blr_4f1d6c1c5f5e4b7a9d0e8c7b6a5f4e3d.c2VjcmV0.c2lnbmF0dXJl"]
        refresh_token: Credential,
    }
}

fields! {
    /// The path of a session.
    pub struct SessionPath in path {
        /// The id of the session.
        #[example = "4f1d6c1c5f5e4b7a9d0e8c7b6a5f4e3d"]
        session_id: SessionId,
    }
}

/// The tokens of a session.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenResponse {
    /// An access token, to be sent as `Authorization: Bearer …`.
    #[schema(examples(
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIiwiZXhwIjoxNzk1NDQ4NjAwfQ.c2lnbmF0dXJl"
    ))]
    pub access_token: String,
    /// Always `bearer`.
    #[schema(examples("bearer"))]
    pub token_type: &'static str,
    /// The number of seconds until the access token expires: `ACCESS_TOKEN_EXPIRE_MINUTES`.
    #[schema(examples(1800))]
    pub expires_in: i64,
    /// The token that `POST /auth/refresh` exchanges for new ones. It can be used once.
    #[serde(serialize_with = "expose")]
    #[schema(value_type = String, examples("blr_4f1d6c1c5f5e4b7a9d0e8c7b6a5f4e3d.c2VjcmV0.c2lnbmF0dXJl"))]
    pub refresh_token: SecretString,
    /// The number of seconds until the refresh token expires, unless it is used before.
    #[schema(examples(2_592_000))]
    pub refresh_expires_in: i64,
}

/// Writes a secret into the response that hands it out.
pub fn expose<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

/// A session, as shown to its user.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionResponse {
    /// The id of the session.
    #[schema(examples("4f1d6c1c5f5e4b7a9d0e8c7b6a5f4e3d"))]
    pub id: String,
    /// The header `User-Agent` at sign-in.
    #[schema(required, examples("Mozilla/5.0"))]
    pub device: Option<String>,
    /// The IP address at sign-in or at the latest refresh.
    #[schema(examples("203.0.113.7"))]
    pub address: String,
    /// When the user signed in.
    #[schema(value_type = String, format = DateTime, examples("2026-11-23T15:39:42.169551Z"))]
    pub created_at: Timestamp,
    /// When the user signed in or last refreshed the access token.
    #[schema(value_type = String, format = DateTime, examples("2026-11-23T15:39:42.169551Z"))]
    pub last_used_at: Timestamp,
    /// When the refresh token expires, unless it is used before.
    #[schema(value_type = String, format = DateTime, examples("2026-12-23T15:39:42.169551Z"))]
    pub expires_at: Timestamp,
    /// Whether the request belongs to this session.
    #[schema(examples(true))]
    pub current: bool,
}
