//! Lists, renames and merges tags.

use chrono::{DateTime, Utc};
use entity::{Visibility, article, article_tag, tag};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, FromQueryResult,
    IntoActiveModel as _, JoinType, QueryFilter as _, QuerySelect as _, QueryTrait as _, RelationTrait as _,
    Select, Set,
    sea_query::{Expr, ExprTrait as _, LockType},
};
use sha2::{Digest as _, Sha256};

use super::{
    names::TagName,
    schemas::{TagFilter, TagList, TagPath, TagResponse, TagUpdate},
};
use crate::{
    accounts::administration::audit::{self, Action, Actor, Target},
    db::{Change, Transaction, Writer, violated_unique},
    http::{
        conditional::{Conditional, Conditions, EntityTag},
        error::{Error, Result},
        page_bounds::PageBounds,
        paging::{Neighbours, PageRequest},
    },
    publishing::articles::ARTICLES,
};

const NOT_FOUND: Error = Error::NotFound("Tag");

/// The answer to a rename to the name of another tag.
pub const NAME_TAKEN: Error = Error::Conflict("Another tag has this name");

/// The unique index of both engines.
const KEY_INDEXES: [&str; 2] = ["tags_key_key", "tags.key"];

/// The maximum number of rows of a page, also where `MAX_PAGE_SIZE` allows more.
const MAX_ROWS: u64 = 1000;

#[derive(Debug, FromQueryResult)]
struct CountedTag {
    id: i32,
    key: String,
    name: String,
    articles: i64,
}

/// A page of the tags of visible articles, by name.
///
/// # Errors
/// [`Error::Busy`] while other expensive pages are read: counting reads every article that has one of the tags.
pub async fn list_tags(
    db: &impl ConnectionTrait,
    bounds: &PageBounds,
    visibility: Visibility,
    filter: TagFilter,
    conditions: &Conditions,
) -> Result<Conditional<(Vec<TagResponse>, Neighbours)>> {
    let TagFilter { limit, cursor } = filter;
    let cursor = cursor.map(|cursor| cursor.0);
    let page = PageRequest { list: TagList::ByName, limit: Ord::min(limit.0, MAX_ROWS), skip: 0, cursor };
    let _admission = bounds.admit_expensive().await?;
    let used = counted(visibility).filter(Expr::exists(of_tag(visibility, "1").into_query()));
    let keyset = page.keyset(tag::Column::Key, tag::Column::Id, false);
    let statement = db.get_database_backend().build(&keyset.statement(vec![used.into_query()]));
    let page_rows = page.rows(CountedTag::find_by_statement(statement).all(db).await?);
    let neighbours = page.neighbours(&page_rows, |row| (row.key.clone(), row.id));
    let tag = entity_tag(&page_rows.rows, &neighbours);
    if conditions.is_current(&tag) {
        return Ok(Conditional::NotModified(tag));
    }
    let tags = page_rows.rows.into_iter().map(view).collect();
    Ok(Conditional::Modified((tags, neighbours), tag))
}

/// Gives a tag another name, or merges it with the tag that has the name already.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] if another tag has the name and the tags are not to be merged.
pub async fn update_tag(
    writer: &Writer,
    visibility: Visibility,
    actor: &Actor,
    path: &TagPath,
    input: TagUpdate,
    now: DateTime<Utc>,
) -> Result<TagResponse> {
    let id = path.tag_id.get().ok_or(NOT_FOUND)?;
    let actor = actor.clone();
    let update = async move |txn: &Transaction| {
        let current = tag::Entity::find_by_id(id).lock(LockType::Update).one(txn).await?.ok_or(NOT_FOUND)?;
        let TagUpdate { name, merge } = &input;
        let id = rename(txn, &actor, current, name, *merge, now).await?;
        let row = counted(visibility).filter(tag::Column::Id.eq(id)).into_model::<CountedTag>();
        row.one(txn).await?.map(view).ok_or(NOT_FOUND)
    };
    writer.transaction(update).await
}

/// Returns the id of the tag that has the name now.
async fn rename(
    txn: &Transaction,
    actor: &Actor,
    current: tag::Model,
    name: &TagName,
    merge: bool,
    now: DateTime<Utc>,
) -> Result<i32> {
    let id = current.id;
    if (current.key.as_str(), current.name.as_str()) == (name.key(), name.name()) {
        return Ok(id);
    }
    let target = Target { id, name: format!("{} -> {}", current.name, name.name()) };
    let other = tag::Entity::find().filter(tag::Column::Key.eq(name.key())).filter(tag::Column::Id.ne(id));
    let (renamed, action) = match other.lock(LockType::Update).one(txn).await? {
        Some(_) if !merge => return Err(NAME_TAKEN),
        Some(other) => (merge_into(txn, id, other.id).await?, Action::TagMerge),
        None => {
            let mut row = current.into_active_model();
            row.key = Set(name.key().to_owned());
            row.name = Set(name.name().to_owned());
            (row.update(txn).await.map_err(taken)?.id, Action::TagRename)
        }
    };
    // Articles show the names of their tags.
    txn.changed(Change::Table(ARTICLES));
    audit::record(txn, actor, action, target, now).await?;
    Ok(renamed)
}

/// Gives the articles of one tag the other one instead, and deletes the first.
async fn merge_into(txn: &Transaction, id: i32, other: i32) -> Result<i32, DbErr> {
    use article_tag::Column::{ArticleId, TagId};

    let have_other = article_tag::Entity::find().select_only().column(ArticleId).filter(TagId.eq(other));
    article_tag::Entity::delete_many()
        .filter(TagId.eq(id))
        .filter(ArticleId.in_subquery(have_other.into_query()))
        .exec(txn)
        .await?;
    article_tag::Entity::update_many()
        .col_expr(TagId, Expr::val(other))
        .filter(TagId.eq(id))
        .exec(txn)
        .await?;
    tag::Entity::delete_by_id(id).exec(txn).await?;
    Ok(other)
}

fn taken(error: DbErr) -> Error {
    match violated_unique(&error) {
        Some(name) if KEY_INDEXES.contains(&name) => NAME_TAKEN,
        _ => error.into(),
    }
}

/// The visible articles of the tag of the outer statement.
fn of_tag(visibility: Visibility, shown: &'static str) -> Select<article::Entity> {
    article::Entity::visible_to(visibility)
        .select_only()
        .join_rev(JoinType::InnerJoin, article_tag::Relation::Article.def())
        .filter(article_tag::Column::TagId.into_expr().eq(tag::Column::Id.into_expr()))
        .expr(Expr::cust(shown))
}

/// Tags with the number of their visible articles.
fn counted(visibility: Visibility) -> Select<tag::Entity> {
    let articles = Expr::SubQuery(None, Box::new(of_tag(visibility, "count(*)").into_query().into()));
    tag::Entity::find()
        .select_only()
        .columns([tag::Column::Id, tag::Column::Key, tag::Column::Name])
        .expr_as(articles, "articles")
}

fn view(row: CountedTag) -> TagResponse {
    let CountedTag { id, key: _, name, articles } = row;
    TagResponse { id, name, articles }
}

/// The entity tag of a page: a digest of what it shows.
fn entity_tag(rows: &[CountedTag], neighbours: &Neighbours) -> EntityTag {
    let mut digest = Sha256::new_with_prefix("tags");
    for CountedTag { id, key, name, articles: count } in rows {
        digest.update(id.to_le_bytes());
        digest.update(count.to_le_bytes());
        for text in [key, name] {
            // No UTF-8 text contains this byte, so it marks the end of a text.
            digest.update(text.as_bytes());
            digest.update([0xff]);
        }
    }
    digest.update([u8::from(neighbours.previous.is_some()), u8::from(neighbours.next.is_some())]);
    EntityTag::of_digest(&digest.finalize())
}
