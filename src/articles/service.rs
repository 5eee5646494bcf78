//! Reading and changing articles.

use chrono::{DateTime, Utc};
use entity::article::{self, Sight};
use sea_orm::{ColumnTrait as _, ConnectionTrait, QueryFilter as _, QuerySelect as _};

use super::{
    change::{Change, apply},
    schemas::{ArticleFilter, ArticlePatch, ArticlePath, ArticleView, NewArticle},
};
use crate::{
    error::{Error, Result},
    timestamp::Timestamp,
};

const MISSING: Error = Error::NotFound("Article");

/// Who changes articles: an account, and what it may know of.
#[derive(Clone, Copy, Debug)]
pub struct Author {
    /// The account.
    pub id: i32,
    /// Which articles it may know of; others are 404 to it.
    pub sight: Sight,
}

/// One page, newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    sight: Sight,
    filter: &ArticleFilter,
) -> Result<Vec<ArticleView>> {
    let page = article::Entity::newest_first(article::Entity::visible_to(sight))
        .offset(filter.skip.0)
        .limit(filter.limit.0);
    Ok(page.all(db).await?.into_iter().map(view).collect())
}

/// One article.
///
/// # Errors
/// [`Error::NotFound`] where there is none that `sight` may know of.
pub async fn read(db: &impl ConnectionTrait, sight: Sight, path: &ArticlePath) -> Result<ArticleView> {
    find(db, sight, path.article_id.get()).await.map(view)
}

/// Writes a new article.
pub async fn create(
    db: &impl ConnectionTrait,
    author: Author,
    input: NewArticle,
    now: DateTime<Utc>,
) -> Result<ArticleView> {
    let article = apply(db, author.id, Change::Write(input), now).await?;
    article.map(view).ok_or_else(|| Error::internal("an insert returned no row"))
}

/// Changes the members that are given; an article that has these values already stays untouched.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`], then the one that `patch` is.
pub async fn update(
    db: &impl ConnectionTrait,
    author: Author,
    target: &ArticlePath,
    patch: Result<ArticlePatch>,
    now: DateTime<Utc>,
) -> Result<ArticleView> {
    let id = target.article_id.get().ok_or(MISSING)?;
    let patch = match patch {
        Ok(patch) => patch,
        Err(error) => return find_own(db, author, id).await.and(Err(error)),
    };
    match apply(db, author.id, Change::Edit(id, patch), now).await? {
        Some(article) => Ok(view(article)),
        None => find_own(db, author, id).await.map(view),
    }
}

/// Removes an article for good.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`].
pub async fn delete(
    db: &impl ConnectionTrait,
    author: Author,
    path: &ArticlePath,
    now: DateTime<Utc>,
) -> Result<()> {
    let id = path.article_id.get().ok_or(MISSING)?;
    match apply(db, author.id, Change::Remove(id), now).await? {
        Some(_) => Ok(()),
        // Nothing was removed: it is another's, or gone, or went this moment.
        None => find_own(db, author, id).await.and(Err(MISSING)),
    }
}

async fn find(db: &impl ConnectionTrait, sight: Sight, id: Option<i32>) -> Result<article::Model> {
    let id = id.ok_or(MISSING)?;
    article::Entity::visible_to(sight).filter(article::Column::Id.eq(id)).one(db).await?.ok_or(MISSING)
}

async fn find_own(db: &impl ConnectionTrait, author: Author, id: i32) -> Result<article::Model> {
    let article = find(db, author.sight, Some(id)).await?;
    if article.author_id == author.id { Ok(article) } else { Err(Error::Forbidden) }
}

fn view(article: article::Model) -> ArticleView {
    ArticleView {
        title: article.title,
        content: article.content,
        published: article.published,
        id: article.id,
        author_id: article.author_id,
        created_at: Timestamp(article.created_at),
        updated_at: Timestamp(article.updated_at),
    }
}
