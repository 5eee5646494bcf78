//! Lists of articles: what a page must hold, the statement that reads it, and its state.

use std::ops::ControlFlow;

use chrono::{DateTime, Utc};
use entity::{StoredTime, Visibility, article};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, FromQueryResult, PaginatorTrait as _,
    QueryFilter as _, QueryResult, QuerySelect as _, QueryTrait as _, Select, Value,
    sea_query::{Alias, Expr, ExprTrait as _, Func, Query, SelectStatement},
};
use serde_json::json;

use super::{
    content::{add_to_page, unrendered},
    editor::state,
    filter::{keys, narrow, of_list},
    related::Related,
    rows::{FULL_ROW, RowVersion, full_row},
    schemas::{ArticleFilter, ArticleList, AuthorName, ListCursor, Sort},
    service::own_view,
};
use crate::{
    db::{Admission, ReadRows, keyset::Keyset},
    http::{
        conditional::{Conditional, Conditions, RowState},
        error::Result,
        page_bounds::{ALWAYS_SERVED, MAX_CHEAP_BYTES, MAX_CHEAP_ROWS, PageBounds},
        page_json::PageJson,
        paging::{Count, Neighbours, PageRequest},
        validation::{FieldErrors, Instant, InvalidValue, List},
    },
    publishing::{
        expansions::{Expand, Expansions},
        rendering::{Renderer, Unrendered},
        tags::of_articles::tagged,
    },
};

/// One page.
#[derive(Debug)]
pub struct ArticlePage {
    /// The articles, in order.
    pub articles: PageJson,
    /// The pages next to it.
    pub neighbours: Neighbours,
    /// The size of the whole list, if it was asked for.
    pub total: Option<u64>,
}

/// A request for a page.
#[derive(Debug)]
struct Request {
    page: PageRequest<ArticleList, DateTime<Utc>>,
    count: Option<Count>,
    expand: Expansions,
    /// The tags of the list.
    tagged: Condition,
}

/// The values of an article that the page needs after its JSON is written.
#[derive(Debug)]
struct Written {
    id: i32,
    state: RowState,
    author_id: i32,
    key: DateTime<Utc>,
    content: Option<Unrendered>,
}

/// The bytes of an article in a page in addition to its title and its content.
const ROW_SIZE: usize = 400;

/// Reads one page.
///
/// # Errors
/// 422 for a cursor together with a `skip` above 0, or with an order or filters that are not those of its
/// list, and for a page of too many bytes; 503 for an expensive page while others are read, and
/// for a large one while others occupy the memory.
pub async fn list_articles(
    db: &impl ReadRows,
    bounds: &PageBounds,
    renderer: &Renderer,
    visibility: Visibility,
    filter: ArticleFilter,
    conditions: &Conditions,
) -> Result<Conditional<ArticlePage>> {
    let mut request = Request::new(filter)?;
    request.tagged = tagged(db, &request.page.list.tags).await?;
    let _admission = if request.is_expensive() { Some(bounds.admit_expensive().await?) } else { None };
    let bytes = request.check_bytes(db, visibility, bounds.max_bytes).await?;
    let total = match request.count {
        None => None,
        Some(Count::Exact) => Some(request.whole_list(visibility).count(db).await?),
    };
    // The versions of a larger page could occupy much memory, which only its rows reserve.
    if conditions.if_none_match.is_some() && request.page.limit <= MAX_CHEAP_ROWS {
        let versions = request.statement(visibility, &request.version_columns());
        let page = request.page.rows(fetch::<RowVersion>(db, &versions).await?);
        let ids: Vec<_> = page.rows.iter().map(|row| (row.id, row.author_id)).collect();
        let related = Related::load(db, &request.expand, &ids).await?;
        let tag = related.tag(page.tag(|row| (row.id, row.state()), total));
        if conditions.is_current(&tag) {
            return Ok(Conditional::NotModified(tag));
        }
    }
    let (mut articles, rows) = request.read_page(db, renderer, bounds, visibility, bytes).await?;
    let mut page = request.page.rows(rows);
    let ids: Vec<_> = page.rows.iter().map(|row| (row.id, row.author_id)).collect();
    let related = Related::load(db, &request.expand, &ids).await?;
    articles.add_member("author", page.rows.iter().map(|row| related.author(row.author_id)))?;
    articles.add_member("tags", page.rows.iter().map(|row| related.tags(row.id)))?;
    let tag = related.tag(page.tag(|row| (row.id, row.state), total));
    if conditions.is_current(&tag) {
        return Ok(Conditional::NotModified(tag));
    }
    let contents = page.rows.iter_mut().map(|row| row.content.take());
    add_to_page(&mut articles, renderer, &request.expand, contents).await?;
    let neighbours = request.page.neighbours(&page, |row| (row.key, row.id));
    Ok(Conditional::Modified(ArticlePage { articles, neighbours, total }, tag))
}

/// Whether a parameter of the query contradicts the list of its cursor.
fn contradicts<T: PartialEq>(parameter: Option<T>, own: Option<T>) -> bool {
    parameter.is_some_and(|value| own.is_none_or(|own| own != value))
}

async fn fetch<T: FromQueryResult>(db: &impl ConnectionTrait, statement: &SelectStatement) -> Result<Vec<T>> {
    let statement = db.get_database_backend().build(statement);
    Ok(T::find_by_statement(statement).all(db).await?)
}

impl Request {
    fn new(filter: ArticleFilter) -> Result<Self> {
        let ArticleFilter {
            skip,
            limit,
            cursor,
            sort,
            author,
            published,
            since,
            until,
            updated_since,
            updated_until,
            drafts,
            tag,
            count,
            expand,
        } = filter;
        let tags = tag.map(|List(tags)| keys(&tags));
        let micros = |time: Option<Instant>| time.map(|Instant(time)| time.timestamp_micros());
        let wanted = ArticleList {
            sort: sort.unwrap_or(Sort::NewestFirst),
            author: author.map(AuthorName::into_inner),
            published,
            since: micros(since),
            until: micros(until),
            updated_since: micros(updated_since),
            updated_until: micros(updated_until),
            drafts,
            tags: tags.clone().unwrap_or_default(),
        };
        let (list, cursor) = match cursor {
            None => (wanted, None),
            Some(ListCursor { text, cursor }) => {
                let own = &cursor.list;
                let contradictions = [
                    ("skip", skip.0 > 0),
                    ("sort", sort.is_some_and(|sort| sort != own.sort)),
                    ("author", contradicts(wanted.author.as_ref(), own.author.as_ref())),
                    ("published", contradicts(wanted.published, own.published)),
                    ("since", contradicts(wanted.since, own.since)),
                    ("until", contradicts(wanted.until, own.until)),
                    ("updated_since", contradicts(wanted.updated_since, own.updated_since)),
                    ("updated_until", contradicts(wanted.updated_until, own.updated_until)),
                    ("drafts", contradicts(wanted.drafts, own.drafts)),
                    ("tag", tags.is_some_and(|tags| tags != own.tags)),
                ];
                let names: Vec<&str> =
                    contradictions.into_iter().filter(|(_, found)| *found).map(|(name, _)| name).collect();
                if !names.is_empty() {
                    let invalid = ListCursor::contradicted(&names);
                    return Err(FieldErrors::one(invalid, &["query", "cursor"], json!(text)).into());
                }
                (cursor.list.clone(), Some(cursor))
            }
        };
        let page = PageRequest { list, limit: limit.0, skip: skip.0, cursor };
        Ok(Self { page, count, expand: expand.unwrap_or_default(), tagged: Condition::all() })
    }

    fn key_column(&self) -> article::Column {
        match self.page.list.sort {
            Sort::NewestFirst | Sort::OldestFirst => article::Column::CreatedAt,
            Sort::RecentlyUpdatedFirst | Sort::LeastRecentlyUpdatedFirst => article::Column::UpdatedAt,
            Sort::RecentlyPublishedFirst | Sort::LeastRecentlyPublishedFirst => article::Column::PublishedAt,
        }
    }

    fn key(&self, row: &article::Model) -> DateTime<Utc> {
        match self.page.list.sort {
            Sort::NewestFirst | Sort::OldestFirst => row.created_at.get(),
            Sort::RecentlyUpdatedFirst | Sort::LeastRecentlyUpdatedFirst => row.updated_at.get(),
            Sort::RecentlyPublishedFirst | Sort::LeastRecentlyPublishedFirst => {
                row.published_at.unwrap_or(StoredTime::MIN).get()
            }
        }
    }

    fn whole_list(&self, visibility: Visibility) -> Select<article::Entity> {
        self.narrow(of_list(article::Entity::visible_to(visibility), &self.page.list))
    }

    fn sorts_by_publication(&self) -> bool {
        matches!(self.key_column(), article::Column::PublishedAt)
    }

    /// Leaves out what does not have the tags of the list, and what has no place in its order.
    fn narrow(&self, select: Select<article::Entity>) -> Select<article::Entity> {
        let has_key = self.sorts_by_publication().then(|| article::Column::PublishedAt.is_not_null());
        select.filter(self.tagged.clone().add_option(has_key))
    }

    /// Whether the page may read many rows that it does not show: those before it, the whole list, or those
    /// that a filter on the time which is not the key leaves out. Or it shows many.
    fn is_expensive(&self) -> bool {
        let list = &self.page.list;
        let (created, updated) = (list.since.or(list.until), list.updated_since.or(list.updated_until));
        let other_time = match self.key_column() {
            article::Column::CreatedAt => updated,
            article::Column::UpdatedAt => created,
            _ => created.or(updated),
        };
        let rows = Ord::max(self.page.skip, self.page.limit);
        self.count.is_some() || other_time.is_some() || rows > MAX_CHEAP_ROWS
    }

    /// Reads the page, which has at least `bytes`. If it turns out to be large while another large page is read, it
    /// is read again when it is admitted: no connection and no memory is held while it waits.
    async fn read_page(
        &self,
        db: &impl ReadRows,
        renderer: &Renderer,
        bounds: &PageBounds,
        visibility: Visibility,
        bytes: u64,
    ) -> Result<(PageJson, Vec<Written>)> {
        let mut admission = if bytes > MAX_CHEAP_BYTES { Some(bounds.admit_large().await?) } else { None };
        loop {
            let mut page = PageJson::new(bounds.memory.clone());
            page.reserve(bytes)?;
            let written = self.write_rows(db, renderer, bounds, visibility, &mut page, &mut admission);
            if let Some(rows) = written.await? {
                return Ok((page, rows));
            }
            drop(page);
            admission = Some(bounds.admit_large().await?);
        }
    }

    /// Reads the rows of this page and writes each into `page` as it arrives, in the order of the list. The
    /// result has all rows that were read, in the order in which they were read; `None` if the page is large and
    /// was not admitted.
    async fn write_rows(
        &self,
        db: &impl ReadRows,
        renderer: &Renderer,
        bounds: &PageBounds,
        visibility: Visibility,
        page: &mut PageJson,
        admission: &mut Option<Admission>,
    ) -> Result<Option<Vec<Written>>> {
        let statement = db.get_database_backend().build(&self.statement(visibility, &FULL_ROW));
        let limit = usize::try_from(self.page.limit).unwrap_or(usize::MAX);
        let mut rows = Vec::new();
        let mut write = |row: &QueryResult| -> Result<bool> {
            let article = full_row(row)?;
            let (id, state) = (article.id, state(&article));
            let is_shown = rows.len() < limit;
            let content = (is_shown && self.expand.shows_content()).then(|| unrendered(renderer, &article));
            page.hold(content.as_ref().map_or(0, Unrendered::size))?;
            rows.push(Written { id, state, author_id: article.author_id, key: self.key(&article), content });
            if !is_shown {
                return Ok(true);
            }
            let usual = article.title.len().saturating_add(article.content.len()).saturating_add(ROW_SIZE);
            page.push(&own_view(article), usual)?;
            if page.bytes() > MAX_CHEAP_BYTES && admission.is_none() {
                *admission = bounds.try_admit_large();
                return Ok(admission.is_some());
            }
            Ok(true)
        };
        let mut outcome = Ok(true);
        let mut each = |row: QueryResult| {
            outcome = write(&row);
            if matches!(outcome, Ok(true)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        db.read_rows(statement, &mut each).await?;
        if !outcome? {
            return Ok(None);
        }
        if self.page.is_backward() {
            page.reverse();
        }
        Ok(Some(rows))
    }

    /// The statement for the rows of this page, with these columns; the key column must be among them.
    fn statement(&self, visibility: Visibility, columns: &[article::Column]) -> SelectStatement {
        let part = |part: Select<article::Entity>| part.columns(columns.iter().copied());
        self.keyset().statement(self.parts(visibility, part))
    }

    /// The disjoint parts of the list, with the columns that `select` adds.
    fn parts(
        &self,
        visibility: Visibility,
        select: impl Fn(Select<article::Entity>) -> Select<article::Entity>,
    ) -> Vec<SelectStatement> {
        let states = match self.page.list.published {
            // Each state has an index of its own for this order.
            None if self.sorts_by_publication() && visibility != Visibility::Published => {
                &[Some(true), Some(false)][..]
            }
            published => &[published],
        };
        states
            .iter()
            .flat_map(|published| article::Entity::visible_parts(visibility, *published))
            .map(|part| select(self.narrow(narrow(part, &self.page.list)).select_only()).into_query())
            .collect()
    }

    fn keyset(&self) -> Keyset {
        let descending = matches!(
            self.page.list.sort,
            Sort::NewestFirst | Sort::RecentlyUpdatedFirst | Sort::RecentlyPublishedFirst
        );
        let mut keyset = self.page.keyset(self.key_column(), article::Column::Id, descending);
        keyset.exact_key = keyset.after.as_ref().and_then(|(key, id)| self.exact_key(key, *id));
        keyset
    }

    /// The size of a page that can be large, if it has at most `max` bytes; 0 for other pages, which are
    /// always served.
    async fn check_bytes(
        &self,
        db: &impl ConnectionTrait,
        visibility: Visibility,
        max: Option<u64>,
    ) -> Result<u64> {
        let Some(max) = max.filter(|_| self.page.limit > ALWAYS_SERVED) else { return Ok(0) };
        let bytes = self.bytes(db, visibility, max).await?;
        if bytes > max {
            let invalid = InvalidValue::rejected(format!("the page has more than {max} bytes"));
            let limit = json!(self.page.limit.to_string());
            return Err(FieldErrors::one(invalid, &["query", "limit"], limit).into());
        }
        Ok(bytes)
    }

    /// The size of the page: the text of its articles, as often as it is shown, and [`ROW_SIZE`] for each. The texts are not loaded. No
    /// more rows are counted than a page of `max` bytes can have.
    async fn bytes(&self, db: &impl ConnectionTrait, visibility: Visibility, max: u64) -> Result<u64> {
        let row_size = i64::try_from(ROW_SIZE).unwrap_or(i64::MAX);
        let length = |column: article::Column| Expr::expr(Func::cust("octet_length").arg(column.into_expr()));
        let contents = if self.expand.contains(Expand::Html) { 2 } else { 1 };
        let content = length(article::Column::Content).mul(contents);
        let size = length(article::Column::Title).add(content).add(row_size);
        let parts = self.parts(visibility, |part| {
            let position = part.columns([self.key_column(), article::Column::Id]);
            position.column_as(size.clone(), "size")
        });
        let enough = max.div_euclid(row_size.unsigned_abs()).saturating_add(1);
        let keyset = Keyset { limit: Ord::min(self.page.limit, enough), ..self.keyset() };
        let sum = Query::select()
            .expr(Expr::cust("CAST(sum(size) AS bigint)"))
            .from_subquery(keyset.statement(parts), Alias::new("page"))
            .to_owned();
        let sum = db.query_one_raw(db.get_database_backend().build(&sum)).await?;
        let bytes = sum.map(|row| row.try_get_by_index::<Option<i64>>(0)).transpose()?.flatten();
        Ok(bytes.unwrap_or_default().unsigned_abs())
    }

    /// The key of the row of the cursor, read from the database if the cursor may have been made from a time
    /// outside the range of [`StoredTime`]. If the row is gone, the key in the cursor.
    fn exact_key(&self, key: &Value, id: i32) -> Option<Expr> {
        let is_bound = [StoredTime::MIN, StoredTime::MAX].map(Value::from).contains(key);
        let row = article::Entity::find_by_id(id).select_only().column(self.key_column()).into_query();
        let stored = Expr::SubQuery(None, Box::new(row.into()));
        is_bound.then(|| Func::coalesce([stored, Expr::val(key.clone())]).into())
    }

    fn version_columns(&self) -> [article::Column; 5] {
        use article::Column::{AuthorId, Id, StateId, Version};
        [Id, Version, StateId, AuthorId, self.key_column()]
    }
}
