//! One page of the list: what is asked for, the statement that answers it, and the places next to it.

use chrono::{DateTime, Utc};
use entity::{
    article::{self, Sight},
    user,
};
use sea_orm::{
    ColumnTrait as _, Condition, DbErr, EntityTrait as _, FromQueryResult, IdenStatic as _, Order,
    QueryFilter as _, QueryOrder as _, QueryResult, QuerySelect as _, QueryTrait as _, Select,
    sea_query::{Alias, Asterisk, Expr, ExprTrait as _, Query, SelectStatement, UnionType},
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::schemas::{ArticleFilter, Count, Expand, List, ListCursor, Sort};
use crate::http::{
    conditional::Tag,
    error::Result,
    paging::{Cursor, Direction},
    validation::FieldErrors,
};

/// A page that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) list: List,
    pub(super) limit: u64,
    pub(super) count: Option<Count>,
    pub(super) expand: Option<Expand>,
    skip: u64,
    cursor: Option<Cursor<List>>,
}

/// What tells the state of one article of a page.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub(super) struct Mark {
    id: i32,
    version: i32,
    pub(super) author_id: i32,
}

/// A row with the columns of [`Page::whole`], read by their places: finding each by its name in every row is what a list spends
/// most on beside the database.
#[derive(Debug)]
pub(super) struct Whole(pub(super) article::Model);

impl FromQueryResult for Whole {
    fn from_query_result(row: &QueryResult, _prefix: &str) -> std::result::Result<Self, DbErr> {
        Ok(Self(article::Model {
            id: row.try_get_by_index(0)?,
            title: row.try_get_by_index(1)?,
            content: row.try_get_by_index(2)?,
            published: row.try_get_by_index(3)?,
            author_id: row.try_get_by_index(4)?,
            created_at: row.try_get_by_index(5)?,
            updated_at: row.try_get_by_index(6)?,
            version: row.try_get_by_index(7)?,
        }))
    }
}

impl From<&article::Model> for Mark {
    fn from(article: &article::Model) -> Self {
        Self { id: article.id, version: article.version, author_id: article.author_id }
    }
}

/// A page that was read: its rows, in order, and whether there are more on either side.
#[derive(Debug)]
pub(super) struct Read<T> {
    pub(super) rows: Vec<T>,
    before: bool,
    behind: bool,
}

impl Page {
    /// Completes what was asked for.
    ///
    /// # Errors
    /// 422 for a cursor together with `skip`, or with an order or filters that are not its own.
    pub(super) fn plan(filter: ArticleFilter) -> Result<Self> {
        let wanted = List {
            sort: filter.sort.unwrap_or(Sort::NewestFirst),
            author: filter.author.map(super::schemas::AuthorName::into_inner),
            published: filter.published,
            since: filter.since.map(|since| since.0.timestamp_micros()),
            until: filter.until.map(|until| until.0.timestamp_micros()),
        };
        let (list, cursor) = match filter.cursor {
            None => (wanted, None),
            Some(ListCursor { text, cursor }) => {
                let own = &cursor.list;
                let fits = filter.skip.is_none()
                    && (filter.sort.is_none() || wanted.sort == own.sort)
                    && (wanted.author.is_none() || wanted.author == own.author)
                    && (wanted.published.is_none() || wanted.published == own.published)
                    && (wanted.since.is_none() || wanted.since == own.since)
                    && (wanted.until.is_none() || wanted.until == own.until);
                if !fits {
                    return Err(
                        FieldErrors::one(ListCursor::invalid(), &["query", "cursor"], json!(text)).into()
                    );
                }
                (cursor.list.clone(), Some(cursor))
            }
        };
        let skip = filter.skip.unwrap_or_default().0;
        let (limit, count, expand) = (filter.limit.0, filter.count, filter.expand);
        Ok(Self { list, limit, count, expand, skip, cursor })
    }

    fn order(&self) -> article::Column {
        match self.list.sort {
            Sort::NewestFirst | Sort::OldestFirst => article::Column::CreatedAt,
            Sort::LatestFirst | Sort::LongestAgoFirst => article::Column::UpdatedAt,
        }
    }

    fn backwards(&self) -> bool {
        self.cursor.as_ref().is_some_and(|cursor| cursor.direction == Direction::Previous)
    }

    /// The whole list.
    pub(super) fn whole_list(&self, sight: Sight) -> Select<article::Entity> {
        let published = self.list.published.map(|published| article::Column::Published.eq(published));
        self.narrow(article::Entity::visible_to(sight)).filter(Condition::all().add_option(published))
    }

    /// The list's filters, but for `published`.
    fn narrow(&self, select: Select<article::Entity>) -> Select<article::Entity> {
        use article::Column::{AuthorId, CreatedAt};

        let moment = |micros| DateTime::<Utc>::from_timestamp_micros(micros).unwrap_or_default();
        let author = self.list.author.as_ref().map(|name| {
            let id = user::Entity::find().select_only().column(user::Column::Id);
            let id = id.filter(user::Column::Username.eq(name)).into_query();
            AuthorId.into_expr().eq(Expr::SubQuery(None, Box::new(id.into())))
        });
        let conditions = [
            author,
            self.list.since.map(|since| CreatedAt.gte(moment(since))),
            self.list.until.map(|until| CreatedAt.lt(moment(until))),
        ];
        select.filter(conditions.into_iter().flatten().fold(Condition::all(), Condition::add))
    }

    /// The statement for this page's rows and one more, with these columns.
    pub(super) fn statement(&self, sight: Sight, columns: &[article::Column]) -> SelectStatement {
        let (order, id) = (self.order(), article::Column::Id);
        let descending = matches!(self.list.sort, Sort::NewestFirst | Sort::LatestFirst) != self.backwards();
        let direction = || if descending { Order::Desc } else { Order::Asc };
        let rows = bounded(self.limit.saturating_add(1));

        let mut parts: Vec<SelectStatement> = article::Entity::visible_parts(sight, self.list.published)
            .into_iter()
            .map(|part| {
                let part = self.narrow(part).select_only().columns(columns.iter().copied());
                let part = match &self.cursor {
                    None => part,
                    Some(cursor) => {
                        let place = Expr::tuple([order.into_expr(), id.into_expr()]);
                        let named = Expr::tuple([Expr::val(cursor.at()), Expr::val(cursor.id)]);
                        part.filter(if descending { place.lt(named) } else { place.gt(named) })
                    }
                };
                part.order_by(order, direction()).order_by(id, direction()).into_query()
            })
            .collect();
        if let [only] = parts.as_mut_slice() {
            return only.limit(rows).offset(self.skip).to_owned();
        }
        // Each part is read in its index's order, no further than this page reaches, then they are merged.
        let reach = bounded(rows.saturating_add(self.skip));
        let mut merged = parts.into_iter().enumerate().map(|(at, mut part)| {
            let part = part.limit(reach).to_owned();
            Query::select().column(Asterisk).from_subquery(part, Alias::new(format!("part{at}"))).to_owned()
        });
        let mut statement = merged.next().unwrap_or_default();
        for part in merged {
            statement.union(UnionType::All, part);
        }
        let named = |column: article::Column| Expr::col(Alias::new(column.as_str()));
        statement
            .order_by_expr(named(order), direction())
            .order_by_expr(named(id), direction())
            .limit(rows)
            .offset(self.skip)
            .to_owned()
    }

    /// The columns of a whole article.
    pub(super) fn whole() -> [article::Column; 8] {
        use article::Column::{AuthorId, Content, CreatedAt, Id, Published, Title, UpdatedAt, Version};
        [Id, Title, Content, Published, AuthorId, CreatedAt, UpdatedAt, Version]
    }

    /// The columns that tell this page's state, its order among them.
    pub(super) fn marks(&self) -> [article::Column; 4] {
        [article::Column::Id, article::Column::Version, article::Column::AuthorId, self.order()]
    }

    /// Puts the rows that the statement found in order, without the one more.
    pub(super) fn read<T>(&self, mut rows: Vec<T>) -> Read<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let came_from = !rows.is_empty();
        if self.backwards() {
            rows.reverse();
            return Read { rows, before: more, behind: came_from };
        }
        let before = came_from && (self.cursor.is_some() || self.skip > 0);
        Read { rows, before, behind: more && came_from }
    }

    /// The cursors of the pages before and behind.
    pub(super) fn neighbours(&self, read: &Read<article::Model>) -> (Option<String>, Option<String>) {
        let at = |row: &article::Model, direction| {
            let time = match self.order() {
                article::Column::UpdatedAt => row.updated_at,
                _ => row.created_at,
            };
            Cursor::new(self.list.clone(), direction, time, row.id).encode()
        };
        let previous = read.rows.first().filter(|_| read.before).map(|row| at(row, Direction::Previous));
        let next = read.rows.last().filter(|_| read.behind).map(|row| at(row, Direction::Next));
        (previous, next)
    }
}

/// The most rows that both databases count.
fn bounded(rows: u64) -> u64 {
    Ord::min(rows, i64::MAX.unsigned_abs())
}

impl<T> Read<T> {
    /// The tag of this page: what it shows, in which versions, what lies beside it, and the total where it is told.
    pub(super) fn tag(&self, mark: impl Fn(&T) -> Mark, total: Option<u64>) -> Tag {
        let mut digest = Sha256::new();
        for Mark { id, version, .. } in self.rows.iter().map(mark) {
            digest.update(id.to_le_bytes());
            digest.update(version.to_le_bytes());
        }
        digest.update([u8::from(self.before), u8::from(self.behind)]);
        digest.update(total.map_or([0xff; 8], u64::to_le_bytes));
        Tag::of_page(&digest.finalize())
    }
}
