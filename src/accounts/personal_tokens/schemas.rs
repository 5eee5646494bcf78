//! Requests and responses about personal access tokens.

use secrecy::SecretString;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    accounts::sessions::schemas::expose,
    fields,
    http::{
        scope::Scope,
        timestamp::Timestamp,
        validation::{Id, Lifetime, List, TextRule},
    },
    text,
};

/// The longest lifetime of a token, in seconds: 366 days.
const MAX_LIFETIME: u32 = 366 * 24 * 60 * 60;

text! {
    /// The name of a token: 1 to 100 code points.
    pub struct TokenName = TextRule::without_nul(1, Some(100));
}

fields! {
    /// A new personal access token.
    pub struct PersonalTokenCreate {
        /// What the token is for: 1 to 100 code points.
        #[example = "site builder"]
        name: TokenName,
        /// What the token may do. Only tokens of administrators can have the scope `admin`.
        #[example = ["articles:read"]]
        scopes: List<Scope, 1, 5>,
        /// The number of seconds until the token expires, at most 366 days.
        #[example = 2_592_000]
        expires_in: Lifetime<MAX_LIFETIME>,
    }
}

fields! {
    /// The path of a personal access token.
    pub struct PersonalTokenPath in path {
        /// The id of the token.
        #[example = 1]
        token_id: Id,
    }
}

/// A personal access token, as shown to its owner.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonalTokenResponse {
    /// The id of the token.
    #[schema(examples(1))]
    pub id: i32,
    /// What the token is for.
    #[schema(examples("site builder"))]
    pub name: String,
    /// What the token may do.
    #[schema(examples("articles:read"))]
    pub scopes: Vec<String>,
    /// When the token was created.
    #[schema(value_type = String, format = DateTime, examples("2026-11-23T15:39:42.169551Z"))]
    pub created_at: Timestamp,
    /// When the token expires.
    #[schema(value_type = String, format = DateTime, examples("2026-12-23T15:39:42.169551Z"))]
    pub expires_at: Timestamp,
    /// When the token was last used, to the minute; null before its first use.
    #[schema(required, value_type = Option<String>, format = DateTime, examples("2026-11-24T15:39:42.169551Z"))]
    pub last_used_at: Option<Timestamp>,
}

/// A new personal access token. No later response shows the token itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonalTokenCreated {
    /// The token, to be sent as `Authorization: Bearer …`.
    #[serde(serialize_with = "expose")]
    #[schema(value_type = String, examples(
        "blp_9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08b1d0c1a5"
    ))]
    pub token: SecretString,
    /// Its description, as it is listed.
    pub description: PersonalTokenResponse,
}
