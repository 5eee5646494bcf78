//! Searches the index.

use std::collections::BTreeMap;

use entity::{Visibility, article, search_queue};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbBackend, DbErr, EntityTrait as _, Iterable as _, QueryFilter as _,
    QuerySelect as _, QueryTrait as _, Select, Statement,
    sea_query::{Alias, Expr, ExprTrait as _, Func, Order, Query as Sql, SelectStatement},
};
use tokio::task::yield_now;

use super::{
    highlight::Highlighter,
    query::Query,
    schemas::{Highlight, MAX_SKIP, SearchFilter, SearchResult},
};
use crate::{
    db::{ReadRows, Throttle},
    http::{
        error::{Error, Result},
        validation::{Instant, List},
    },
    publishing::{
        articles::{
            filter::{keys, of_list},
            schemas::{ArticleList, ArticleResponse, AuthorName, Sort},
            service::own_view,
        },
        tags::of_articles::tagged,
    },
};

/// The most articles that are ranked: of those that match, the ones with the highest ids.
const MAX_RANKED: u64 = 5_000;

/// The part of a content in which the words are looked for to show them, in code points.
const SHOWN: i32 = 20_000;

/// The number of articles in the queue above which search says that it is incomplete: fewer are indexed at once.
const MANY: u64 = 200;

/// The weights of content, author, tags and title on PostgreSQL, and of title, tags, author and content on SQLite.
const RANK_ON_POSTGRES: &str = "ts_rank('{0.1, 0.2, 0.4, 1.0}', candidate.document, $1, 1)";
const RANK_ON_SQLITE: &str = "-bm25(article_fts, 10.0, 4.0, 2.0, 1.0)";

/// A query that consists of stop words and exclusions only matches nothing.
const MATCH_ON_POSTGRES: &str = "article_search.document @@ $1 AND querytree($1) NOT IN ('', 'T')";
const MATCH_ON_SQLITE: &str = "article_fts MATCH ?";

const NOT_IN_QUEUE: &str =
    "NOT EXISTS (SELECT 1 FROM search_queue WHERE search_queue.article_id = articles.id)";

/// One page of results.
#[derive(Debug)]
pub struct SearchPage {
    /// The results, best first.
    pub results: Vec<SearchResult>,
    /// The `skip` of the page before, if there is one.
    pub previous: Option<u64>,
    /// The `skip` of the page after, if there is one.
    pub next: Option<u64>,
    /// Whether all articles but a few are indexed.
    pub is_complete: bool,
}

/// Searches the articles that are visible.
///
/// # Errors
/// [`Error::Busy`] if too many searches run or wait.
pub async fn search_articles(
    db: &impl ReadRows,
    throttle: &Throttle,
    visibility: Visibility,
    filter: SearchFilter,
) -> Result<SearchPage> {
    let _admission = throttle.admit().await.ok_or(Error::Busy)?;
    let SearchFilter {
        q: query,
        skip,
        limit,
        author,
        published,
        since,
        until,
        updated_since,
        updated_until,
        drafts,
        tag,
    } = filter;
    let micros = |time: Option<Instant>| time.map(|Instant(time)| time.timestamp_micros());
    let list = ArticleList {
        sort: Sort::NewestFirst,
        author: author.map(AuthorName::into_inner),
        published,
        since: micros(since),
        until: micros(until),
        updated_since: micros(updated_since),
        updated_until: micros(updated_until),
        drafts,
        tags: tag.map(|List(tags)| keys(&tags)).unwrap_or_default(),
    };
    let (skip, limit) = (skip.0, limit.0);
    let backend = db.get_database_backend();
    let visible = of_list(article::Entity::visible_to(visibility), &list);
    let visible = visible.filter(tagged(db, &list.tags).await?).filter(Expr::cust(NOT_IN_QUEUE));
    let mut ranked = match backend {
        DbBackend::Postgres => ranked_on_postgres(visible, &query, &index_language(db).await?),
        _ => ranked_on_sqlite(visible, &query),
    };
    ranked.order_by_expr(Expr::cust("candidate.id"), Order::Desc).limit(limit.saturating_add(1)).offset(skip);
    // The rows that match are few or almost all, which needs different plans.
    let ranked = db.query_planned(backend.build(&ranked)).await?;
    let has_next = u64::try_from(ranked.len()).is_ok_and(|found| found > limit) && limit > 0;
    let ids = ranked.iter().map(|row| row.try_get_by_index(0)).collect::<Result<Vec<i32>, _>>()?;
    let shown = ids.into_iter().take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
    let results = results(db, visibility, shown, &query).await?;
    let waiting = search_queue::Entity::find().offset(MANY).limit(1).one(db).await?;
    let next = Some(skip.saturating_add(limit)).filter(|next| has_next && *next <= MAX_SKIP.into());
    let previous = Some(skip.saturating_sub(limit)).filter(|_| skip > 0);
    Ok(SearchPage { results, previous, next, is_complete: waiting.is_none() })
}

/// The language of the index on PostgreSQL. Another server with another setting may have changed it.
async fn index_language(db: &impl ConnectionTrait) -> Result<String> {
    let sql = "SELECT language FROM search_settings";
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("search_settings is empty".to_owned()))?;
    Ok(row.try_get_by_index(0)?)
}

/// The ids of the articles that match, best first.
fn ranked_on_postgres(visible: Select<article::Entity>, query: &Query, language: &str) -> SelectStatement {
    // A literal: with a language from a table, the planner would not know the words, nor how many articles have them.
    let language = || Expr::Constant(language.into()).cast_as("regconfig");
    let tsquery = |text: String| Expr::from(Func::cust("to_tsquery").arg(language()).arg(text));
    let mut candidates = candidates(visible);
    candidates
        .expr(Expr::cust("article_search.document"))
        .inner_join(Alias::new("article_search"), Expr::cust("article_search.article_id = articles.id"))
        .order_by_expr(article::Column::Id.into_expr(), Order::Desc)
        .and_where(Expr::cust_with_exprs(MATCH_ON_POSTGRES, [tsquery(query.tsquery())]));
    let ranks = query.tsquery_groups().into_iter();
    let ranks = ranks.map(|group| Expr::cust_with_exprs(RANK_ON_POSTGRES, [tsquery(group)]));
    let rank = ranks.reduce(Expr::add).unwrap_or_else(|| Expr::val(0));
    Sql::select()
        .expr(Expr::cust("candidate.id"))
        .from_subquery(candidates, "candidate")
        .order_by_expr(rank, Order::Desc)
        .to_owned()
}

/// The ids of the articles that match, best first.
fn ranked_on_sqlite(visible: Select<article::Entity>, query: &Query) -> SelectStatement {
    let mut candidates = candidates(visible);
    candidates
        .inner_join(Alias::new("article_fts"), Expr::cust("article_fts.rowid = articles.id"))
        // FTS5 returns this order itself, so that only those within the limit are ranked.
        .order_by_expr(Expr::cust("article_fts.rowid"), Order::Desc)
        .and_where(Expr::cust_with_values(MATCH_ON_SQLITE, [query.fts5()]))
        .expr_as(Expr::cust(RANK_ON_SQLITE), "score");
    Sql::select()
        .expr(Expr::cust("candidate.id"))
        .from_subquery(candidates, "candidate")
        .order_by_expr(Expr::cust("candidate.score"), Order::Desc)
        .to_owned()
}

/// Those that are ranked.
fn candidates(visible: Select<article::Entity>) -> SelectStatement {
    visible.select_only().column(article::Column::Id).into_query().limit(MAX_RANKED).to_owned()
}

/// These articles as results, in this order. One that is not visible any more is left out.
async fn results(
    db: &impl ConnectionTrait,
    visibility: Visibility,
    ids: Vec<i32>,
    query: &Query,
) -> Result<Vec<SearchResult>> {
    let is_content = |column: &article::Column| matches!(column, article::Column::Content);
    let content =
        Func::cust("substr").args([article::Column::Content.into_expr(), Expr::val(1), Expr::val(SHOWN)]);
    let rows = article::Entity::visible_to(visibility)
        .filter(article::Column::Id.is_in(ids.iter().copied()))
        .select_only()
        .columns(article::Column::iter().filter(|column| !is_content(column)))
        .expr_as(content, "content")
        .into_model::<article::Model>()
        .all(db)
        .await?;
    let mut rows: BTreeMap<i32, article::Model> = rows.into_iter().map(|row| (row.id, row)).collect();
    let highlighter = Highlighter::new(query);
    let mut results = Vec::with_capacity(ids.len());
    for article in ids.iter().filter_map(|id| rows.remove(id)) {
        let highlight = Highlight {
            title: highlighter.title(&article.title),
            snippet: highlighter.snippet(&article.content),
        };
        results.push(result(article, highlight));
        // Other requests of the worker get their turn.
        yield_now().await;
    }
    Ok(results)
}

fn result(article: article::Model, highlight: Highlight) -> SearchResult {
    let ArticleResponse {
        title,
        published,
        id,
        author_id,
        created_at,
        updated_at,
        slug,
        format,
        published_at,
        scheduled_at,
        ..
    } = own_view(article);
    SearchResult {
        title,
        published,
        id,
        author_id,
        created_at,
        updated_at,
        slug,
        format,
        published_at,
        scheduled_at,
        highlight,
    }
}
