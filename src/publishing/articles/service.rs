//! Reading and changing single articles.

use std::iter;

use chrono::{DateTime, Utc};
use entity::{Visibility, article};
use sea_orm::{ColumnTrait as _, ConnectionTrait, QueryFilter as _, QuerySelect as _};

use super::{
    ARTICLES,
    authors::Authors,
    schemas::{ArticleCreate, ArticlePath, ArticleResponse, ArticleUpdate, Expand},
    write,
};
use crate::{
    db::{Change, Writer},
    http::{
        conditional::{Conditional, Conditions, EntityTag, EntityTags, RowState},
        error::{Error, Result},
        request::UserId,
        timestamp::Timestamp,
    },
};

const NOT_FOUND: Error = Error::NotFound("Article");

/// Who changes an article.
#[derive(Clone, Copy, Debug)]
pub struct Author {
    /// The account.
    pub id: UserId,
    /// Which articles it may see; others are 404 to it.
    pub visibility: Visibility,
}

/// Reads one article.
///
/// # Errors
/// [`Error::NotFound`] if there is none that is visible.
pub async fn get_article(
    db: &impl ConnectionTrait,
    visibility: Visibility,
    path: &ArticlePath,
    expand: Option<Expand>,
    conditions: &Conditions,
) -> Result<Conditional<ArticleResponse>> {
    let id = path.article_id.get().ok_or(NOT_FOUND)?;
    if conditions.if_none_match.is_some() {
        let state = article::Entity::visible_to(visibility)
            .filter(article::Column::Id.eq(id))
            .select_only()
            .columns([article::Column::Version, article::Column::StateId, article::Column::AuthorId])
            .into_tuple::<(i32, i64, i32)>();
        let (version, id, author) = state.one(db).await?.ok_or(NOT_FOUND)?;
        let authors = Authors::load(db, expand, iter::once(author)).await?;
        let tag = authors.tag(EntityTag::of_row(RowState { version, id }));
        if conditions.is_current(&tag) {
            return Ok(Conditional::NotModified(tag));
        }
    }
    let article = load_visible(db, visibility, id).await?;
    let authors = Authors::load(db, expand, iter::once(article.author_id)).await?;
    let tag = authors.tag(EntityTag::of_row(state(&article)));
    Ok(Conditional::Modified(view(article, &authors), tag))
}

/// Creates an article.
pub async fn create_article(
    writer: &Writer,
    author: Author,
    input: ArticleCreate,
    now: DateTime<Utc>,
) -> Result<ArticleResponse> {
    let changes = [Change::Inserted(ARTICLES)];
    let article = writer.statement(changes, async move |db| write::insert(db, author.id, input, now).await);
    Ok(view_without_author(article.await?))
}

/// Changes the members that are given; an article that has these values already stays untouched.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`], then [`Error::PreconditionFailed`].
pub async fn update_article(
    writer: &Writer,
    author: Author,
    path: &ArticlePath,
    input: ArticleUpdate,
    if_match: Option<&EntityTags>,
    now: DateTime<Utc>,
) -> Result<ArticleResponse> {
    let id = path.article_id.get().ok_or(NOT_FOUND)?;
    let only = if_match.cloned();
    let update = writer.statement([Change::Row(ARTICLES, id)], async move |db| {
        write::update(db, author.id, id, input, only.as_ref(), now).await
    });
    match update.await? {
        Some(article) => Ok(view_without_author(article)),
        None => load_own(writer.connections(), author, id, if_match).await.map(view_without_author),
    }
}

/// Deletes an article.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`], then [`Error::PreconditionFailed`].
pub async fn delete_article(
    writer: &Writer,
    author: Author,
    path: &ArticlePath,
    if_match: Option<&EntityTags>,
) -> Result<()> {
    let id = path.article_id.get().ok_or(NOT_FOUND)?;
    let only = if_match.cloned();
    let delete = writer.statement([Change::Row(ARTICLES, id)], async move |db| {
        write::delete(db, author.id, id, only.as_ref()).await
    });
    if delete.await? {
        return Ok(());
    }
    // Nothing was deleted: it is another author's, in another state, or was deleted in the meantime.
    load_own(writer.connections(), author, id, if_match).await.and(Err(NOT_FOUND))
}

/// Checks that `author` may change the article.
///
/// # Errors
/// [`Error::NotFound`], then [`Error::Forbidden`].
pub async fn check_author(db: &impl ConnectionTrait, author: Author, path: &ArticlePath) -> Result<()> {
    let id = path.article_id.get().ok_or(NOT_FOUND)?;
    load_own(db, author, id, None).await.map(drop)
}

async fn load_visible(db: &impl ConnectionTrait, visibility: Visibility, id: i32) -> Result<article::Model> {
    let article = article::Entity::visible_to(visibility).filter(article::Column::Id.eq(id));
    article.one(db).await?.ok_or(NOT_FOUND)
}

/// The article if it is visible, the author's own, and in a matching state; checked in this order.
async fn load_own(
    db: &impl ConnectionTrait,
    author: Author,
    id: i32,
    if_match: Option<&EntityTags>,
) -> Result<article::Model> {
    let article = load_visible(db, author.visibility, id).await?;
    if article.author_id != author.id.0 {
        return Err(Error::Forbidden);
    }
    match if_match.and_then(EntityTags::states) {
        Some(states) if !states.contains(&state(&article)) => Err(Error::PreconditionFailed("article")),
        _ => Ok(article),
    }
}

/// The article as clients see it, without its author.
pub(super) fn view_without_author(article: article::Model) -> ArticleResponse {
    view(article, &Authors::default())
}

/// The state that tags of the article identify.
pub(super) fn state(article: &article::Model) -> RowState {
    RowState { version: article.version, id: article.state_id }
}

/// The article as clients see it.
fn view(article: article::Model, authors: &Authors) -> ArticleResponse {
    let article::Model {
        id,
        title,
        content,
        published,
        author_id,
        created_at,
        updated_at,
        version,
        state_id,
        hidden: _,
    } = article;
    ArticleResponse {
        title,
        content,
        published,
        id,
        author_id,
        created_at: Timestamp(created_at.get()),
        updated_at: Timestamp(updated_at.get()),
        author: authors.view(author_id),
        state: RowState { version, id: state_id },
    }
}
