//! Edits of articles: what follows from a change, decided on the locked row.

use chrono::{DateTime, Utc};
use entity::{StoredTime, article, user};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QuerySelect as _,
    sea_query::LockType,
};
use serde_json::json;

use super::{
    ARTICLES,
    editor::{Editor, check_writable_row, visible},
    schemas::{ArticleCreate, ArticleUpdate, Content, Excerpt, Title},
    write,
};
use crate::{
    accounts::administration::audit::{self, Action, Target},
    db::{Change, Transaction},
    http::{
        conditional::EntityTags,
        error::Result,
        timestamp::Timestamp,
        validation::{FieldErrors, Instant, InvalidValue, List, Nullable},
    },
    publishing::{
        revisions::record::record,
        slugs::{self, Slug},
        tags::{
            names::{self, TagName},
            of_articles,
        },
    },
};

/// The article if it is visible, writable, and in a matching state, locked until the end of the transaction.
pub(super) async fn lock(
    txn: &Transaction,
    editor: &Editor,
    id: i32,
    if_match: Option<&EntityTags>,
) -> Result<article::Model> {
    // Like an UPDATE, the lock does not wait for rows that refer to the article.
    let article = visible(editor.visibility, id).lock(LockType::NoKeyUpdate);
    check_writable_row(article.one(txn).await?, editor, if_match)
}

/// What is to change.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    /// The members that a client gave.
    pub(super) input: ArticleUpdate,
    /// The slug of a former state.
    pub(super) slug: Option<Slug>,
}

/// Changes the members that are given, and records the previous state. An article that has these values already stays
/// untouched: `updated_at` keeps meaning "edited". `attempt` counts the attempts to find a slug.
///
/// # Errors
/// 422 for a time of publication that is not possible; 409 if the slug is taken.
pub(super) async fn apply(
    txn: &Transaction,
    editor: &Editor,
    current: article::Model,
    edit: Edit,
    attempt: u32,
    now: DateTime<Utc>,
) -> Result<article::Model> {
    let Edit { mut input, slug: restored } = edit;
    let tags = match input.tags.take() {
        Some(List(tags)) => changed_tags(txn, current.id, names::distinct(tags)).await?,
        None => None,
    };
    let (mut next, wanted) = changed(&current, input, now)?;
    let wanted = restored.map(WantedSlug::Derived).or(wanted);
    next.slug = resolved(txn, wanted, &current, &next, attempt).await?;
    if next == current && tags.is_none() {
        return Ok(current);
    }
    next.updated_at = not_before_creation(&current, now);
    txn.changed(Change::Row(ARTICLES, current.id));
    if current.author_id != editor.id.0 {
        let target = Target { id: current.id, name: next.title.clone() };
        audit::record(txn, &editor.actor, Action::ArticleUpdate, target, now).await?;
    }
    if tags.is_some() || is_revised(&current, &next) {
        let before = of_articles::of_article(txn, current.id).await?;
        let before: Vec<String> = before.into_iter().map(|tag| tag.name).collect();
        record(txn, editor.max_revisions, &current, &before, editor.id, now).await?;
    }
    if let Some(tags) = tags {
        of_articles::replace(txn, current.id, &tags).await?;
    }
    redirect_old_slug(txn, &current, &next, now).await?;
    write::update(txn, current, next).await
}

/// Whether an edit keeps the previous state.
fn is_revised(current: &article::Model, next: &article::Model) -> bool {
    current.title != next.title
        || current.content != next.content
        || current.format != next.format
        || current.slug != next.slug
}

/// The tags that the article is to have, if they are not those that it has.
async fn changed_tags(txn: &Transaction, id: i32, wanted: Vec<TagName>) -> Result<Option<Vec<TagName>>> {
    let current = of_articles::of_article(txn, id).await?;
    let differ = !current.iter().map(|tag| tag.key.as_str()).eq(wanted.iter().map(TagName::key));
    Ok(differ.then_some(wanted))
}

/// Lets the old slug of an article that was published lead to the new one.
async fn redirect_old_slug(
    txn: &Transaction,
    current: &article::Model,
    next: &article::Model,
    now: DateTime<Utc>,
) -> Result<()> {
    match &current.slug {
        Some(slug) if current.published_at.is_some() && next.slug != current.slug => {
            slugs::redirect(txn, slug, current.id, now).await
        }
        _ => Ok(()),
    }
}

/// Publishes the draft with this id if it is due at `now` and its author is not suspended.
pub(super) async fn publish_scheduled(
    txn: &Transaction,
    id: i32,
    attempt: u32,
    now: DateTime<Utc>,
) -> Result<bool> {
    let author = article::Entity::find_by_id(id).select_only().column(article::Column::AuthorId);
    let Some(author) = author.into_tuple::<i32>().one(txn).await? else { return Ok(false) };
    // Locked before the article, as a suspension does, so that neither overlooks the other.
    let author = user::Entity::find_by_id(author).filter(user::Column::IsActive.into_expr()).lock_shared();
    if author.one(txn).await?.is_none() {
        return Ok(false);
    }
    let due = article::Entity::find_by_id(id)
        .filter(article::Column::Published.eq(false))
        .filter(article::Column::ScheduledAt.lte(now))
        .lock(LockType::NoKeyUpdate);
    let Some(current) = due.one(txn).await? else { return Ok(false) };
    let input = ArticleUpdate {
        title: None,
        content: None,
        published: Some(true),
        slug: Nullable::Absent,
        format: None,
        excerpt: Nullable::Absent,
        scheduled_at: Nullable::Absent,
        tags: None,
    };
    let (mut next, slug) = changed(&current, input, now)?;
    next.slug = resolved(txn, slug, &current, &next, attempt).await?;
    next.updated_at = not_before_creation(&current, now);
    txn.changed(Change::Row(ARTICLES, id));
    redirect_old_slug(txn, &current, &next, now).await?;
    write::update(txn, current, next).await.map(|_| true)
}

/// Assigns a slug to the article with this id if it has none. That is no edit, so `updated_at` stays.
pub(super) async fn assign_slug(txn: &Transaction, id: i32, attempt: u32) -> Result<bool> {
    let without =
        article::Entity::find_by_id(id).filter(article::Column::Slug.is_null()).lock(LockType::NoKeyUpdate);
    let Some(current) = without.one(txn).await? else { return Ok(false) };
    let slug = Slug::derive(&current.title);
    let is_public = current.published || current.hidden;
    let slug = if is_public { slugs::free(txn, slug, attempt).await? } else { slug };
    let next = article::Model { slug: Some(slug.into_inner()), ..current.clone() };
    txn.changed(Change::Row(ARTICLES, id));
    write::update(txn, current, next).await.map(|_| true)
}

async fn resolved(
    db: &impl ConnectionTrait,
    wanted: Option<WantedSlug>,
    current: &article::Model,
    next: &article::Model,
    attempt: u32,
) -> Result<Option<String>> {
    match wanted {
        None => Ok(current.slug.clone()),
        Some(wanted) => Ok(Some(wanted.resolve(db, current, next, attempt).await?.into_inner())),
    }
}

/// The slug that an article is to have.
enum WantedSlug {
    /// This one; the client chose it.
    Chosen(Slug),
    /// This one, with a number if it is taken.
    Derived(Slug),
}

impl WantedSlug {
    async fn resolve(
        self,
        db: &impl ConnectionTrait,
        current: &article::Model,
        next: &article::Model,
        attempt: u32,
    ) -> Result<Slug> {
        let is_public = next.published || next.hidden;
        let had = |slug: &Slug| current.slug.as_deref() == Some(slug.as_ref());
        match self {
            Self::Chosen(slug) if !is_public && !had(&slug) => {
                slugs::check_chosen(db, &slug).await?;
                Ok(slug)
            }
            Self::Derived(slug) if is_public && !(had(&slug) && (current.published || current.hidden)) => {
                Ok(slugs::free(db, slug, attempt).await?)
            }
            Self::Chosen(slug) | Self::Derived(slug) => Ok(slug),
        }
    }
}

/// The article with the changes of `input`, still with its slug, and the slug that it is to have if that may change.
fn changed(
    current: &article::Model,
    input: ArticleUpdate,
    now: DateTime<Utc>,
) -> Result<(article::Model, Option<WantedSlug>)> {
    let ArticleUpdate { title, content, published, slug, format, excerpt, scheduled_at, tags: _ } = input;
    let is_published = published.unwrap_or(current.published);
    // The end of a suspension does not publish an article that was published or withdrawn since.
    let hidden = current.hidden && published.is_none();
    let was_public = current.published || current.hidden;
    let keeps_schedule = !is_published && (hidden || !was_public);
    check_schedule(&scheduled_at, is_published || hidden, now)?;
    let next = article::Model {
        title: title.map_or_else(|| current.title.clone(), Title::into_inner),
        content: content.map_or_else(|| current.content.clone(), Content::into_inner),
        published: is_published,
        hidden,
        format: format.map_or_else(|| current.format.clone(), |format| format.name().to_owned()),
        excerpt: excerpt
            .into_change()
            .map_or_else(|| current.excerpt.clone(), |excerpt| excerpt.map(Excerpt::into_inner)),
        published_at: current.published_at.or_else(|| is_published.then(|| now.into())),
        scheduled_at: match scheduled_at.into_change() {
            Some(time) => time.map(|Instant(time)| time.into()),
            None => current.scheduled_at.filter(|_| keeps_schedule),
        },
        ..current.clone()
    };
    let derived = |title: &str| Some(WantedSlug::Derived(Slug::derive(title)));
    let wanted = match (slug, &current.slug) {
        (Nullable::Value(slug), _) => Some(WantedSlug::Chosen(slug)),
        (Nullable::Absent, _) if next == *current => None,
        (Nullable::Null, _) | (Nullable::Absent, None) => derived(&next.title),
        // While an article was never published, a slug that is that of its title follows its title.
        (Nullable::Absent, Some(slug))
            if current.published_at.is_none() && *slug == *Slug::derive(&current.title).as_ref() =>
        {
            derived(&next.title)
        }
        (Nullable::Absent, Some(slug)) => Some(WantedSlug::Derived(Slug::stored(slug.clone()))),
    };
    Ok((next, wanted))
}

/// Checks the time of publication of a new article.
///
/// # Errors
/// 422 if it is not in the future, or if the article is published already.
pub(super) fn check_new(input: &ArticleCreate, now: DateTime<Utc>) -> Result<()> {
    check_schedule(&input.scheduled_at, input.published, now)
}

fn check_schedule(scheduled_at: &Nullable<Instant>, is_published: bool, now: DateTime<Utc>) -> Result<()> {
    let Nullable::Value(Instant(time)) = scheduled_at else { return Ok(()) };
    let error = if is_published {
        "only a draft can be scheduled"
    } else if *time <= now {
        "the time is not in the future"
    } else {
        return Ok(());
    };
    let invalid = InvalidValue::rejected(error);
    Err(FieldErrors::one(invalid, &["body", "scheduled_at"], json!(Timestamp(*time))).into())
}

/// `now`, or the time of creation if that is later: the clock was set back, or another program wrote the row. A
/// time that Byline cannot show does not count.
fn not_before_creation(current: &article::Model, now: DateTime<Utc>) -> StoredTime {
    let created = current.created_at;
    if created < StoredTime::MAX { created.max(now.into()) } else { now.into() }
}
