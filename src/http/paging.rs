//! Pages of lists: cursors, the header `Link` (RFC 8288), totals on request.
//!
//! A cursor names a row by its place in the order, `(key, id)`, together with what defines the list. To clients it is opaque.

use std::fmt::Debug;

use actix_web::{HttpResponseBuilder, http::header};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use sea_orm::Value;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use super::{conditional::EntityTag, validation::Instant};
use crate::{
    choice,
    db::keyset::{Keyset, OrderBy},
};

/// The longest cursor that is decoded, in bytes.
const MAX_CURSOR: usize = 2048;

choice! {
    /// Whether the size of the whole list is counted.
    pub enum Count {
        /// Counted exactly; reads every row of the list.
        Exact = "exact",
    }
}

/// What a list is ordered by: a time or a rank.
pub trait SortKey: Clone {
    /// The key as a cursor carries it.
    type Encoded: Clone + Debug + Serialize + DeserializeOwned;

    /// Encodes it.
    fn encode(&self) -> Self::Encoded;

    /// The value to compare rows with; `None` for one that no row can have.
    fn decode(encoded: &Self::Encoded) -> Option<Value>;
}

/// As microseconds since 1970.
impl SortKey for DateTime<Utc> {
    type Encoded = i64;

    fn encode(&self) -> i64 {
        self.timestamp_micros()
    }

    fn decode(encoded: &i64) -> Option<Value> {
        Instant::from_micros(*encoded).map(|Instant(time)| time.into())
    }
}

/// A rank, such as that of a search result.
impl SortKey for f64 {
    type Encoded = Self;

    fn encode(&self) -> Self {
        *self
    }

    fn decode(encoded: &Self) -> Option<Value> {
        encoded.is_finite().then(|| (*encoded).into())
    }
}

/// On which side of the row that a cursor names a page lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// After it.
    #[serde(rename = "n")]
    Next,
    /// Before it.
    #[serde(rename = "p")]
    Previous,
}

/// A place in a list; `list` is what defines the list: its order and filters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: Serialize + DeserializeOwned")]
pub struct Cursor<L, K: SortKey> {
    /// The list.
    #[serde(rename = "l")]
    pub list: L,
    #[serde(rename = "d")]
    direction: Direction,
    #[serde(rename = "t")]
    key: K::Encoded,
    #[serde(rename = "i")]
    id: i32,
}

impl<L: Serialize + DeserializeOwned, K: SortKey> Cursor<L, K> {
    /// The place of the row with this key and id, and on which side of it the page lies.
    pub fn new(list: L, direction: Direction, key: &K, id: i32) -> Self {
        Self { list, direction, key: key.encode(), id }
    }

    /// The cursor as clients see it.
    pub fn encode(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Decodes a cursor; `None` for any text that is not one.
    pub fn decode(text: &str) -> Option<Self> {
        if text.len() > MAX_CURSOR {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let cursor: Self = serde_json::from_slice(&bytes).ok()?;
        K::decode(&cursor.key).map(|_| cursor)
    }
}

/// A request for one page.
#[derive(Clone, Debug)]
pub struct PageRequest<L, K: SortKey> {
    /// The list.
    pub list: L,
    /// Rows of the page at most.
    pub limit: u64,
    /// Rows to pass over.
    pub skip: u64,
    /// The place to start from; the beginning without one.
    pub cursor: Option<Cursor<L, K>>,
}

impl<L: Clone + Serialize + DeserializeOwned, K: SortKey> PageRequest<L, K> {
    fn is_backward(&self) -> bool {
        self.cursor.as_ref().is_some_and(|cursor| cursor.direction == Direction::Previous)
    }

    /// The place of the page in a list that is `descending` by `key`, then `id`. One row more than the page has is read, to
    /// see whether the list goes on.
    pub fn keyset(&self, key: impl Into<OrderBy>, id: impl Into<OrderBy>, descending: bool) -> Keyset {
        Keyset {
            key: key.into(),
            id: id.into(),
            descending: descending != self.is_backward(),
            after: self.cursor.as_ref().and_then(|cursor| Some((K::decode(&cursor.key)?, cursor.id))),
            skip: self.skip,
            limit: self.limit.saturating_add(1),
        }
    }

    /// Puts the rows that the statement of [`PageRequest::keyset`] read into the order of the list.
    pub fn rows<T>(&self, mut rows: Vec<T>) -> PageRows<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let has_rows = !rows.is_empty();
        if self.is_backward() {
            rows.reverse();
            return PageRows { rows, has_previous: has_more, has_next: has_rows };
        }
        let has_previous = has_rows && (self.cursor.is_some() || self.skip > 0);
        PageRows { rows, has_previous, has_next: has_more && has_rows }
    }

    /// The cursors of the pages next to this one; `place` tells the key and id of a row.
    pub fn neighbours<T>(&self, page: &PageRows<T>, place: impl Fn(&T) -> (K, i32)) -> Neighbours {
        let cursor = |row, direction| {
            let (key, id) = place(row);
            Cursor::new(self.list.clone(), direction, &key, id).encode()
        };
        let previous = page.rows.first().filter(|_| page.has_previous);
        let next = page.rows.last().filter(|_| page.has_next);
        Neighbours {
            previous: previous.map(|row| cursor(row, Direction::Previous)),
            next: next.map(|row| cursor(row, Direction::Next)),
        }
    }
}

/// The rows of a page, in order, and whether the list goes on at either end.
#[derive(Debug)]
pub struct PageRows<T> {
    /// The rows.
    pub rows: Vec<T>,
    has_previous: bool,
    has_next: bool,
}

impl<T> PageRows<T> {
    /// The tag of this page: the ids and versions of its rows, whether pages lie next to it, and the total if it is shown.
    pub fn tag(&self, version: impl Fn(&T) -> (i32, i32), total: Option<u64>) -> EntityTag {
        let mut digest = Sha256::new();
        for (id, version) in self.rows.iter().map(version) {
            digest.update(id.to_le_bytes());
            digest.update(version.to_le_bytes());
        }
        digest.update([u8::from(self.has_previous), u8::from(self.has_next)]);
        digest.update(total.map_or([0xff; 8], u64::to_le_bytes));
        EntityTag::of_page(&digest.finalize())
    }
}

/// The cursors of the pages next to a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbours {
    /// The page before.
    pub previous: Option<String>,
    /// The page after.
    pub next: Option<String>,
}

impl Neighbours {
    /// Writes the header `Link` of a list at `path` whose links keep `parameters`, unless there is no page next to this one.
    pub fn write_link(
        self,
        response: &mut HttpResponseBuilder,
        path: &str,
        parameters: &[(&str, Option<String>)],
    ) {
        let link = |cursor: String, relation: &str| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            for (name, value) in parameters {
                query.extend_pairs(value.iter().map(|value| (*name, value)));
            }
            format!("<{path}?{}>; rel=\"{relation}\"", query.append_pair("cursor", &cursor).finish())
        };
        let links =
            [self.previous.map(|cursor| link(cursor, "prev")), self.next.map(|cursor| link(cursor, "next"))];
        let links: Vec<String> = links.into_iter().flatten().collect();
        if !links.is_empty() {
            response.insert_header((header::LINK, links.join(", ")));
        }
    }
}

/// Writes the size of the whole list into the header `X-Total-Count`, if it was counted.
pub fn write_total(response: &mut HttpResponseBuilder, total: Option<u64>) {
    if let Some(total) = total {
        response.insert_header(("x-total-count", total));
    }
}
