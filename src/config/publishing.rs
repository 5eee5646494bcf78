//! Settings of articles.

use super::declare::settings_group;
use super::kind::boolean;

settings_group! {
    /// Articles
    PublishingSettings {
        /// `true` shows unpublished articles to everyone, like the FastAPI blog did.
        PUBLIC_DRAFTS => public_drafts: bool = boolean().default("false");
    }
}
