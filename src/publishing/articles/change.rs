//! The one path through which articles change: what is to follow a change (a version, a notice to replicas) has its place here.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::article;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, Condition, DbErr, EntityTrait as _, QueryFilter as _, Set,
    sea_query::{Expr, ExprTrait as _},
};

use super::schemas::{ArticlePatch, NewArticle};
use crate::{
    db::Connections,
    http::{
        cache::Cache,
        error::{Error, Result},
    },
};

/// What a change needs: the database, and the cache that must hear of it before the change is acknowledged.
#[derive(Clone, Debug)]
pub struct Writer {
    /// Reads and writes.
    pub db: Connections,
    /// Forgets what is changed.
    pub cache: Arc<Cache>,
}

/// What an author does, to an article that meets a further condition.
#[derive(Debug)]
pub(super) enum Change {
    Write(NewArticle),
    Edit(i32, ArticlePatch, Condition),
    Remove(i32, Condition),
}

/// Makes the change if it is `author_id`'s to make, and changes something: ownership is part of each statement.
///
/// Answers with the article as it now is (as it last was, when removed), or none where nothing changed.
pub(super) async fn apply(
    writer: &Writer,
    author_id: i32,
    change: Change,
    now: DateTime<Utc>,
) -> Result<Option<article::Model>> {
    let writer = writer.clone();
    // A task of its own: a client that leaves, or a deadline, ends neither the statement nor what must follow it.
    let done = actix_rt::spawn(async move {
        let touched = match &change {
            Change::Write(_) => None,
            Change::Edit(id, ..) | Change::Remove(id, _) => Some(*id),
        };
        let done = run(&writer.db, author_id, change, now).await;
        // After a failure too: a connection may be lost when the statement is done.
        match touched {
            Some(id) => writer.cache.forget(id),
            None => writer.cache.forget_lists(),
        }
        done
    });
    Ok(done.await.map_err(Error::internal)??)
}

async fn run(
    db: &Connections,
    author_id: i32,
    change: Change,
    now: DateTime<Utc>,
) -> Result<Option<article::Model>, DbErr> {
    match change {
        Change::Write(input) => write(db, author_id, input, now).await.map(Some),
        Change::Edit(id, patch, only) => edit(db, own(author_id, id).add(only), patch, now).await,
        Change::Remove(id, only) => {
            let delete = article::Entity::delete_many().filter(own(author_id, id)).filter(only);
            Ok(delete.exec_with_returning(db).await?.pop())
        }
    }
}

async fn write(
    db: &Connections,
    author_id: i32,
    input: NewArticle,
    now: DateTime<Utc>,
) -> Result<article::Model, DbErr> {
    let row = article::ActiveModel {
        title: Set(input.title.into_inner()),
        content: Set(input.content.into_inner()),
        published: Set(input.published),
        author_id: Set(author_id),
        created_at: Set(now),
        updated_at: Set(now),
        version: Set(1),
        ..Default::default()
    };
    row.insert(db).await
}

/// One statement, so that two edits of different members at once both stay. It touches a row only where a value differs:
/// `updated_at` keeps meaning «edited».
async fn edit(
    db: &Connections,
    only: Condition,
    patch: ArticlePatch,
    now: DateTime<Utc>,
) -> Result<Option<article::Model>, DbErr> {
    use article::Column::{Content, Published, Title};

    let values = [
        patch.title.map(|title| (Title, Expr::val(title.into_inner()))),
        patch.content.map(|content| (Content, Expr::val(content.into_inner()))),
        patch.published.map(|published| (Published, Expr::val(published))),
    ];
    let mut update = article::Entity::update_many().filter(only);
    let mut differs = Condition::any();
    for (column, value) in values.into_iter().flatten() {
        differs = differs.add(column.into_expr().ne(value.clone()));
        update = update.col_expr(column, value);
    }
    if differs.is_empty() {
        return Ok(None);
    }
    let update = update
        .col_expr(article::Column::UpdatedAt, Expr::val(now))
        .col_expr(article::Column::Version, article::Column::Version.into_expr().add(1))
        .filter(differs);
    Ok(update.exec_with_returning(db).await?.pop())
}

fn own(author_id: i32, id: i32) -> Condition {
    Condition::all().add(article::Column::Id.eq(id)).add(article::Column::AuthorId.eq(author_id))
}
