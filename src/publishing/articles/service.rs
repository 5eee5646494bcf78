//! Reading and changing articles.

use std::iter;

use chrono::{DateTime, Utc};
use entity::article::{self, Sight};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, FromQueryResult, PaginatorTrait as _, QueryFilter as _,
    QuerySelect as _, sea_query::SelectStatement,
};

use super::{
    authors::Authors,
    change::{Change, Writer, apply},
    listing::{Mark, Page, Whole},
    schemas::{ArticleFilter, ArticlePatch, ArticlePath, ArticleView, Expand, NewArticle},
};
use crate::http::{
    conditional::{Conditions, Tag, Tags},
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

/// What was asked for, unless the client has it already.
#[derive(Debug)]
pub enum Fresh<T> {
    /// The client's state is the state.
    Unchanged(Tag),
    /// Another state, and its tag.
    Changed(T, Tag),
}

/// One page of a list.
#[derive(Debug)]
pub struct Listed {
    /// The articles, in order.
    pub articles: Vec<ArticleView>,
    /// The cursor of the page before.
    pub previous: Option<String>,
    /// The cursor of the page behind.
    pub next: Option<String>,
    /// How many the whole list has, where that was asked.
    pub total: Option<u64>,
}

/// One page.
///
/// # Errors
/// 422 for a cursor that fits no such list.
pub async fn list(
    db: &impl ConnectionTrait,
    sight: Sight,
    filter: ArticleFilter,
    conditions: &Conditions,
) -> Result<Fresh<Listed>> {
    let page = Page::plan(filter)?;
    let total = match page.count {
        None => None,
        Some(_) => Some(page.whole_list(sight).count(db).await?),
    };
    if conditions.if_none_match.is_some() {
        let marks = page.read(rows::<Mark>(db, &page.statement(sight, &page.marks())).await?);
        let authors = Authors::read(db, page.expand, marks.rows.iter().map(|mark| mark.author_id)).await?;
        let tag = authors.tag(marks.tag(|mark| *mark, total));
        if conditions.has(&tag) {
            return Ok(Fresh::Unchanged(tag));
        }
    }
    let rows = rows::<Whole>(db, &page.statement(sight, &Page::whole())).await?;
    let read = page.read(rows.into_iter().map(|Whole(article)| article).collect());
    let authors = Authors::read(db, page.expand, read.rows.iter().map(|article| article.author_id)).await?;
    let tag = authors.tag(read.tag(|article| Mark::from(article), total));
    let (previous, next) = page.neighbours(&read);
    let articles = read.rows.into_iter().map(|article| view(article, &authors)).collect();
    Ok(Fresh::Changed(Listed { articles, previous, next, total }, tag))
}

/// One article.
///
/// # Errors
/// [`Error::NotFound`] where there is none that `sight` may know of.
pub async fn read(
    db: &impl ConnectionTrait,
    sight: Sight,
    path: &ArticlePath,
    expand: Option<Expand>,
    conditions: &Conditions,
) -> Result<Fresh<ArticleView>> {
    let id = path.article_id.get().ok_or(MISSING)?;
    if conditions.if_none_match.is_some() {
        let state = article::Entity::visible_to(sight)
            .filter(article::Column::Id.eq(id))
            .select_only()
            .columns([article::Column::Version, article::Column::AuthorId])
            .into_tuple::<(i32, i32)>();
        let (version, author) = state.one(db).await?.ok_or(MISSING)?;
        let tag = Authors::read(db, expand, iter::once(author)).await?.tag(Tag::of_version(version));
        if conditions.has(&tag) {
            return Ok(Fresh::Unchanged(tag));
        }
    }
    let article = find(db, sight, id).await?;
    let authors = Authors::read(db, expand, iter::once(article.author_id)).await?;
    let tag = authors.tag(Tag::of_version(article.version));
    Ok(Fresh::Changed(view(article, &authors), tag))
}

/// Writes a new article.
pub async fn create(
    writer: &Writer,
    author: Author,
    input: NewArticle,
    now: DateTime<Utc>,
) -> Result<ArticleView> {
    let article = apply(writer, author.id, Change::Write(input), now).await?;
    article.map(plain).ok_or_else(|| Error::internal("an insert returned no row"))
}

/// Checks that `author` may change an article, for errors that come after this check.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`].
pub async fn check_author(db: &impl ConnectionTrait, author: Author, target: &ArticlePath) -> Result<()> {
    let id = target.article_id.get().ok_or(MISSING)?;
    find_own(db, author, id, None).await.map(drop)
}

/// Changes the members that are given; an article that has these values already stays untouched.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`], then [`Error::PreconditionFailed`].
pub async fn update(
    writer: &Writer,
    author: Author,
    target: &ArticlePath,
    patch: ArticlePatch,
    if_match: Option<&Tags>,
    now: DateTime<Utc>,
) -> Result<ArticleView> {
    let id = target.article_id.get().ok_or(MISSING)?;
    match apply(writer, author.id, Change::Edit(id, patch, only(if_match)), now).await? {
        Some(article) => Ok(plain(article)),
        None => find_own(&writer.db, author, id, if_match).await.map(plain),
    }
}

/// Removes an article for good.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`], [`Error::PreconditionFailed`].
pub async fn delete(
    writer: &Writer,
    author: Author,
    path: &ArticlePath,
    if_match: Option<&Tags>,
    now: DateTime<Utc>,
) -> Result<()> {
    let id = path.article_id.get().ok_or(MISSING)?;
    match apply(writer, author.id, Change::Remove(id, only(if_match)), now).await? {
        Some(_) => Ok(()),
        // Nothing was removed: it is another's, or in another state, or went this moment.
        None => find_own(&writer.db, author, id, if_match).await.and(Err(MISSING)),
    }
}

async fn rows<T: FromQueryResult>(db: &impl ConnectionTrait, statement: &SelectStatement) -> Result<Vec<T>> {
    let statement = db.get_database_backend().build(statement);
    Ok(T::find_by_statement(statement).all(db).await?)
}

async fn find(db: &impl ConnectionTrait, sight: Sight, id: i32) -> Result<article::Model> {
    article::Entity::visible_to(sight).filter(article::Column::Id.eq(id)).one(db).await?.ok_or(MISSING)
}

/// The article if it may be known of, is the author's own and in the right state; these checks in this order.
async fn find_own(
    db: &impl ConnectionTrait,
    author: Author,
    id: i32,
    if_match: Option<&Tags>,
) -> Result<article::Model> {
    let article = find(db, author.sight, id).await?;
    if article.author_id != author.id {
        return Err(Error::Forbidden);
    }
    match if_match.and_then(Tags::versions) {
        Some(versions) if !versions.contains(&article.version) => Err(Error::PreconditionFailed),
        _ => Ok(article),
    }
}

/// The precondition as a part of the statement, so that nobody comes between.
fn only(if_match: Option<&Tags>) -> Condition {
    let versions = if_match.and_then(Tags::versions);
    versions.map_or_else(Condition::all, |versions| {
        Condition::all().add(article::Column::Version.is_in(versions))
    })
}

fn plain(article: article::Model) -> ArticleView {
    view(article, &Authors::default())
}

fn view(article: article::Model, authors: &Authors) -> ArticleView {
    ArticleView {
        title: article.title,
        content: article.content,
        published: article.published,
        id: article.id,
        author_id: article.author_id,
        created_at: Timestamp(article.created_at),
        updated_at: Timestamp(article.updated_at),
        author: authors.show(article.author_id),
        version: article.version,
    }
}
