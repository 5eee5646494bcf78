//! Lists, compares and restores revisions.

use chrono::{DateTime, Utc};
use entity::{article, article_revision};
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use super::{
    diff::{self, ComparedState},
    schemas::{DiffParameters, DiffResponse, RevisionFilter, RevisionList, RevisionPath, RevisionResponse},
};
use crate::{
    db::Writer,
    http::{
        conditional::EntityTags,
        error::{Error, Result},
        id_paging::IdPage,
        page_bounds::PageBounds,
        paging::Neighbours,
        timestamp::Timestamp,
        validation::Id,
    },
    publishing::{
        articles::{
            editor::{Editor, load_writable},
            schemas::{ArticlePath, ArticleResponse, ArticleUpdate},
            service::restore_article,
        },
        slugs::Slug,
        tags::{names::TagName, of_articles},
    },
};

const NOT_FOUND: Error = Error::NotFound("Revision");

/// What a list shows of a revision: everything but the content.
const LISTED: [article_revision::Column; 8] = {
    use article_revision::Column::{CreatedAt, EditorId, Format, Id, Number, Slug, Tags, Title};
    [Id, Number, Title, Format, Slug, Tags, EditorId, CreatedAt]
};

type ListedRow = (i64, i32, String, String, Option<String>, String, Option<i32>, entity::StoredTime);

/// A page of the revisions of an article, the newest first.
///
/// # Errors
/// 404 and 403 as for an edit of the article; 422 for a cursor of another article's revisions.
pub async fn list_revisions(
    db: &impl ConnectionTrait,
    editor: &Editor,
    path: &ArticlePath,
    filter: RevisionFilter,
) -> Result<(Vec<RevisionResponse>, Neighbours)> {
    let article = load_writable(db, editor, path.article_id, None).await?;
    let page = IdPage::new(RevisionList { article: article.id }, filter.limit, filter.cursor)?;
    let rows = of_article(article.id).select_only().columns(LISTED);
    let rows: Vec<ListedRow> = page.select(rows, article_revision::Column::Id).into_tuple().all(db).await?;
    let (rows, neighbours) = page.rows(rows, |row| row.0);
    let view = |row: ListedRow| {
        let (_, number, title, format, slug, tags, editor_id, created_at) = row;
        let created_at = Timestamp(created_at.get());
        RevisionResponse {
            number,
            title,
            format,
            slug,
            tags: names(&tags),
            editor_id,
            created_at,
            content: None,
        }
    };
    Ok((rows.into_iter().map(view).collect(), neighbours))
}

/// Reads one revision.
///
/// # Errors
/// 404 and 403 as for an edit of the article; 404 if it has no such revision.
pub async fn read_revision(
    db: &impl ConnectionTrait,
    editor: &Editor,
    path: &RevisionPath,
) -> Result<RevisionResponse> {
    let article = load_writable(db, editor, path.article_id, None).await?;
    let row = load_revision(db, article.id, path.number).await?;
    Ok(RevisionResponse {
        number: row.number,
        title: row.title,
        format: row.format,
        slug: row.slug,
        tags: names(&row.tags),
        editor_id: row.editor_id,
        created_at: Timestamp(row.created_at.get()),
        content: Some(row.content),
    })
}

/// Compares a revision with another one, or with the current state.
///
/// # Errors
/// As [`read_revision`], for both revisions.
pub async fn compare_revision(
    db: &impl ConnectionTrait,
    bounds: &PageBounds,
    editor: &Editor,
    path: &RevisionPath,
    parameters: DiffParameters,
) -> Result<DiffResponse> {
    let article = load_writable(db, editor, path.article_id, None).await?;
    let revision = load_revision(db, article.id, path.number).await?;
    let number = revision.number;
    let (against, new) = match parameters.against {
        Some(against) => {
            let other = load_revision(db, article.id, against).await?;
            (Some(other.number), state_of(other))
        }
        None => (None, current_state(db, article).await?),
    };
    let old = state_of(revision);
    let changes = diff::changes(&old, &new);
    let content = diff::unified(bounds, old, new).await?;
    Ok(DiffResponse { number, against, changes, content })
}

/// Gives an article the state of a revision again, as an edit like any other. If another article has the slug, the
/// article gets it with a number.
///
/// # Errors
/// As [`read_revision`]; 412 if the article is not in a state that `if_match` lists.
pub async fn restore_revision(
    writer: &Writer,
    editor: &Editor,
    path: &RevisionPath,
    if_match: Option<&EntityTags>,
    now: DateTime<Utc>,
) -> Result<ArticleResponse> {
    let db = writer.connections();
    let article = load_writable(db, editor, path.article_id, if_match).await?;
    let row = load_revision(db, article.id, path.number).await?;
    let tags = names(&row.tags).into_iter().map(TagName::stored).collect();
    let input = ArticleUpdate::restoring(row.title, row.content, &row.format, tags);
    restore_article(writer, editor, article.id, input, row.slug.map(Slug::stored), if_match, now).await
}

fn of_article(article: i32) -> sea_orm::Select<article_revision::Entity> {
    article_revision::Entity::find().filter(article_revision::Column::ArticleId.eq(article))
}

async fn load_revision(
    db: &impl ConnectionTrait,
    article: i32,
    number: Id,
) -> Result<article_revision::Model> {
    let number = number.get().ok_or(NOT_FOUND)?;
    let revision = of_article(article).filter(article_revision::Column::Number.eq(number));
    revision.one(db).await?.ok_or(NOT_FOUND)
}

fn state_of(row: article_revision::Model) -> ComparedState {
    ComparedState {
        label: format!("revision {}", row.number),
        title: row.title,
        content: row.content,
        format: row.format,
        slug: row.slug,
        tags: names(&row.tags),
    }
}

async fn current_state(db: &impl ConnectionTrait, article: article::Model) -> Result<ComparedState> {
    let tags = of_articles::of_article(db, article.id).await?;
    Ok(ComparedState {
        label: "current".to_owned(),
        title: article.title,
        content: article.content,
        format: article.format,
        slug: article.slug,
        tags: tags.into_iter().map(|tag| tag.name).collect(),
    })
}

/// The names of the tags of a revision.
fn names(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_default()
}
