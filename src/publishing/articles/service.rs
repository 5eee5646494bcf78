//! Reading and changing single articles.

use std::iter;

use chrono::{DateTime, Utc};
use entity::{Visibility, Writability, article};
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, QueryFilter as _, QuerySelect as _};

use super::{
    ARTICLES,
    authors::Authors,
    schemas::{ArticleCreate, ArticlePath, ArticleResponse, ArticleUpdate, Expand},
    write,
};
use crate::{
    accounts::administration::audit::{self, Action, Actor, Target},
    db::{Change, Transaction, Writer},
    http::{
        conditional::{Conditional, Conditions, EntityTag, EntityTags, RowState},
        error::{Error, Result},
        request::UserId,
        timestamp::Timestamp,
    },
};

const NOT_FOUND: Error = Error::NotFound("Article");

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
    author: UserId,
    input: ArticleCreate,
    now: DateTime<Utc>,
) -> Result<ArticleResponse> {
    let changes = [Change::Inserted(ARTICLES)];
    let article = writer.statement(changes, async move |db| write::insert(db, author, input, now).await);
    Ok(view_without_author(article.await?))
}

/// Changes the members that are given; an article that has these values already stays untouched.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`], then [`Error::PreconditionFailed`].
pub async fn update_article(
    writer: &Writer,
    editor: &Editor,
    path: &ArticlePath,
    input: ArticleUpdate,
    if_match: Option<&EntityTags>,
    now: DateTime<Utc>,
) -> Result<ArticleResponse> {
    let id = path.article_id.get().ok_or(NOT_FOUND)?;
    let (writable, only) = (editor.writable, if_match.cloned());
    let changed = match writable {
        Writability::Own(_) => {
            let update = async move |db: &_| write::update(db, writable, id, input, only.as_ref(), now).await;
            writer.statement([Change::Row(ARTICLES, id)], update).await?
        }
        Writability::All => {
            let update = async move |txn: &Transaction| {
                write::update(txn, writable, id, input.clone(), only.as_ref(), now).await
            };
            moderate(writer, editor, id, Action::ArticleUpdate, update, now).await?
        }
    };
    match changed {
        Some(article) => Ok(view_without_author(article)),
        None => load_writable(writer.connections(), editor, id, if_match).await.map(view_without_author),
    }
}

/// Deletes an article.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`], then [`Error::PreconditionFailed`].
pub async fn delete_article(
    writer: &Writer,
    editor: &Editor,
    path: &ArticlePath,
    if_match: Option<&EntityTags>,
    now: DateTime<Utc>,
) -> Result<()> {
    let id = path.article_id.get().ok_or(NOT_FOUND)?;
    let (writable, only) = (editor.writable, if_match.cloned());
    let deleted = match writable {
        Writability::Own(_) => {
            let delete = async move |db: &_| write::delete(db, writable, id, only.as_ref()).await;
            writer.statement([Change::Row(ARTICLES, id)], delete).await?
        }
        Writability::All => {
            let delete = async move |txn: &Transaction| write::delete(txn, writable, id, only.as_ref()).await;
            moderate(writer, editor, id, Action::ArticleDelete, delete, now).await?
        }
    };
    if deleted.is_some() {
        return Ok(());
    }
    // Nothing was deleted: it is another author's, in another state, or was deleted in the meantime.
    load_writable(writer.connections(), editor, id, if_match).await.and(Err(NOT_FOUND))
}

/// Runs `change`, which returns the article if it changed it. If the article is another author's, the log of
/// administrative actions gets an entry in the same transaction.
async fn moderate(
    writer: &Writer,
    editor: &Editor,
    id: i32,
    action: Action,
    change: impl AsyncFn(&Transaction) -> Result<Option<article::Model>, DbErr> + 'static,
    now: DateTime<Utc>,
) -> Result<Option<article::Model>, DbErr> {
    let (own, actor) = (editor.id, editor.actor.clone());
    let work = async move |txn: &Transaction| {
        txn.changed(Change::Row(ARTICLES, id));
        let changed = change(txn).await?;
        if let Some(article) = changed.as_ref().filter(|article| article.author_id != own.0) {
            let target = Target { id: article.id, name: article.title.clone() };
            audit::record(txn, &actor, action, target, now).await?;
        }
        Ok(changed)
    };
    writer.transaction(work).await
}

/// Checks that the article may be changed.
///
/// # Errors
/// [`Error::NotFound`], then [`Error::Forbidden`].
pub async fn check_writable(db: &impl ConnectionTrait, editor: &Editor, path: &ArticlePath) -> Result<()> {
    let id = path.article_id.get().ok_or(NOT_FOUND)?;
    load_writable(db, editor, id, None).await.map(drop)
}

async fn load_visible(db: &impl ConnectionTrait, visibility: Visibility, id: i32) -> Result<article::Model> {
    let article = article::Entity::visible_to(visibility).filter(article::Column::Id.eq(id));
    article.one(db).await?.ok_or(NOT_FOUND)
}

/// The article if it is visible, writable, and in a matching state; checked in this order.
async fn load_writable(
    db: &impl ConnectionTrait,
    editor: &Editor,
    id: i32,
    if_match: Option<&EntityTags>,
) -> Result<article::Model> {
    let article = load_visible(db, editor.visibility, id).await?;
    if !editor.writable.includes(article.author_id) {
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
