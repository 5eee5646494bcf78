//! Requests and responses about previews.

use secrecy::SecretString;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    accounts::sessions::schemas::expose,
    fields,
    http::{
        timestamp::Timestamp,
        validation::{Id, Lifetime, TextRule},
    },
    text,
};

/// The longest lifetime of a link, in seconds: 30 days.
const MAX_LIFETIME: u32 = 30 * 24 * 60 * 60;

text! {
    /// The id or the token of a link. It is compared, not stored.
    pub struct PreviewText = TextRule::any();
}

fields! {
    /// A new link.
    pub struct PreviewCreate {
        /// The number of seconds until the link expires, at most 30 days.
        #[example = 604_800]
        expires_in: Lifetime<MAX_LIFETIME> = 604_800,
    }
}

fields! {
    /// The path of a link of an article.
    pub struct PreviewPath in path {
        /// The id of the article.
        #[example = 1]
        article_id: Id,
        /// The id of the link.
        #[example = "4f1d6c0a9b8e7d6c5b4a392817161514"]
        preview_id: PreviewText,
    }
}

fields! {
    /// The path that a link leads to.
    pub struct PreviewTokenPath in path {
        /// The token of the link.
        #[example = "4f1d6c0a9b8e7d6c5b4a392817161514.EHcXDmr2FevkB-OpSNqq_hNzmLnGTwr8Q5nHOIlvoqU"]
        token: PreviewText,
    }
}

/// A link, as it is listed.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewResponse {
    /// The id of the link.
    #[schema(examples("4f1d6c0a9b8e7d6c5b4a392817161514"))]
    pub id: String,
    /// The account that created the link.
    #[schema(examples(1))]
    pub creator_id: i32,
    /// When the link was created.
    #[schema(value_type = String, format = DateTime, examples("2026-11-23T15:39:42.169551Z"))]
    pub created_at: Timestamp,
    /// When the link expires.
    #[schema(value_type = String, format = DateTime, examples("2026-11-30T15:39:42.169551Z"))]
    pub expires_at: Timestamp,
}

/// A new link. No later response shows its token.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewCreated {
    /// The token: `GET /previews/{token}` shows the article.
    #[serde(serialize_with = "expose")]
    #[schema(value_type = String, examples(
        "4f1d6c0a9b8e7d6c5b4a392817161514.EHcXDmr2FevkB-OpSNqq_hNzmLnGTwr8Q5nHOIlvoqU"
    ))]
    pub token: SecretString,
    /// The link, as it is listed.
    pub preview: PreviewResponse,
}
