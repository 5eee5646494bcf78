//! Pages of lists that are ordered by id, the newest row first.
//!
//! A cursor contains the id of a row, and the name and the filters of its list. It is opaque to clients.

use std::fmt::Debug;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sea_orm::{
    EntityTrait, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
    entity::prelude::ColumnTrait as _,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

use super::{
    error::Result,
    paging::{Direction, Neighbours},
    validation::{Field, FieldErrors, Input, InvalidValue, Limits, PageSize},
};

/// The longest cursor that is decoded, in bytes.
const MAX_CURSOR: usize = 2048;

/// The maximum number of rows of a page, also where `MAX_PAGE_SIZE` allows more.
const MAX_ROWS: u64 = 1000;

/// What defines a list: its filters. A cursor contains it.
pub trait IdList: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned {
    /// The name of the list, so that a cursor fits no other list.
    const NAME: &'static str;

    /// The parameters of its filters, for the error of a cursor that contradicts them.
    const FILTERS: &'static str;

    /// Whether a query could ask for this list: a forged cursor must not reach further than a query.
    fn is_valid(&self, limits: &Limits) -> bool;
}

/// A position in a list, as it was sent and decoded.
#[derive(Clone, Debug)]
pub struct IdCursor<L> {
    text: String,
    position: Position<L>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position<L> {
    #[serde(rename = "n")]
    name: String,
    #[serde(rename = "l")]
    list: L,
    #[serde(rename = "d")]
    direction: Direction,
    #[serde(rename = "i")]
    id: i64,
}

impl<L: IdList> Position<L> {
    fn decode(text: &str) -> Option<Self> {
        let text = Some(text).filter(|text| text.len() <= MAX_CURSOR)?;
        let position: Self = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        Some(position).filter(|position| position.name == L::NAME)
    }

    fn encode(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

impl<L: IdList> Field for IdCursor<L> {
    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue> {
        let text = input.text().unwrap_or_default();
        let position = Position::<L>::decode(text).filter(|position| position.list.is_valid(limits));
        let position = position.ok_or_else(|| InvalidValue::rejected("not a cursor of this list"))?;
        Ok(Self { text: text.to_owned(), position })
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9_-]+$")).into()
    }
}

/// A request for one page.
#[derive(Clone, Debug)]
pub struct IdPage<L> {
    /// The list.
    pub list: L,
    limit: u64,
    /// The row that the page lies after or before.
    from: Option<(Direction, i64)>,
}

impl<L: IdList> IdPage<L> {
    /// The first page of a list with these filters, or the page of a cursor.
    ///
    /// # Errors
    /// 422 if both have filters, and they differ.
    pub fn new(list: L, limit: PageSize, cursor: Option<IdCursor<L>>) -> Result<Self> {
        let limit = Ord::min(limit.0, MAX_ROWS);
        let Some(IdCursor { text, position }) = cursor else { return Ok(Self { list, limit, from: None }) };
        if list != L::default() && list != position.list {
            let invalid = InvalidValue::rejected(format!("cursor contradicts {}", L::FILTERS));
            return Err(FieldErrors::one(invalid, &["query", "cursor"], json!(text)).into());
        }
        Ok(Self { list: position.list, limit, from: Some((position.direction, position.id)) })
    }

    /// The first page with as many rows as possible.
    pub fn first(list: L) -> Self {
        Self { list, limit: MAX_ROWS, from: None }
    }

    /// The page after the row with this id.
    #[must_use]
    pub fn after(self, id: i64) -> Self {
        Self { from: Some((Direction::Next, id)), ..self }
    }

    /// The rows of this page, and one more to determine whether there is a further page.
    pub fn select<E: EntityTrait>(&self, rows: Select<E>, id: E::Column) -> Select<E> {
        let rows = match self.from {
            None => rows,
            Some((Direction::Next, from)) => rows.filter(id.lt(from)),
            Some((Direction::Previous, from)) => rows.filter(id.gt(from)),
        };
        let rows = if self.is_backward() { rows.order_by_asc(id) } else { rows.order_by_desc(id) };
        rows.limit(self.limit.saturating_add(1))
    }

    /// Builds the page from the rows that the statement of [`IdPage::select`] returned.
    pub fn rows<T>(&self, mut rows: Vec<T>, id: impl Fn(&T) -> i64) -> (Vec<T>, Neighbours) {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let (has_previous, has_next) =
            if self.is_backward() { (has_more, true) } else { (self.from.is_some(), has_more) };
        if self.is_backward() {
            rows.reverse();
        }
        let cursor = |row: &T, direction| {
            let (name, list) = (L::NAME.to_owned(), self.list.clone());
            Position { name, list, direction, id: id(row) }.encode()
        };
        let previous = rows.first().filter(|_| has_previous).map(|row| cursor(row, Direction::Previous));
        let next = rows.last().filter(|_| has_next).map(|row| cursor(row, Direction::Next));
        (rows, Neighbours { previous, next })
    }

    fn is_backward(&self) -> bool {
        matches!(self.from, Some((Direction::Previous, _)))
    }
}
