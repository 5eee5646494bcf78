//! Requests and responses about revisions.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::SchemaType},
};

use crate::{
    fields,
    http::{
        id_paging::{IdCursor, IdList},
        timestamp::Timestamp,
        validation::{Id, Limits, PageSize},
    },
};

/// The revisions of one article. A cursor carries it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevisionList {
    /// The id of the article.
    #[serde(rename = "a")]
    pub article: i32,
}

impl IdList for RevisionList {
    const NAME: &'static str = "revisions";
    const FILTERS: &'static str = "article_id";

    fn is_valid(&self, _limits: &Limits) -> bool {
        true
    }
}

fields! {
    /// Selects a page of the revisions.
    pub struct RevisionFilter {
        /// The number of revisions to return, at most `MAX_PAGE_SIZE`, and never more than 1,000.
        limit: PageSize,
        /// A position in the list, taken from the `Link` header of another page.
        cursor: Option<IdCursor<RevisionList>>,
    }
}

fields! {
    /// The path of a revision.
    pub struct RevisionPath in path {
        /// The id of the article.
        #[example = 1]
        article_id: Id,
        /// The number of the revision.
        #[example = 1]
        number: Id,
    }
}

fields! {
    /// What to compare a revision with.
    pub struct DiffParameters {
        /// The number of another revision. By default, the current state of the article.
        against: Option<Id>,
    }
}

/// A former state of an article.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RevisionResponse {
    /// The number of the revision. The first one of an article is 1.
    #[schema(examples(1))]
    pub number: i32,
    /// The title.
    #[schema(examples("On the Analytical Engine"))]
    pub title: String,
    /// The format of the content.
    #[schema(examples("markdown"))]
    pub format: String,
    /// The slug.
    #[schema(required, examples("on-the-analytical-engine"))]
    pub slug: Option<String>,
    /// The names of the tags, in their order.
    #[schema(examples("engines"))]
    pub tags: Vec<String>,
    /// The id of the account whose edit replaced this state.
    #[schema(required, examples(1))]
    pub editor_id: Option<i32>,
    /// When this state was replaced.
    #[schema(value_type = String, format = DateTime, examples("2026-11-23T15:39:42.169551Z"))]
    pub created_at: Timestamp,
    /// The content; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("It weaves algebraical patterns."))]
    pub content: Option<String>,
}

/// A member that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChangeResponse {
    /// The name of the member: `title`, `format`, `slug` or `tags`.
    #[schema(examples("title"))]
    pub member: &'static str,
    /// The value in the revision.
    #[schema(schema_with = old_value)]
    pub old: Value,
    /// The value that it is compared with.
    #[schema(schema_with = new_value)]
    pub new: Value,
}

fn old_value() -> RefOr<Schema> {
    value("The value in the revision: a text, a list of texts, or null.", "On the Engine")
}

fn new_value() -> RefOr<Schema> {
    value("The value that it is compared with.", "On the Analytical Engine")
}

fn value(description: &str, example: &str) -> RefOr<Schema> {
    let value = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
    value.description(Some(description)).examples([example]).into()
}

/// The difference between a revision and another state of its article.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DiffResponse {
    /// The number of the revision.
    #[schema(examples(1))]
    pub number: i32,
    /// The number of the revision that it is compared with; null for the current state.
    #[schema(required, examples(2))]
    pub against: Option<i32>,
    /// The members other than the content that differ.
    pub changes: Vec<ChangeResponse>,
    /// The difference of the contents in the unified format; empty if they are equal.
    #[schema(examples(
        "--- revision 1\n+++ current\n@@ -1 +1 @@\n-It weaves patterns.\n+It weaves algebraical patterns.\n"
    ))]
    pub content: String,
}
