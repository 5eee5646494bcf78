//! Records the state of an article before an edit, in the transaction of the edit.

use chrono::{DateTime, Utc};
use entity::{article, article_revision};
use sea_orm::{
    ActiveValue::NotSet, ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _, Set,
};

use crate::{db::Transaction, http::request::UserId};

/// Records the state `current` with these tags, and deletes the oldest revisions beyond `max`. The article is locked,
/// so no other edit takes the same number.
pub(in crate::publishing) async fn record(
    txn: &Transaction,
    max: u32,
    current: &article::Model,
    tags: &[String],
    editor: UserId,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    use article_revision::Column::{ArticleId, Number};

    let of_article = article_revision::Entity::find().filter(ArticleId.eq(current.id)).select_only();
    let latest = of_article.column_as(Number.max(), "number").into_tuple::<Option<i32>>().one(txn).await?;
    let latest = latest.flatten().unwrap_or_default();
    let number = latest.saturating_add(1);
    if max > 0 {
        let row = article_revision::ActiveModel {
            id: NotSet,
            article_id: Set(current.id),
            number: Set(number),
            title: Set(current.title.clone()),
            content: Set(current.content.clone()),
            format: Set(current.format.clone()),
            slug: Set(current.slug.clone()),
            tags: Set(serde_json::to_string(tags).unwrap_or_default()),
            editor_id: Set(Some(editor.0)),
            created_at: Set(now.into()),
        };
        article_revision::Entity::insert(row).exec_without_returning(txn).await?;
    }
    let oldest = number.saturating_sub(i32::try_from(max).unwrap_or(i32::MAX));
    if latest > 0 && oldest > 0 {
        let old = article_revision::Entity::delete_many();
        old.filter(ArticleId.eq(current.id)).filter(Number.lte(oldest)).exec(txn).await?;
    }
    Ok(())
}
