//! Slugs: the names of articles in URLs. A slug is unique among the published articles and those that are hidden
//! until a suspension ends; the slug of a draft is provisional.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
};

use chrono::{DateTime, Utc};
use deunicode::deunicode;
use entity::{Visibility, article, slug_redirect};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _, Select, Set, sea_query::OnConflict,
};
use utoipa::openapi::{RefOr, Schema};

use crate::{
    db::{Transaction, violated_unique},
    http::{
        error::{Error, Result},
        validation::{Field, Input, InvalidValue, Limits, Nullable, TextRule, parse_text, text_schema},
    },
};

/// The maximum length, in bytes.
const MAX: usize = 80;

const PATTERN: &str = "^[a-z0-9]+(-[a-z0-9]+)*$";

/// What a slug that is derived from a title begins with, if it would be reserved otherwise.
const PREFIX: &str = "post";

/// What the slug of an article without one begins with; its id follows.
const RESERVED: &str = "article-";

/// The maximum number of former slugs of an article.
const MAX_REDIRECTS: u64 = 50;

/// The maximum number of attempts to write a slug that another article may take at the same time.
const ATTEMPTS: u32 = 16;

/// The unique index of both engines.
const INDEXES: [&str; 2] = ["articles_slug_key", "articles.slug"];

/// The answer if another published article has the slug that the client chose.
const TAKEN: &str = "The slug is taken";

/// A slug: ASCII lower-case letters, digits and single hyphens between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slug(String);

impl Slug {
    /// The slug of a title: its words, transliterated to ASCII, as many as fit. A slug that would be empty, only
    /// digits or reserved begins with `post`.
    pub fn derive(title: &str) -> Self {
        let text = deunicode(title).to_ascii_lowercase();
        let words = text.split(|character: char| !character.is_ascii_alphanumeric());
        let mut slug = String::new();
        for word in words.filter(|word| !word.is_empty()) {
            if slug.is_empty() {
                slug.push_str(word.get(..MAX).unwrap_or(word));
            } else if slug.len().saturating_add(word.len()) < MAX {
                slug.extend(["-", word]);
            } else {
                break;
            }
        }
        Self::unreserved(slug)
    }

    /// A slug that the database contains.
    pub(super) fn stored(slug: String) -> Self {
        Self(slug)
    }

    /// What a path names, if any article can have it.
    pub fn of_path(text: &str) -> Option<Self> {
        let is_part = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        (text.len() <= MAX && text.split('-').all(is_part)).then(|| Self(text.to_owned()))
    }

    /// The slug of an article that has none.
    pub fn of_id(id: i32) -> String {
        format!("{RESERVED}{id}")
    }

    /// The id of the article whose slug this is while it has none.
    pub fn reserved_id(&self) -> Option<i32> {
        self.0.strip_prefix(RESERVED).filter(|id| is_number(id))?.parse().ok()
    }

    /// The slug with a number at its end.
    fn numbered(&self, number: u32) -> Self {
        let suffix = format!("-{number}");
        let start = self.0.get(..MAX.saturating_sub(suffix.len())).unwrap_or(&self.0);
        Self::unreserved(format!("{}{suffix}", start.trim_end_matches('-')))
    }

    fn unreserved(slug: String) -> Self {
        if slug.is_empty() {
            Self(PREFIX.to_owned())
        } else if is_reserved(&slug) {
            let slug = format!("{PREFIX}-{slug}");
            Self(slug.get(..MAX).map_or_else(|| slug.clone(), |start| start.trim_end_matches('-').to_owned()))
        } else {
            Self(slug)
        }
    }

    /// The text.
    pub fn into_inner(self) -> String {
        self.0
    }
}

impl AsRef<str> for Slug {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Field for Slug {
    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        let slug = parse_text(input, &rule())?;
        if is_reserved(&slug) {
            let error = format!("a slug must not be a number, nor `{RESERVED}` with a number");
            return Err(InvalidValue::rejected(error));
        }
        Ok(Self(slug))
    }

    fn schema() -> RefOr<Schema> {
        text_schema(&rule())
    }
}

fn rule() -> TextRule {
    TextRule::new(1, Some(MAX), PATTERN)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_reserved(slug: &str) -> bool {
    is_number(slug.strip_prefix(RESERVED).unwrap_or(slug))
}

/// The articles among which slugs are unique, and that have this one.
fn holder(slug: &str) -> Condition {
    let unique =
        Condition::any().add(article::Column::Published.into_expr()).add(article::Column::Hidden.into_expr());
    Condition::all().add(article::Column::Slug.eq(slug)).add(unique)
}

async fn is_taken(db: &impl ConnectionTrait, slug: &Slug) -> Result<bool, DbErr> {
    let found = article::Entity::find().select_only().column(article::Column::Id);
    let found = found.filter(holder(slug.as_ref())).limit(1).into_query();
    Ok(db.query_one_raw(db.get_database_backend().build(&found)).await?.is_some())
}

/// `slug`, or if an article has it, `slug-2`, `slug-3`, …: one that is free now. The number of statements grows
/// with the logarithm of the number of articles that share the slug. `attempt` counts the attempts to write it:
/// each further one skips numbers at random, so that many writes at the same time do not all choose the same.
pub(super) async fn free(db: &impl ConnectionTrait, slug: Slug, attempt: u32) -> Result<Slug, DbErr> {
    if !is_taken(db, &slug).await? {
        return Ok(slug);
    }
    let (mut taken, mut free) = (1_u32, 2_u32);
    while free < u32::MAX && is_taken(db, &slug.numbered(free)).await? {
        (taken, free) = (free, free.saturating_mul(2));
    }
    while free.saturating_sub(taken) > 1 {
        let middle = taken.midpoint(free);
        if is_taken(db, &slug.numbered(middle)).await? {
            taken = middle;
        } else {
            free = middle;
        }
    }
    let range = 1_u64 << attempt.saturating_sub(1).min(ATTEMPTS);
    let skipped = RandomState::new().hash_one(attempt).checked_rem(range).unwrap_or_default();
    Ok(slug.numbered(free.saturating_add(u32::try_from(skipped).unwrap_or_default())))
}

/// The slug of a new article. The first attempt to publish does not look whether it is free.
///
/// # Errors
/// [`Error::Conflict`] if the client chose the slug of a draft and a published article has it.
pub(super) async fn of_new(
    db: &impl ConnectionTrait,
    chosen: &Nullable<Slug>,
    title: &str,
    published: bool,
    attempt: u32,
) -> Result<Slug> {
    match chosen {
        Nullable::Value(slug) => {
            if !published {
                check_chosen(db, slug).await?;
            }
            Ok(slug.clone())
        }
        Nullable::Absent | Nullable::Null if published && attempt > 0 => {
            Ok(free(db, Slug::derive(title), attempt).await?)
        }
        Nullable::Absent | Nullable::Null => Ok(Slug::derive(title)),
    }
}

/// Checks a slug that a client chose for a draft. No index contains it, and it may be taken until the draft is
/// published.
///
/// # Errors
/// [`Error::Conflict`] if a published article has it.
pub(super) async fn check_chosen(db: &impl ConnectionTrait, slug: &Slug) -> Result<()> {
    let found = article::Entity::find().select_only().column(article::Column::Id);
    let found = found
        .filter(article::Column::Slug.eq(slug.as_ref()))
        .filter(article::Column::Published.into_expr())
        .limit(1)
        .into_query();
    match db.query_one_raw(db.get_database_backend().build(&found)).await? {
        Some(_) => Err(Error::Conflict(TAKEN)),
        None => Ok(()),
    }
}

/// The articles that have a slug and are visible, in the order in which they are to be looked up.
pub(super) fn holders(slug: &Slug, visibility: Visibility) -> Vec<Select<article::Entity>> {
    if let Some(id) = slug.reserved_id() {
        let article = article::Entity::visible_to(visibility).filter(article::Column::Id.eq(id));
        return vec![article.filter(article::Column::Slug.is_null())];
    }
    let states: &[bool] = if visibility == Visibility::Published { &[true] } else { &[true, false] };
    states
        .iter()
        .flat_map(|published| article::Entity::visible_parts(visibility, Some(*published)))
        .map(|part| part.filter(article::Column::Slug.eq(slug.as_ref())))
        .map(|part| part.order_by_desc(article::Column::Id).limit(1))
        .collect()
}

/// The slug of the published article that had this one last. Drafts are left out: another article may have their
/// slug.
pub(super) async fn moved_to(db: &impl ConnectionTrait, slug: &Slug) -> Result<Option<String>> {
    let published = article::Entity::visible_to(Visibility::Published);
    let article = if let Some(id) = slug.reserved_id() {
        published.filter(article::Column::Id.eq(id))
    } else {
        let had = slug_redirect::Entity::find()
            .select_only()
            .column(slug_redirect::Column::ArticleId)
            .filter(slug_redirect::Column::Slug.eq(slug.as_ref()));
        published.filter(article::Column::Id.in_subquery(had.into_query()))
    };
    let current = article.select_only().column(article::Column::Slug).into_tuple::<Option<String>>();
    Ok(current.one(db).await?.flatten())
}

/// Lets `slug` lead to the article that had it. The oldest former slugs of an article that has many are deleted.
pub(super) async fn redirect(
    txn: &Transaction,
    slug: &str,
    article_id: i32,
    now: DateTime<Utc>,
) -> Result<()> {
    use slug_redirect::Column::{ArticleId, CreatedAt, Slug};

    let row = slug_redirect::ActiveModel {
        slug: Set(slug.to_owned()),
        article_id: Set(article_id),
        created_at: Set(now.into()),
    };
    let replace = OnConflict::column(Slug).update_columns([ArticleId, CreatedAt]).to_owned();
    slug_redirect::Entity::insert(row).on_conflict(replace).exec_without_returning(txn).await?;
    let of_article = slug_redirect::Entity::find().filter(ArticleId.eq(article_id));
    let newest = of_article.select_only().column(Slug).order_by_desc(CreatedAt).order_by_desc(Slug);
    slug_redirect::Entity::delete_many()
        .filter(ArticleId.eq(article_id))
        .filter(Slug.not_in_subquery(newest.limit(MAX_REDIRECTS).into_query()))
        .exec(txn)
        .await?;
    Ok(())
}

/// Maps the error of a write: [`Error::Conflict`] if another article took the slug.
pub(super) fn taken(error: DbErr) -> Error {
    match violated_unique(&error) {
        Some(name) if INDEXES.contains(&name) => Error::Conflict(TAKEN),
        _ => error.into(),
    }
}

/// Calls `write` with the numbers of its attempts until no other article takes the slug at the same time. If the
/// client chose the slug, there is one attempt.
///
/// # Errors
/// Those of `write`; [`Error::Busy`] if other articles took the slugs of all attempts.
pub(super) async fn retry<T>(is_chosen: bool, write: impl AsyncFn(u32) -> Result<T>) -> Result<T> {
    for attempt in 0..ATTEMPTS {
        match write(attempt).await {
            Err(Error::Conflict(_)) if !is_chosen => {}
            outcome => return outcome,
        }
    }
    Err(Error::Busy)
}

#[cfg(test)]
mod tests;
