//! Who changes an article, and the checks before a change.

use entity::{Visibility, Writability, article};
use sea_orm::{ColumnTrait as _, ConnectionTrait, QueryFilter as _, Select};

use crate::{
    accounts::administration::audit::Actor,
    http::{
        conditional::{EntityTags, RowState},
        error::{Error, Result},
        request::UserId,
        validation::Id,
    },
};

pub(super) const NOT_FOUND: Error = Error::NotFound("Article");

/// Who changes an article: its author or an administrator.
#[derive(Clone, Debug)]
pub struct Editor {
    /// The account.
    pub id: UserId,
    /// Which articles it may see; others are 404 to it.
    pub visibility: Visibility,
    /// Which of these it may change; for others it is 403.
    pub writable: Writability,
    /// The account as the log of administrative actions names it.
    pub actor: Actor,
    /// How many former states of an article its edits keep.
    pub max_revisions: u32,
}

/// The article if it is visible, writable, and in a matching state; checked in this order.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`], then [`Error::PreconditionFailed`].
pub(in crate::publishing) async fn load_writable(
    db: &impl ConnectionTrait,
    editor: &Editor,
    id: Id,
    if_match: Option<&EntityTags>,
) -> Result<article::Model> {
    let id = id.get().ok_or(NOT_FOUND)?;
    check_writable_row(visible(editor.visibility, id).one(db).await?, editor, if_match)
}

/// The article with this id if it is visible.
pub(super) fn visible(visibility: Visibility, id: i32) -> Select<article::Entity> {
    article::Entity::visible_to(visibility).filter(article::Column::Id.eq(id))
}

/// Checks an article that was read as `editor` sees it.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`], then [`Error::PreconditionFailed`].
pub(super) fn check_writable_row(
    article: Option<article::Model>,
    editor: &Editor,
    if_match: Option<&EntityTags>,
) -> Result<article::Model> {
    let article = article.ok_or(NOT_FOUND)?;
    if !editor.writable.includes(article.author_id) {
        return Err(Error::Forbidden);
    }
    match if_match.and_then(EntityTags::states) {
        Some(states) if !states.contains(&state(&article)) => Err(Error::PreconditionFailed("article")),
        _ => Ok(article),
    }
}

/// The state that tags of the article identify.
pub(super) fn state(article: &article::Model) -> RowState {
    RowState { version: article.version, id: article.state_id }
}
