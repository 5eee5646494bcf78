//! Settings of articles.

use super::declare::settings_group;
use super::kind::{boolean, choice, number};

/// The format of a new article that names none: `DEFAULT_FORMAT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentFormat {
    /// CommonMark.
    Markdown,
    /// Text.
    Plain,
    /// HTML.
    Html,
}

const FORMATS: &[(&str, ContentFormat)] =
    &[("markdown", ContentFormat::Markdown), ("plain", ContentFormat::Plain), ("html", ContentFormat::Html)];

settings_group! {
    /// Articles
    PublishingSettings {
        /// `true` shows unpublished articles to everyone, like the FastAPI blog did.
        PUBLIC_DRAFTS => public_drafts: bool = boolean().default("false");

        /// Format of new articles for which the request names none.
        DEFAULT_FORMAT => default_format: ContentFormat = choice(FORMATS).default("markdown");

        /// Maximum number of former states that are kept of each article. 0 keeps none.
        MAX_REVISIONS => max_revisions: u32 = number(0..=10_000).default("100");
    }
}
