//! The statements that change articles. Who may change them is part of each of them.

use chrono::{DateTime, Utc};
use entity::{StoredTime, Writability, article};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::NotSet,
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, Set,
    sea_query::{Expr, ExprTrait as _},
};

use super::schemas::{ArticleCreate, ArticleUpdate};
use crate::http::{
    conditional::{EntityTags, RowState},
    request::UserId,
};

/// Inserts an article.
pub(super) async fn insert(
    db: &impl ConnectionTrait,
    author: UserId,
    input: ArticleCreate,
    now: DateTime<Utc>,
) -> Result<article::Model, DbErr> {
    let ArticleCreate { title, content, published } = input;
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
    };
    row.insert(db).await
}

/// Changes the members that are given, if one of them differs: `updated_at` keeps meaning "edited". A single
/// statement, so that two concurrent edits of different members both take effect. With `published`, the end of a
/// suspension does not publish the article any more.
///
/// Returns the changed article, or `None` if no row was changed.
pub(super) async fn update(
    db: &impl ConnectionTrait,
    writable: Writability,
    id: i32,
    input: ArticleUpdate,
    if_match: Option<&EntityTags>,
    now: DateTime<Utc>,
) -> Result<Option<article::Model>, DbErr> {
    use article::Column::{Content, Hidden, Published, StateId, Title, UpdatedAt, Version};

    let ArticleUpdate { title, content, published } = input;
    let values = [
        title.map(|title| (Title, Expr::val(title.into_inner()))),
        content.map(|content| (Content, Expr::val(content.into_inner()))),
        published.map(|published| (Published, Expr::val(published))),
        published.map(|_| (Hidden, Expr::val(false))),
    ];
    let mut update = article::Entity::update_many().filter(writable_and_matching(writable, id, if_match));
    let mut differs = Condition::any();
    for (column, value) in values.into_iter().flatten() {
        differs = differs.add(column.into_expr().ne(value.clone()));
        update = update.col_expr(column, value);
    }
    if differs.is_empty() {
        return Ok(None);
    }
    let update = update
        .col_expr(UpdatedAt, not_before_creation(now))
        .col_expr(Version, Version.into_expr().add(1))
        .col_expr(StateId, Expr::val(article::new_state_id()))
        .filter(differs);
    Ok(update.exec_with_returning(db).await?.pop())
}

/// `now`, or the time of creation if that is later: the clock was set back, or another program wrote the row. A
/// time that Byline cannot show does not count.
fn not_before_creation(now: DateTime<Utc>) -> Expr {
    use article::Column::CreatedAt;

    let is_later = CreatedAt.gt(now).and(CreatedAt.lte(StoredTime::MAX));
    Expr::case(is_later, CreatedAt.into_expr()).finally(Expr::val(now)).into()
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
