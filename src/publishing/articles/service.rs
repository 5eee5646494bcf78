//! Reading and changing single articles.

use chrono::{DateTime, Utc};
use entity::{StoredTime, Visibility, Writability, article};
use sea_orm::{ConnectionTrait, DbErr, QuerySelect as _, Select};

use super::{
    ARTICLES, content,
    edit::{self, Edit},
    editor::{Editor, NOT_FOUND, load_writable, state, visible},
    related::Related,
    schemas::{ArticleCreate, ArticlePath, ArticleResponse, ArticleUpdate, Format, SlugPath},
    write,
};
use crate::{
    accounts::administration::audit::{self, Action, Target},
    db::{Change, Transaction, Writer},
    http::{
        conditional::{Conditional, Conditions, EntityTag, EntityTags, RowState},
        error::Result,
        request::UserId,
        timestamp::Timestamp,
        validation::Nullable,
    },
    publishing::{
        expansions::Expansions,
        rendering::Renderer,
        slugs::{self, Slug},
        tags::{names, of_articles},
    },
};

/// Reads one article.
///
/// # Errors
/// 404 if there is none that is visible.
pub async fn get_article(
    db: &impl ConnectionTrait,
    renderer: &Renderer,
    visibility: Visibility,
    path: &ArticlePath,
    expand: &Expansions,
    conditions: &Conditions,
) -> Result<Conditional<ArticleResponse>> {
    let id = path.article_id.get().ok_or(NOT_FOUND)?;
    load(db, renderer, visible(visibility, id), expand, conditions).await?.ok_or(NOT_FOUND)
}

/// What a slug leads to.
#[derive(Debug)]
pub enum BySlug {
    /// The article that has the slug.
    Article(Box<Conditional<ArticleResponse>>),
    /// The current slug of the article that had the slug last.
    Moved(String),
}

/// Reads the article with a slug: the published one, or else a draft that is visible, the newest one first.
///
/// # Errors
/// 404 if no article that is visible has the slug, and no published one had it.
pub async fn get_article_by_slug(
    db: &impl ConnectionTrait,
    renderer: &Renderer,
    visibility: Visibility,
    path: &SlugPath,
    expand: &Expansions,
    conditions: &Conditions,
) -> Result<BySlug> {
    let slug = Slug::of_path(path.slug.as_ref()).ok_or(NOT_FOUND)?;
    for article in slugs::holders(&slug, visibility) {
        if let Some(found) = load(db, renderer, article, expand, conditions).await? {
            return Ok(BySlug::Article(Box::new(found)));
        }
    }
    slugs::moved_to(db, &slug).await?.map(BySlug::Moved).ok_or(NOT_FOUND)
}

/// Reads the article that `select` finds, with what is expanded.
pub(in crate::publishing) async fn load(
    db: &impl ConnectionTrait,
    renderer: &Renderer,
    select: Select<article::Entity>,
    expand: &Expansions,
    conditions: &Conditions,
) -> Result<Option<Conditional<ArticleResponse>>> {
    if conditions.if_none_match.is_some() {
        use article::Column::{AuthorId, Id, StateId, Version};
        let state = select.clone().select_only().columns([Id, AuthorId, Version, StateId]);
        let Some((id, author, version, state)) = state.into_tuple::<(i32, i32, i32, i64)>().one(db).await?
        else {
            return Ok(None);
        };
        let related = Related::load(db, expand, &[(id, author)]).await?;
        let tag = related.tag(EntityTag::of_row(RowState { version, id: state }));
        if conditions.is_current(&tag) {
            return Ok(Some(Conditional::NotModified(tag)));
        }
    }
    let Some(article) = select.one(db).await? else { return Ok(None) };
    let related = Related::load(db, expand, &[(article.id, article.author_id)]).await?;
    let tag = related.tag(EntityTag::of_row(state(&article)));
    let content = content::load(renderer, expand, &article).await?;
    let mut shown = view(article, &related);
    shown.add_content(expand, content.as_ref());
    Ok(Some(Conditional::Modified(shown, tag)))
}

/// Creates an article.
///
/// # Errors
/// 422 for a time of publication that is not possible; 409 if the slug that `input` names is taken.
pub async fn create_article(
    writer: &Writer,
    author: UserId,
    input: ArticleCreate,
    default_format: Format,
    now: DateTime<Utc>,
) -> Result<ArticleResponse> {
    edit::check_new(&input, now)?;
    let tags = names::distinct(input.tags.0.clone());
    let insert = async |attempt| {
        let (input, tags) = (input.clone(), tags.clone());
        if tags.is_empty() {
            let insert = async move |db: &_| {
                let slug =
                    slugs::of_new(db, &input.slug, input.title.as_ref(), input.published, attempt).await?;
                write::insert(db, author, input, slug, default_format, now).await
            };
            return writer.statement([Change::Inserted(ARTICLES)], insert).await;
        }
        let insert = async move |txn: &Transaction| {
            let slug =
                slugs::of_new(txn, &input.slug, input.title.as_ref(), input.published, attempt).await?;
            let article = write::insert(txn, author, input.clone(), slug, default_format, now).await?;
            of_articles::insert_new(txn, article.id, &tags).await?;
            txn.changed(Change::Inserted(ARTICLES));
            Ok(article)
        };
        writer.transaction(insert).await
    };
    let is_chosen = matches!(input.slug, Nullable::Value(_));
    slugs::retry(is_chosen, insert).await.map(own_view)
}

/// Changes the members that are given; an article that has these values already stays untouched.
///
/// # Errors
/// 404, 403, then 412, then 422 for a time of publication
/// that is not possible, and 409 if the slug that `input` names is taken.
pub async fn update_article(
    writer: &Writer,
    editor: &Editor,
    path: &ArticlePath,
    input: ArticleUpdate,
    if_match: Option<&EntityTags>,
    now: DateTime<Utc>,
) -> Result<ArticleResponse> {
    let id = path.article_id.get().ok_or(NOT_FOUND)?;
    edit_article(writer, editor, id, Edit { input, slug: None }, if_match, now).await
}

/// The same for the former state of an article. If another article has the slug, a number is added to it.
///
/// # Errors
/// 404, 403, then 412.
pub(in crate::publishing) async fn restore_article(
    writer: &Writer,
    editor: &Editor,
    id: i32,
    input: ArticleUpdate,
    slug: Option<Slug>,
    if_match: Option<&EntityTags>,
    now: DateTime<Utc>,
) -> Result<ArticleResponse> {
    edit_article(writer, editor, id, Edit { input, slug }, if_match, now).await
}

async fn edit_article(
    writer: &Writer,
    editor: &Editor,
    id: i32,
    edit: Edit,
    if_match: Option<&EntityTags>,
    now: DateTime<Utc>,
) -> Result<ArticleResponse> {
    let update = async |attempt| {
        let (editor, edit, only) = (editor.clone(), edit.clone(), if_match.cloned());
        let update = async move |txn: &Transaction| {
            let current = edit::lock(txn, &editor, id, only.as_ref()).await?;
            edit::apply(txn, &editor, current, edit.clone(), attempt, now).await
        };
        writer.transaction(update).await
    };
    let is_chosen = matches!(edit.input.slug, Nullable::Value(_));
    slugs::retry(is_chosen, update).await.map(own_view)
}

/// Publishes the draft with this id if it is due at `now` and its author is not suspended; returns whether it was
/// published. For the task that publishes scheduled drafts.
pub async fn publish_scheduled(writer: &Writer, id: i32, now: DateTime<Utc>) -> Result<bool> {
    let publish = async |attempt| {
        let publish = async move |txn: &Transaction| edit::publish_scheduled(txn, id, attempt, now).await;
        writer.transaction(publish).await
    };
    slugs::retry(false, publish).await
}

/// Assigns a slug to the article with this id if it has none; returns whether it got one. For the task that
/// completes the rows of other programs.
pub async fn assign_slug(writer: &Writer, id: i32) -> Result<bool> {
    let assign = async |attempt| {
        let assign = async move |txn: &Transaction| edit::assign_slug(txn, id, attempt).await;
        writer.transaction(assign).await
    };
    slugs::retry(false, assign).await
}

/// Deletes an article.
///
/// # Errors
/// 404, 403, then 412.
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
    load_writable(writer.connections(), editor, path.article_id, if_match).await.and(Err(NOT_FOUND))
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
/// 404, then 403.
pub async fn check_writable(db: &impl ConnectionTrait, editor: &Editor, path: &ArticlePath) -> Result<()> {
    load_writable(db, editor, path.article_id, None).await.map(drop)
}

/// The article as clients see it, without anything of other tables.
pub(in crate::publishing) fn own_view(article: article::Model) -> ArticleResponse {
    view(article, &Related::default())
}

/// The article as clients see it.
fn view(article: article::Model, related: &Related) -> ArticleResponse {
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
        slug,
        format,
        excerpt: _,
        published_at,
        scheduled_at,
    } = article;
    let shown = |time: StoredTime| Timestamp(time.get());
    ArticleResponse {
        title,
        content,
        published,
        id,
        author_id,
        created_at: shown(created_at),
        updated_at: shown(updated_at),
        slug: slug.unwrap_or_else(|| Slug::of_id(id)),
        format: Format::of_name(&format),
        published_at: published_at.map(shown),
        scheduled_at: scheduled_at.map(shown),
        author: related.author(author_id),
        tags: related.tags(id),
        html: None,
        excerpt: None,
        word_count: None,
        reading_minutes: None,
        state: RowState { version, id: state_id },
    }
}
