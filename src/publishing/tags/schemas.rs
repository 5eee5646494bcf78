//! Requests and responses about tags.

use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use super::names::TagName;
use crate::{
    fields,
    http::{
        paging::Cursor,
        validation::{Field, Id, Input, InvalidValue, Limits, PageSize},
    },
};

/// The list of tags. A cursor carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TagList {
    /// By name.
    #[serde(rename = "tags")]
    ByName,
}

/// A cursor of the list of tags.
#[derive(Clone, Debug)]
pub struct TagCursor(pub Cursor<TagList, String>);

impl Field for TagCursor {
    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        let cursor = Cursor::decode(input.text().unwrap_or_default());
        cursor.map(Self).ok_or_else(|| InvalidValue::rejected("not a cursor of this list"))
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9_-]+$")).into()
    }
}

fields! {
    /// Selects a page of the tags.
    pub struct TagFilter {
        /// The number of tags to return, at most `MAX_PAGE_SIZE`, and never more than 1,000.
        limit: PageSize,
        /// A position in the list, taken from the `Link` header of another page.
        cursor: Option<TagCursor>,
    }
}

fields! {
    /// The path of a tag.
    pub struct TagPath in path {
        /// The id of the tag.
        #[example = 1]
        tag_id: Id,
    }
}

fields! {
    /// Another name of a tag.
    pub struct TagUpdate {
        /// 1 to 50 code points.
        #[example = "engines"]
        name: TagName,
        /// Whether the tag is merged with the one that has this name already. That tag and its name stay.
        #[example = false]
        merge: bool = false,
    }
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TagResponse {
    /// The id of the tag.
    #[schema(examples(1))]
    pub id: i32,
    /// The name.
    #[schema(examples("engines"))]
    pub name: String,
    /// The number of articles with this tag that the caller may see.
    #[schema(examples(1))]
    pub articles: i64,
}
