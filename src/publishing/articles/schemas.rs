//! Requests and responses about articles (contract, section 2).

mod lists;

use serde::Serialize;
use serde_json::json;
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    choice,
    config::ContentFormat,
    fields,
    http::{
        conditional::RowState,
        timestamp::Timestamp,
        validation::{Field, Id, Instant, List, Nullable, TextRule},
    },
    publishing::{
        expansions::Expansions,
        slugs::Slug,
        tags::names::{MAX_TAGS, TagName},
    },
    text,
};
pub use lists::{ArticleFilter, ArticleList, AuthorName, Drafts, ListCursor, MAX_FILTERS, Sort};

text! {
    /// 1 to 200 code points.
    pub struct Title = TextRule::without_nul(1, Some(200));
    /// At least 10 code points.
    pub struct Content = TextRule::without_nul(10, None);
    /// 1 to 500 code points.
    pub struct Excerpt = TextRule::without_nul(1, Some(500));
}

choice! {
    /// The format of a content.
    pub enum Format {
        /// Markdown.
        Markdown = "markdown",
        /// Text.
        Plain = "plain",
        /// HTML.
        Html = "html",
    }
}

impl Format {
    /// The format as it is stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Plain => "plain",
            Self::Html => "html",
        }
    }

    /// The format with this name. Another program may have stored any text, which is shown as text.
    pub fn of_name(name: &str) -> Self {
        match name {
            "markdown" => Self::Markdown,
            "html" => Self::Html,
            _ => Self::Plain,
        }
    }
}

impl From<ContentFormat> for Format {
    fn from(format: ContentFormat) -> Self {
        match format {
            ContentFormat::Markdown => Self::Markdown,
            ContentFormat::Plain => Self::Plain,
            ContentFormat::Html => Self::Html,
        }
    }
}

fields! {
    /// A new article.
    pub struct ArticleCreate {
        /// 1 to 200 code points, stored unchanged.
        #[example = "On the Analytical Engine"]
        title: Title,
        /// At least 10 code points, stored unchanged.
        #[example = "It weaves algebraical patterns."]
        content: Content,
        /// Whether the article is published. A draft is visible to its author and to administrators.
        #[example = true]
        published: bool = false,
        /// The name in the URL: lower-case words with hyphens between them. By default derived from the title.
        #[example = null]
        slug: Nullable<Slug>,
        /// The format of the content. By default the setting `DEFAULT_FORMAT`.
        #[example = "markdown"]
        format: Option<Format>,
        /// 1 to 500 code points. By default the first paragraph.
        #[example = "What the engine weaves."]
        excerpt: Nullable<Excerpt>,
        /// When the draft is to be published; in the future.
        #[example = null]
        scheduled_at: Nullable<Instant>,
        /// Up to 20 tags of 1 to 50 code points, in their order. Names that differ by case only are the same tag.
        #[example = ["engines", "mathematics"]]
        tags: List<TagName, 0, MAX_TAGS> = [],
    }
}

fields! {
    /// Changes to an article. Absent members stay unchanged.
    pub struct ArticleUpdate {
        /// 1 to 200 code points.
        #[null_error = late]
        #[example = "On the Analytical Engine"]
        title: Option<Title>,
        /// At least 10 code points.
        #[null_error = late]
        #[example = "It weaves algebraical patterns."]
        content: Option<Content>,
        /// `true` publishes the article, `false` turns it into a draft.
        #[null_error = late]
        #[example = true]
        published: Option<bool>,
        /// The name in the URL: lower-case words with hyphens between them. Null: derived from the title.
        #[example = null]
        slug: Nullable<Slug>,
        /// The format of the content.
        #[example = "markdown"]
        format: Option<Format>,
        /// 1 to 500 code points. Null: the first paragraph.
        #[example = "What the engine weaves."]
        excerpt: Nullable<Excerpt>,
        /// When the draft is to be published; in the future. Null: it is not scheduled.
        #[example = null]
        scheduled_at: Nullable<Instant>,
        /// Replaces all tags: up to 20 of 1 to 50 code points, in their order.
        #[example = ["engines", "mathematics"]]
        tags: Option<List<TagName, 0, MAX_TAGS>>,
    }
}

impl ArticleUpdate {
    /// The change to a former state, whose values were valid once.
    pub(in crate::publishing) fn restoring(
        title: String,
        content: String,
        format: &str,
        tags: Vec<TagName>,
    ) -> Self {
        Self {
            title: Some(Title(title)),
            content: Some(Content(content)),
            published: None,
            slug: Nullable::Absent,
            format: Some(Format::of_name(format)),
            excerpt: Nullable::Absent,
            scheduled_at: Nullable::Absent,
            tags: Some(List(tags)),
        }
    }
}

fields! {
    /// The path of an article.
    pub struct ArticlePath in path {
        /// The id of the article.
        #[example = 1]
        article_id: Id,
    }
}

text! {
    /// What may be a slug.
    pub struct SlugText = TextRule::any();
}

fields! {
    /// The path of an article by its slug.
    pub struct SlugPath in path {
        /// The slug of the article, or a former one.
        #[example = "on-the-analytical-engine"]
        slug: SlugText,
    }
}

fields! {
    /// What to show of an article.
    pub struct ArticleDetail {
        /// What else to show, separated by commas.
        expand: Option<Expansions>,
    }
}

/// The author of an article.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuthorResponse {
    /// The id of the account.
    #[schema(examples(1))]
    pub id: i32,
    /// The name of the account.
    #[schema(examples("ada"))]
    pub username: String,
    /// The name to show to readers.
    #[schema(required, examples("Ada Lovelace"))]
    pub display_name: Option<String>,
    /// A text about the author.
    #[schema(required, examples("Analyst and metaphysician."))]
    pub bio: Option<String>,
    /// The URL of a picture.
    #[schema(required, examples("https://example.com/ada.jpg"))]
    pub image: Option<String>,
}

fn format_schema() -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut format)) = Format::schema() else { return Format::schema() };
    format.description = Some("The format of the content.".to_owned());
    format.examples = vec![json!("markdown")];
    RefOr::T(Schema::Object(format))
}

/// An article.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArticleResponse {
    /// 1 to 200 code points.
    #[schema(examples("On the Analytical Engine"))]
    pub title: String,
    /// At least 10 code points.
    #[schema(examples("It weaves algebraical patterns."))]
    pub content: String,
    /// Whether the article is published. A draft is visible to its author and to administrators.
    #[schema(examples(true))]
    pub published: bool,
    /// The id of the article. Ids are never reused.
    #[schema(examples(1))]
    pub id: i32,
    /// The id of the author's account.
    #[schema(examples(1))]
    pub author_id: i32,
    /// When the article was created.
    #[schema(value_type = String, format = DateTime, examples("2026-11-23T15:39:42.169551Z"))]
    pub created_at: Timestamp,
    /// When the article last changed.
    #[schema(value_type = String, format = DateTime, examples("2026-11-23T15:39:42.169551Z"))]
    pub updated_at: Timestamp,
    /// The name in the URL. That of a draft is provisional.
    #[schema(examples("on-the-analytical-engine"))]
    pub slug: String,
    /// The format of the content.
    #[schema(schema_with = format_schema)]
    pub format: Format,
    /// When the article was first published.
    #[schema(required, value_type = Option<String>, format = DateTime, examples("2026-11-23T15:39:42.169551Z"))]
    pub published_at: Option<Timestamp>,
    /// When the draft is to be published.
    #[schema(required, value_type = Option<String>, format = DateTime, examples("2026-12-24T18:00:00Z"))]
    pub scheduled_at: Option<Timestamp>,
    /// The author; present with `expand=author`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub author: Option<AuthorResponse>,
    /// The names of the tags, in their order; present with `expand=tags`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("engines"))]
    pub tags: Option<Vec<String>>,
    /// The content as HTML that is safe to show; present with `expand=html`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("<p>It weaves algebraical patterns.</p>\n"))]
    pub html: Option<String>,
    /// The excerpt that the author wrote, or the first paragraph as text; present with `expand=excerpt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("It weaves algebraical patterns."))]
    pub excerpt: Option<String>,
    /// The number of words of the content; present with `expand=excerpt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples(4))]
    pub word_count: Option<u32>,
    /// The minutes that reading the content takes; present with `expand=excerpt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples(1))]
    pub reading_minutes: Option<u32>,
    /// Sent as the entity tag.
    #[serde(skip)]
    pub state: RowState,
}
