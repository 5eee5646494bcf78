//! What articles take and show (contract, section 2).

use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use crate::{
    choice, fields,
    http::{
        paging::Cursor,
        timestamp::Timestamp,
        validation::{Field, Id, Input, Instant, InvalidValue, Limits, PageSize, Skip, TextRule},
    },
    text,
};

text! {
    /// 1 to 200 code points.
    pub struct Title = TextRule::without_nul(1, Some(200));
    /// At least 10 code points.
    pub struct Content = TextRule::without_nul(10, None);
}

fields! {
    /// A new article.
    pub struct NewArticle {
        /// 1 to 200 code points, kept as they are.
        title: Title,
        /// At least 10 code points, kept as they are.
        content: Content,
        /// A draft is visible to its author only.
        published: bool = false,
    }
}

fields! {
    /// What is to change in an article; what is left out stays.
    pub struct ArticlePatch {
        /// 1 to 200 code points.
        #[null_error = late]
        title: Option<Title>,
        /// At least 10 code points.
        #[null_error = late]
        content: Option<Content>,
        /// Publishes or withdraws the article.
        #[null_error = late]
        published: Option<bool>,
    }
}

fields! {
    /// Which article.
    pub struct ArticlePath in path {
        /// The article's id.
        article_id: Id,
    }
}

choice! {
    /// The order of a list.
    pub enum Sort {
        /// By the first writing, newest first.
        NewestFirst = "-created_at",
        /// By the first writing, oldest first.
        OldestFirst = "created_at",
        /// By the last change, latest first.
        LatestFirst = "-updated_at",
        /// By the last change, longest ago first.
        LongestAgoFirst = "updated_at",
    }
}

choice! {
    /// How many there are in all.
    pub enum Count {
        /// Counted, at the price of reading them all.
        Exact = "exact",
    }
}

choice! {
    /// What is shown with each article.
    pub enum Expand {
        /// Who wrote it.
        Author = "author",
    }
}

text! {
    /// Any name that a user can have.
    pub struct AuthorName = TextRule::without_nul(0, None);
}

/// A place in a list.
#[derive(Clone, Debug)]
pub struct ListCursor {
    /// What was sent.
    pub text: String,
    /// What it says.
    pub cursor: Cursor<List>,
}

impl ListCursor {
    /// The error of a cursor that cannot be decoded, or that belongs to another list.
    pub fn invalid() -> InvalidValue {
        let error = "not a cursor of this list";
        InvalidValue::new("value_error", format!("Value error, {error}")).with("error", error)
    }
}

impl Field for ListCursor {
    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue> {
        let text = input.text().unwrap_or_default();
        let cursor: Option<Cursor<List>> = Cursor::decode(text);
        let cursor =
            cursor.filter(|cursor| cursor.list.could_be_asked_for(limits)).ok_or_else(Self::invalid)?;
        Ok(Self { text: text.to_owned(), cursor })
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9_-]+$")).into()
    }
}

/// What makes a list: its order and filters. A cursor carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Its order.
    #[serde(rename = "s")]
    pub sort: Sort,
    /// Only by the user of this name.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Only published ones, or only drafts.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub published: Option<bool>,
    /// Only written then or later, in microseconds since 1970.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// Only written before, in microseconds since 1970.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

impl List {
    /// Whether a query could say this: whoever forges a cursor gets no further than with a query.
    fn could_be_asked_for(&self, limits: &Limits) -> bool {
        let named = |name: &String| AuthorName::parse(Input::Text(name), limits).is_ok();
        let known = |micros| Instant::from_micros(micros).is_some();
        self.author.as_ref().is_none_or(named) && self.since.is_none_or(known) && self.until.is_none_or(known)
    }
}

fields! {
    /// Which part of which list.
    pub struct ArticleFilter {
        /// Articles to pass over. A page far in is cheaper by `cursor`.
        skip: Option<Skip>,
        /// Articles to show, at most `MAX_PAGE_SIZE`.
        limit: PageSize,
        /// A place in a list, as the `Link` header of another page gives it; it carries the list's order and filters, so it fits no
        /// others, and no `skip`.
        cursor: Option<ListCursor>,
        /// The order, `-created_at` unless given.
        sort: Option<Sort>,
        /// Only articles by the user of this name.
        author: Option<AuthorName>,
        /// `true`: only published articles; `false`: only drafts, which are one's own.
        published: Option<bool>,
        /// Only articles written at this moment or later.
        since: Option<Instant>,
        /// Only articles written before this moment.
        until: Option<Instant>,
        /// `exact`: the header `X-Total-Count` says how many articles the whole list has.
        count: Option<Count>,
        /// `author`: each article with who wrote it.
        expand: Option<Expand>,
    }
}

fields! {
    /// How an article is shown.
    pub struct ArticleDetail {
        /// `author`: with who wrote it.
        expand: Option<Expand>,
    }
}

/// Who wrote an article.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuthorView {
    /// The account's id.
    #[schema(example = 1)]
    pub id: i32,
    /// The account's name.
    #[schema(example = "ada")]
    pub username: String,
}

/// An article.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArticleView {
    /// 1 to 200 code points.
    #[schema(example = "On the Analytical Engine")]
    pub title: String,
    /// At least 10 code points.
    #[schema(example = "It weaves algebraical patterns.")]
    pub content: String,
    /// False while it is a draft.
    pub published: bool,
    /// Never given to another article.
    #[schema(example = 1)]
    pub id: i32,
    /// The account that wrote it.
    #[schema(example = 1)]
    pub author_id: i32,
    /// When it was written.
    pub created_at: Timestamp,
    /// When a value of it last changed.
    pub updated_at: Timestamp,
    /// Who wrote it, where `expand=author` asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub author: Option<AuthorView>,
    /// Grows with every change; shown as the entity tag.
    #[serde(skip)]
    pub version: i32,
}
