//! Requests and responses about articles (contract, section 2).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{
    ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use crate::{
    choice,
    config::ContentFormat,
    fields,
    http::{
        conditional::RowState,
        paging::{Count, Cursor},
        timestamp::Timestamp,
        validation::{Field, Id, Input, Instant, InvalidValue, Limits, Nullable, PageSize, Skip, TextRule},
    },
    publishing::{expansions::Expansions, slugs::Slug},
    text,
};

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
        /// CommonMark.
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

choice! {
    /// The order of a list.
    pub enum Sort {
        /// By time of creation, newest first.
        NewestFirst = "-created_at",
        /// By time of creation, oldest first.
        OldestFirst = "created_at",
        /// By time of the last change, most recent first.
        RecentlyUpdatedFirst = "-updated_at",
        /// By time of the last change, least recent first.
        LeastRecentlyUpdatedFirst = "updated_at",
        /// By time of the first publication, most recent first; without what was never published.
        RecentlyPublishedFirst = "-published_at",
        /// By time of the first publication, least recent first; without what was never published.
        LeastRecentlyPublishedFirst = "published_at",
    }
}

choice! {
    /// Whose drafts a list shows.
    pub enum Drafts {
        /// Those of all authors.
        All = "all",
    }
}

text! {
    /// The name of a user.
    pub struct AuthorName = TextRule::without_nul(0, None);
}

/// A cursor as it was sent and decoded.
#[derive(Clone, Debug)]
pub struct ListCursor {
    /// The cursor as sent.
    pub text: String,
    /// The decoded cursor.
    pub cursor: Cursor<ArticleList, DateTime<Utc>>,
}

impl ListCursor {
    /// The error for text that is not a cursor of any list.
    fn invalid() -> InvalidValue {
        InvalidValue::rejected("not a cursor of this list")
    }

    /// The error for a cursor next to parameters that contradict it.
    pub fn contradicted(names: &[&str]) -> InvalidValue {
        InvalidValue::rejected(format!("cursor contradicts {}", names.join(", ")))
    }
}

impl Field for ListCursor {
    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue> {
        let text = input.text().unwrap_or_default();
        let cursor: Option<Cursor<ArticleList, DateTime<Utc>>> = Cursor::decode(text);
        let cursor = cursor.filter(|cursor| cursor.list.is_valid(limits)).ok_or_else(Self::invalid)?;
        Ok(Self { text: text.to_owned(), cursor })
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9_-]+$")).into()
    }
}

/// What defines a list: its order and filters. A cursor carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArticleList {
    /// Its order.
    #[serde(rename = "s")]
    pub sort: Sort,
    /// Only articles by the user with this name.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Only published articles, or only drafts.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub published: Option<bool>,
    /// Only articles created at this time or later, in microseconds since 1970.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// Only articles created before this time, in microseconds since 1970.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// Only articles changed at this time or later, in microseconds since 1970.
    #[serde(rename = "uf", default, skip_serializing_if = "Option::is_none")]
    pub updated_since: Option<i64>,
    /// Only articles last changed before this time, in microseconds since 1970.
    #[serde(rename = "uu", default, skip_serializing_if = "Option::is_none")]
    pub updated_until: Option<i64>,
    /// Also the drafts of all authors.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub drafts: Option<Drafts>,
}

impl ArticleList {
    /// Whether a query could ask for this list: a forged cursor must not reach further than a query.
    fn is_valid(&self, limits: &Limits) -> bool {
        let named = |name: &String| AuthorName::parse(Input::Text(name), limits).is_ok();
        let times = [self.since, self.until, self.updated_since, self.updated_until];
        let known = |micros| Instant::from_micros(micros).is_some();
        self.author.as_ref().is_none_or(named) && times.into_iter().flatten().all(known)
    }
}

fields! {
    /// Selects a page of a list.
    pub struct ArticleFilter {
        /// The number of articles to skip. `cursor` is faster for pages deep in the list.
        skip: Skip,
        /// The number of articles to return, at most `MAX_PAGE_SIZE`.
        limit: PageSize,
        /// A position in a list, taken from the `Link` header of another page. A cursor contains the order
        /// and the filters of its list, so it cannot be combined with other filters, with another order, or
        /// with a `skip` above 0.
        cursor: Option<ListCursor>,
        /// The order; by default that of `cursor`, or `-created_at`.
        sort: Option<Sort>,
        /// Only articles by the user with this name.
        author: Option<AuthorName>,
        /// `true`: only published articles. `false`: only drafts; without `PUBLIC_DRAFTS` and `drafts=all`, only
        /// those of the signed-in user.
        published: Option<bool>,
        /// Only articles created at this time or later.
        since: Option<Instant>,
        /// Only articles created before this time.
        until: Option<Instant>,
        /// Only articles created or changed at this time or later.
        updated_since: Option<Instant>,
        /// Only articles last changed before this time.
        updated_until: Option<Instant>,
        /// `all`: also the drafts of all other authors. Only administrators may ask for them.
        drafts: Option<Drafts>,
        /// `exact`: send the number of articles in the whole list in the header `X-Total-Count`.
        count: Option<Count>,
        /// What else to show of each article, separated by commas.
        expand: Option<Expansions>,
    }
}

impl ArticleFilter {
    /// Whose drafts the list shows, which the cursor says if the parameter is absent.
    pub fn requested_drafts(&self) -> Option<Drafts> {
        self.drafts.or_else(|| self.cursor.as_ref().and_then(|cursor| cursor.cursor.list.drafts))
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
