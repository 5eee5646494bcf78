//! Settings of articles.

use super::declare::settings_group;
use super::kind::{boolean, choice, number};

/// The format of a new article that names none: `DEFAULT_FORMAT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentFormat {
    /// Markdown.
    Markdown,
    /// Text.
    Plain,
    /// HTML.
    Html,
}

const FORMATS: &[(&str, ContentFormat)] =
    &[("markdown", ContentFormat::Markdown), ("plain", ContentFormat::Plain), ("html", ContentFormat::Html)];

/// The text search configurations that PostgreSQL has since version 14: the values of `SEARCH_LANGUAGE`.
const LANGUAGES: &[(&str, &str)] = &[
    ("simple", "simple"),
    ("arabic", "arabic"),
    ("armenian", "armenian"),
    ("basque", "basque"),
    ("catalan", "catalan"),
    ("danish", "danish"),
    ("dutch", "dutch"),
    ("english", "english"),
    ("finnish", "finnish"),
    ("french", "french"),
    ("german", "german"),
    ("greek", "greek"),
    ("hindi", "hindi"),
    ("hungarian", "hungarian"),
    ("indonesian", "indonesian"),
    ("irish", "irish"),
    ("italian", "italian"),
    ("lithuanian", "lithuanian"),
    ("nepali", "nepali"),
    ("norwegian", "norwegian"),
    ("portuguese", "portuguese"),
    ("romanian", "romanian"),
    ("russian", "russian"),
    ("serbian", "serbian"),
    ("spanish", "spanish"),
    ("swedish", "swedish"),
    ("tamil", "tamil"),
    ("turkish", "turkish"),
    ("yiddish", "yiddish"),
];

settings_group! {
    /// Articles
    PublishingSettings {
        /// `true` shows unpublished articles to everyone, like the FastAPI blog did.
        PUBLIC_DRAFTS => public_drafts: bool = boolean().default("false");

        /// Format of new articles for which the request names none.
        DEFAULT_FORMAT => default_format: ContentFormat = choice(FORMATS).default("markdown");

        /// Maximum number of former states that are kept of each article. 0 keeps none.
        MAX_REVISIONS => max_revisions: u32 = number(0..=10_000).default("100");

        /// Language whose forms of words search recognises, on PostgreSQL. `simple` compares whole words, as search
        /// on SQLite does in any case. After a change, all articles are indexed again.
        SEARCH_LANGUAGE => search_language: &'static str = choice(LANGUAGES).default("simple");
    }
}
