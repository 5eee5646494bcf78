//! Requests and responses of search.

use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, schema::Type},
};

use super::query::Query;
use crate::{
    fields,
    http::{
        timestamp::Timestamp,
        validation::{
            Field, Input, Instant, IntegerRule, InvalidValue, Limits, List, TextRule, Timing, parse_integer,
            parse_text,
        },
    },
    publishing::{
        articles::schemas::{AuthorName, Drafts, Format, MAX_FILTERS},
        tags::names::TagName,
    },
};

/// The most code points of a query.
const MAX_QUERY: usize = 200;

/// The most results of a page, and their number if `limit` is absent.
const MAX_RESULTS: u32 = 50;
const DEFAULT_RESULTS: u32 = 20;

/// The most results that can be skipped.
pub const MAX_SKIP: u32 = 1000;

impl Field for Query {
    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        let text = parse_text(input, &TextRule::without_nul(1, Some(MAX_QUERY)))?;
        Self::parse(&text).map_err(InvalidValue::rejected)
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(MAX_QUERY)).into()
    }
}

/// Number of results to skip.
#[derive(Clone, Copy, Debug)]
pub struct SearchSkip(pub u64);

/// Number of results of a page.
#[derive(Clone, Copy, Debug)]
pub struct SearchLimit(pub u64);

fn parse_number(input: Input<'_>, max: u32) -> Result<u64, InvalidValue> {
    let rule = IntegerRule { min: 0, max: max.into(), bounds_error: Timing::Early };
    parse_integer(input, &rule).map(i64::unsigned_abs)
}

fn number_schema(max: u32, default: u32) -> RefOr<Schema> {
    let format = SchemaFormat::KnownFormat(KnownFormat::Int32);
    let number = ObjectBuilder::new().schema_type(Type::Integer).format(Some(format));
    number.minimum(Some(0)).maximum(Some(max)).default(Some(default.into())).into()
}

impl Field for SearchSkip {
    const OPTIONAL: bool = true;

    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        parse_number(input, MAX_SKIP).map(Self)
    }

    fn absent(_limits: &Limits) -> Option<Self> {
        Some(Self(0))
    }

    fn schema() -> RefOr<Schema> {
        number_schema(MAX_SKIP, 0)
    }
}

impl Field for SearchLimit {
    const OPTIONAL: bool = true;

    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        parse_number(input, MAX_RESULTS).map(Self)
    }

    fn absent(_limits: &Limits) -> Option<Self> {
        Some(Self(DEFAULT_RESULTS.into()))
    }

    fn schema() -> RefOr<Schema> {
        number_schema(MAX_RESULTS, DEFAULT_RESULTS)
    }
}

fields! {
    /// What to search for.
    pub struct SearchFilter {
        /// Words, all of which an article must have. `"several words"` is a phrase, `-word` excludes, `a OR b`
        /// stands for either, `begin*` for every word that begins so. Case and accents do not matter.
        #[example = "engine"]
        q: Query,
        /// The number of results to skip.
        skip: SearchSkip,
        /// The number of results to return.
        limit: SearchLimit,
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
        /// Only articles with this tag. If the parameter is repeated, only articles with all of the tags.
        tag: Option<List<TagName, 1, MAX_FILTERS>>,
    }
}

/// Where the words of the query are, as HTML: they are in `<mark>`, and everything else is escaped.
#[derive(Debug, Serialize, ToSchema)]
pub struct Highlight {
    /// The title.
    #[schema(examples("On the Analytical <mark>Engine</mark>"))]
    pub title: String,
    /// The part of the content in which most of the words are.
    #[schema(examples("The <mark>engine</mark> weaves algebraical patterns…"))]
    pub snippet: String,
}

/// An article that was found: what lists show of it, except for its content.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchResult {
    /// 1 to 200 code points.
    #[schema(examples("On the Analytical Engine"))]
    pub title: String,
    /// Whether the article is published.
    #[schema(examples(true))]
    pub published: bool,
    /// The id of the article.
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
    /// Where the words of the query are.
    pub highlight: Highlight,
}

fn format_schema() -> RefOr<Schema> {
    let mut schema = Format::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        object.examples = vec![Format::Markdown.name().into()];
    }
    schema
}
