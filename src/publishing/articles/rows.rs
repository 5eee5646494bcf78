//! The rows of a page, as the database returns them.

use entity::article;
use sea_orm::{DbErr, FromQueryResult, QueryResult};

use crate::http::conditional::RowState;

/// Identifies the state of one article of a page.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub(super) struct RowVersion {
    pub(super) id: i32,
    version: i32,
    state_id: i64,
    pub(super) author_id: i32,
}

impl RowVersion {
    /// The state that tags of the article identify.
    pub(super) fn state(&self) -> RowState {
        RowState { version: self.version, id: self.state_id }
    }
}

/// All columns, in the order that [`full_row`] expects.
pub(super) const FULL_ROW: [article::Column; 15] = {
    use article::Column::{
        AuthorId, Content, CreatedAt, Excerpt, Format, Hidden, Id, Published, PublishedAt, ScheduledAt, Slug,
        StateId, Title, UpdatedAt, Version,
    };
    [
        Id,
        Title,
        Content,
        Published,
        AuthorId,
        CreatedAt,
        UpdatedAt,
        Version,
        StateId,
        Hidden,
        Slug,
        Format,
        Excerpt,
        PublishedAt,
        ScheduledAt,
    ]
};

/// Decodes a row with [`FULL_ROW`] by position: looking up every column of every row by name is the largest
/// cost of a list besides the database.
pub(super) fn full_row(row: &QueryResult) -> Result<article::Model, DbErr> {
    Ok(article::Model {
        id: row.try_get_by_index(0)?,
        title: row.try_get_by_index(1)?,
        content: row.try_get_by_index(2)?,
        published: row.try_get_by_index(3)?,
        author_id: row.try_get_by_index(4)?,
        created_at: row.try_get_by_index(5)?,
        updated_at: row.try_get_by_index(6)?,
        version: row.try_get_by_index(7)?,
        state_id: row.try_get_by_index(8)?,
        hidden: row.try_get_by_index(9)?,
        slug: row.try_get_by_index(10)?,
        format: row.try_get_by_index(11)?,
        excerpt: row.try_get_by_index(12)?,
        published_at: row.try_get_by_index(13)?,
        scheduled_at: row.try_get_by_index(14)?,
    })
}
