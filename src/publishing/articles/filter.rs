//! The filters that lists and search have in common, as conditions of a statement.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::{article, user};
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QuerySelect as _, QueryTrait as _,
    Select,
    sea_query::{Expr, ExprTrait as _},
};

use super::schemas::ArticleList;
use crate::publishing::tags::names::TagName;

/// The keys of tags, in an order that does not depend on the request.
pub(in crate::publishing) fn keys(tags: &[TagName]) -> Vec<String> {
    let keys: BTreeSet<&str> = tags.iter().map(TagName::key).collect();
    keys.into_iter().map(str::to_owned).collect()
}

/// Applies the filters of the list except the tags, which a statement of its own looks up first.
pub(in crate::publishing) fn of_list(
    select: Select<article::Entity>,
    list: &ArticleList,
) -> Select<article::Entity> {
    let published = list.published.map(|published| article::Column::Published.eq(published));
    narrow(select, list).filter(Condition::all().add_option(published))
}

/// Applies the filters of the list except the tags and `published`.
pub(super) fn narrow(select: Select<article::Entity>, list: &ArticleList) -> Select<article::Entity> {
    use article::Column::{AuthorId, CreatedAt, UpdatedAt};

    let time = |micros| DateTime::<Utc>::from_timestamp_micros(micros).unwrap_or_default();
    let author = list.author.as_ref().map(|name| {
        let id = user::Entity::find().select_only().column(user::Column::Id);
        let id = id.filter(user::Column::Username.eq(name)).into_query();
        AuthorId.into_expr().eq(Expr::SubQuery(None, Box::new(id.into())))
    });
    let conditions = [
        author,
        list.since.map(|since| CreatedAt.gte(time(since))),
        list.until.map(|until| CreatedAt.lt(time(until))),
        list.updated_since.map(|since| UpdatedAt.gte(time(since))),
        list.updated_until.map(|until| UpdatedAt.lt(time(until))),
    ];
    select.filter(conditions.into_iter().flatten().fold(Condition::all(), Condition::add))
}
