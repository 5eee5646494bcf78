//! Requests for lists of articles, and the cursors of their pages (contract, section 11).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

use crate::{
    choice, fields,
    http::{
        paging::{Count, Cursor},
        validation::{Field, Input, Instant, InvalidValue, Limits, List, PageSize, Skip, TextRule},
    },
    publishing::{expansions::Expansions, tags::names::TagName},
    text,
};

/// The maximum number of tags that a list is narrowed to.
const MAX_FILTERS: usize = 5;

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
    /// Only articles with all tags that have these keys.
    #[serde(rename = "g", default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl ArticleList {
    /// Whether a query could ask for this list: a forged cursor must not reach further than a query.
    fn is_valid(&self, limits: &Limits) -> bool {
        let named = |name: &String| AuthorName::parse(Input::Text(name), limits).is_ok();
        let times = [self.since, self.until, self.updated_since, self.updated_until];
        let known = |micros| Instant::from_micros(micros).is_some();
        let tags = self.tags.len() <= MAX_FILTERS && self.tags.iter().all(|key| !key.contains('\0'));
        tags && self.author.as_ref().is_none_or(named) && times.into_iter().flatten().all(known)
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
        /// Only articles with this tag. If the parameter is repeated, only articles with all of the tags.
        tag: Option<List<TagName, 1, MAX_FILTERS>>,
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
