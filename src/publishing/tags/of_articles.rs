//! The tags of articles: reading them, and replacing those of one article.

use std::collections::BTreeMap;

use entity::{article, article_tag, tag};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, JoinType, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, QueryTrait as _, RelationTrait as _, Select, Set,
    sea_query::{Expr, ExprTrait as _, LockType, OnConflict, SelectStatement},
};
use sha2::{Digest as _, Sha256};

use super::names::TagName;
use crate::{
    db::Transaction,
    http::{
        conditional::EntityTag,
        error::{Error, Result},
    },
};

/// Maximum number of ids in one statement. Both databases limit the number of bind values.
const MAX_IDS: usize = 1000;

/// The number of articles beyond which a tag is common.
const COMMON: u64 = 1000;

/// The maximum number of attempts to insert tags while others delete them.
const ATTEMPTS: u32 = 4;

/// The names of the tags of articles, by the id of the article.
#[derive(Debug)]
pub struct TagsOfArticles(BTreeMap<i32, Vec<String>>);

impl TagsOfArticles {
    /// Loads the tags of the articles with these ids: one statement for up to 1,000 articles.
    pub async fn load(db: &impl ConnectionTrait, ids: &[i32]) -> Result<Self, DbErr> {
        let mut names: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        for ids in ids.chunks(MAX_IDS) {
            let tags = article_tag::Entity::find()
                .select_only()
                .column(article_tag::Column::ArticleId)
                .column(tag::Column::Name)
                .join(JoinType::InnerJoin, article_tag::Relation::Tag.def())
                .filter(article_tag::Column::ArticleId.is_in(ids.iter().copied()))
                .order_by_asc(article_tag::Column::ArticleId)
                .order_by_asc(article_tag::Column::Position)
                .into_tuple::<(i32, String)>();
            for (article, name) in tags.all(db).await? {
                names.entry(article).or_default().push(name);
            }
        }
        Ok(Self(names))
    }

    /// The tags of the article with this id, in their order.
    pub fn of(&self, article: i32) -> Vec<String> {
        self.0.get(&article).cloned().unwrap_or_default()
    }

    /// The tag of articles shown with these tags; `articles` is their tag without.
    pub fn tag(&self, articles: EntityTag) -> EntityTag {
        let mut digest = Sha256::new_with_prefix("tags");
        for (id, names) in &self.0 {
            digest.update(id.to_le_bytes());
            for name in names {
                // No UTF-8 text contains this byte, so it marks the end of a text.
                digest.update(name.as_bytes());
                digest.update([0xff]);
            }
        }
        articles.with(&digest.finalize())
    }
}

/// The tags of one article, in their order.
pub(in crate::publishing) async fn of_article(
    db: &impl ConnectionTrait,
    article: i32,
) -> Result<Vec<tag::Model>, DbErr> {
    tag::Entity::find()
        .join_rev(JoinType::InnerJoin, article_tag::Relation::Tag.def())
        .filter(article_tag::Column::ArticleId.eq(article))
        .order_by_asc(article_tag::Column::Position)
        .all(db)
        .await
}

/// Replaces the tags of an article, which must be distinct. Tags that do not exist yet are inserted.
///
/// # Errors
/// [`Error::Busy`] if other transactions delete the tags again and again.
pub(in crate::publishing) async fn replace(txn: &Transaction, article: i32, tags: &[TagName]) -> Result<()> {
    let ids = ids(txn, tags).await?;
    article_tag::Entity::delete_many().filter(article_tag::Column::ArticleId.eq(article)).exec(txn).await?;
    insert(txn, article, &ids).await
}

/// Inserts the tags of a new article, which must be distinct.
///
/// # Errors
/// As [`replace`].
pub(in crate::publishing) async fn insert_new(
    txn: &Transaction,
    article: i32,
    tags: &[TagName],
) -> Result<()> {
    let ids = ids(txn, tags).await?;
    insert(txn, article, &ids).await
}

async fn insert(txn: &Transaction, article: i32, ids: &[i32]) -> Result<()> {
    let rows: Vec<_> = (0..)
        .zip(ids)
        .map(|(position, id)| article_tag::ActiveModel {
            article_id: Set(article),
            tag_id: Set(*id),
            position: Set(position),
        })
        .collect();
    if !rows.is_empty() {
        article_tag::Entity::insert_many(rows).exec_without_returning(txn).await?;
    }
    Ok(())
}

/// The ids of the tags with these names, in their order. The rows are locked against deletion.
async fn ids(txn: &Transaction, tags: &[TagName]) -> Result<Vec<i32>> {
    if tags.is_empty() {
        return Ok(Vec::new());
    }
    for _ in 0..ATTEMPTS {
        let known = tag::Entity::find()
            .filter(tag::Column::Key.is_in(tags.iter().map(TagName::key)))
            .lock(LockType::KeyShare);
        let known: BTreeMap<String, i32> =
            known.all(txn).await?.into_iter().map(|row| (row.key, row.id)).collect();
        let ids: Vec<i32> = tags.iter().filter_map(|tag| known.get(tag.key()).copied()).collect();
        if ids.len() == tags.len() {
            return Ok(ids);
        }
        let mut missing: Vec<&TagName> = tags.iter().filter(|tag| !known.contains_key(tag.key())).collect();
        // In one order for all transactions, so that no two wait for each other.
        missing.sort_by_key(|tag| tag.key());
        let rows = missing.into_iter().map(|tag| tag::ActiveModel {
            key: Set(tag.key().to_owned()),
            name: Set(tag.name().to_owned()),
            ..Default::default()
        });
        let unless_known = OnConflict::column(tag::Column::Key).do_nothing().to_owned();
        tag::Entity::insert_many(rows).on_conflict(unless_known).exec_without_returning(txn).await?;
    }
    Err(Error::Busy)
}

/// The condition for articles that have all tags with these keys. Articles with a rare tag are read by the tag and
/// sorted, at most [`COMMON`] of them. If all tags are common, articles are read in the order of the list, and each is
/// tested, because reading and sorting all articles of a common tag would cost more than a page.
pub(in crate::publishing) async fn tagged(
    db: &impl ConnectionTrait,
    keys: &[String],
) -> Result<Condition, DbErr> {
    let mut rare = None;
    for key in keys {
        let beyond = articles_with(key).offset(COMMON).limit(1).to_owned();
        if db.query_one_raw(db.get_database_backend().build(&beyond)).await?.is_none() {
            rare = Some(key);
            break;
        }
    }
    let condition = |key: &String| {
        let id = article::Column::Id;
        if rare == Some(key) {
            return id.in_subquery(articles_with(key));
        }
        let article = article_tag::Column::ArticleId.into_expr().eq(id.into_expr());
        Expr::exists(articles_with(key).and_where(article).to_owned())
    };
    Ok(keys.iter().map(condition).fold(Condition::all(), Condition::add))
}

/// The ids of the articles with the tag that has this key.
fn articles_with(key: &str) -> SelectStatement {
    let select: Select<article_tag::Entity> = article_tag::Entity::find()
        .select_only()
        .column(article_tag::Column::ArticleId)
        .join(JoinType::InnerJoin, article_tag::Relation::Tag.def())
        .filter(tag::Column::Key.eq(key));
    select.into_query()
}
