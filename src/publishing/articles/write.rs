//! The statements that change articles. Who may change them is part of each of them.

use chrono::{DateTime, Utc};
use entity::{Writability, article};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::NotSet, ColumnTrait as _, Condition, ConnectionTrait, DbErr,
    EntityTrait as _, IntoActiveModel as _, QueryFilter as _, Set,
};

use super::schemas::{ArticleCreate, Excerpt, Format};
use crate::{
    http::{
        conditional::{EntityTags, RowState},
        error::Result,
        request::UserId,
    },
    publishing::slugs::{self, Slug},
};

/// Inserts an article.
///
/// # Errors
/// [`Error::Conflict`](crate::http::error::Error::Conflict) if it is published and another article took the slug.
pub(super) async fn insert(
    db: &impl ConnectionTrait,
    author: UserId,
    input: ArticleCreate,
    slug: Slug,
    default_format: Format,
    now: DateTime<Utc>,
) -> Result<article::Model> {
    let ArticleCreate { title, content, published, slug: _, format, excerpt, scheduled_at, tags: _ } = input;
    let row = article::ActiveModel {
        id: NotSet,
        title: Set(title.into_inner()),
        content: Set(content.into_inner()),
        published: Set(published),
        author_id: Set(author.0),
        created_at: Set(now.into()),
        updated_at: Set(now.into()),
        version: Set(1),
        state_id: Set(article::new_state_id()),
        hidden: Set(false),
        slug: Set(Some(slug.into_inner())),
        format: Set(format.unwrap_or(default_format).name().to_owned()),
        excerpt: Set(excerpt.into_value().map(Excerpt::into_inner)),
        published_at: Set(published.then(|| now.into())),
        scheduled_at: Set(scheduled_at.into_value().map(|time| time.0.into())),
    };
    row.insert(db).await.map_err(slugs::taken)
}

/// Replaces the values of an article that differ, in a new state. `current` is locked.
///
/// # Errors
/// [`Error::Conflict`](crate::http::error::Error::Conflict) if it is published and another article took the slug.
pub(super) async fn update(
    db: &impl ConnectionTrait,
    current: article::Model,
    next: article::Model,
) -> Result<article::Model> {
    let article::Model {
        id: _,
        title,
        content,
        published,
        author_id: _,
        created_at: _,
        updated_at,
        version: _,
        state_id: _,
        hidden,
        slug,
        format,
        excerpt,
        published_at,
        scheduled_at,
    } = next;
    let version = current.version.saturating_add(1);
    let mut row = current.into_active_model();
    row.title.set_ne(title);
    row.content.set_ne(content);
    row.published.set_ne(published);
    row.hidden.set_ne(hidden);
    row.slug.set_ne(slug);
    row.format.set_ne(format);
    row.excerpt.set_ne(excerpt);
    row.published_at.set_ne(published_at);
    row.scheduled_at.set_ne(scheduled_at);
    row.updated_at = Set(updated_at);
    row.version = Set(version);
    row.state_id = Set(article::new_state_id());
    row.update(db).await.map_err(slugs::taken)
}

/// Deletes an article; returns what was deleted, or `None` if no row was.
pub(super) async fn delete(
    db: &impl ConnectionTrait,
    writable: Writability,
    id: i32,
    if_match: Option<&EntityTags>,
) -> Result<Option<article::Model>, DbErr> {
    let delete = article::Entity::delete_many().filter(writable_and_matching(writable, id, if_match));
    Ok(delete.exec_with_returning(db).await?.pop())
}

/// The article with this id, if it is writable and in a state that `if_match` lists: part of the statement, so
/// that nothing can happen between the check and the change.
fn writable_and_matching(writable: Writability, id: i32, if_match: Option<&EntityTags>) -> Condition {
    let state = |state: RowState| {
        let (version, id) = (article::Column::Version, article::Column::StateId);
        Condition::all().add(version.eq(state.version)).add(id.eq(state.id))
    };
    let states = if_match
        .and_then(EntityTags::states)
        .map(|states| states.into_iter().map(state).fold(Condition::any(), Condition::add));
    Condition::all().add(article::Column::Id.eq(id)).add(writable.condition()).add_option(states)
}
