//! Pages of lists: cursors, the header `Link` (RFC 8288), and totals on request.
//!
//! A cursor contains the position of a row, `(key, id)`, and the order and filters of the list. It is opaque
//! to clients.

use std::fmt::Debug;

use actix_web::{HttpResponseBuilder, http::header};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use sea_orm::Value;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use super::{
    conditional::{EntityTag, RowState},
    validation::Instant,
};
use crate::{
    choice,
    db::keyset::{Keyset, OrderBy},
};

/// The longest cursor that is decoded, in bytes. A cursor contains the names in the filters of its list.
const MAX_CURSOR: usize = 8192;

choice! {
    /// How the rows of the whole list are counted.
    pub enum Count {
        /// Exactly. Reads every row of the list.
        Exact = "exact",
    }
}

/// The sort key of a list: a time or a rank.
pub trait SortKey: Clone {
    /// The form of the key in a cursor.
    type Encoded: Clone + Debug + Serialize + DeserializeOwned;

    /// Encodes the key for a cursor.
    fn encode(&self) -> Self::Encoded;

    /// Decodes the value to compare rows with; `None` if no row can have it.
    fn decode(encoded: &Self::Encoded) -> Option<Value>;
}

/// Encoded as microseconds since 1970.
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

/// A name. PostgreSQL cannot compare it with U+0000.
impl SortKey for String {
    type Encoded = Self;

    fn encode(&self) -> Self {
        self.clone()
    }

    fn decode(encoded: &Self) -> Option<Value> {
        (!encoded.contains('\0')).then(|| encoded.as_str().into())
    }
}

/// Whether a page lies after or before the row of its cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// After the row.
    #[serde(rename = "n")]
    Next,
    /// Before the row.
    #[serde(rename = "p")]
    Previous,
}

/// A position in a list. `list` contains the order and the filters of the list.
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
    /// A cursor for the page after or before the row with this key and id.
    pub fn new(list: L, direction: Direction, key: &K, id: i32) -> Self {
        Self { list, direction, key: key.encode(), id }
    }

    /// Encodes the cursor for clients.
    pub fn encode(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Decodes a cursor; `None` if the text is not a valid cursor.
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
    /// Maximum number of rows of the page.
    pub limit: u64,
    /// Number of rows to skip.
    pub skip: u64,
    /// The position to start from; without a cursor, the start of the list.
    pub cursor: Option<Cursor<L, K>>,
}

impl<L: Clone + Serialize + DeserializeOwned, K: SortKey> PageRequest<L, K> {
    /// Whether rows are read in the opposite order, from the row of the cursor backwards.
    pub fn is_backward(&self) -> bool {
        self.cursor.as_ref().is_some_and(|cursor| cursor.direction == Direction::Previous)
    }

    /// The position of the page in a list that is `descending` by `key`, then `id`. One additional row is
    /// read to determine whether there is a further page.
    pub fn keyset(&self, key: impl Into<OrderBy>, id: impl Into<OrderBy>, descending: bool) -> Keyset {
        Keyset {
            key: key.into(),
            id: id.into(),
            descending: descending != self.is_backward(),
            after: self.cursor.as_ref().and_then(|cursor| Some((K::decode(&cursor.key)?, cursor.id))),
            exact_key: None,
            skip: self.skip,
            limit: self.limit.saturating_add(1),
        }
    }

    /// Builds the page from the rows that the statement of [`PageRequest::keyset`] returned.
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

    /// The cursors of the previous and the next page. `position` returns the key and id of a row.
    pub fn neighbours<T>(&self, page: &PageRows<T>, position: impl Fn(&T) -> (K, i32)) -> Neighbours {
        let cursor = |row, direction| {
            let (key, id) = position(row);
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

/// The rows of a page, in order, and whether there are pages before and after it.
#[derive(Debug)]
pub struct PageRows<T> {
    /// The rows.
    pub rows: Vec<T>,
    has_previous: bool,
    has_next: bool,
}

impl<T> PageRows<T> {
    /// The tag of this page. It depends on the ids and states of its rows, on whether there are pages before
    /// and after it, and on the total if it is shown.
    pub fn tag(&self, state: impl Fn(&T) -> (i32, RowState), total: Option<u64>) -> EntityTag {
        let mut digest = Sha256::new();
        for (id, state) in self.rows.iter().map(state) {
            digest.update(id.to_le_bytes());
            digest.update(state.version.to_le_bytes());
            digest.update(state.id.to_le_bytes());
        }
        digest.update([u8::from(self.has_previous), u8::from(self.has_next)]);
        digest.update(total.map_or([0xff; 8], u64::to_le_bytes));
        EntityTag::of_digest(&digest.finalize())
    }
}

/// The cursors of the pages before and after a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbours {
    /// The previous page.
    pub previous: Option<String>,
    /// The next page.
    pub next: Option<String>,
}

impl Neighbours {
    /// Writes the header `Link`, if there is a previous or a next page. Its references have a query only, so
    /// they lead to the path of the request. `parameters` are added to every link.
    pub fn write_link(self, response: &mut HttpResponseBuilder, parameters: &[(&str, Option<String>)]) {
        let link = |cursor: String, relation: &str| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            for (name, value) in parameters {
                query.extend_pairs(value.iter().map(|value| (*name, value)));
            }
            format!("<?{}>; rel=\"{relation}\"", query.append_pair("cursor", &cursor).finish())
        };
        let links =
            [self.previous.map(|cursor| link(cursor, "prev")), self.next.map(|cursor| link(cursor, "next"))];
        let links: Vec<String> = links.into_iter().flatten().collect();
        if !links.is_empty() {
            response.insert_header((header::LINK, links.join(", ")));
        }
    }
}

/// Writes the number of rows of the whole list into the header `X-Total-Count`, if it was counted.
pub fn write_total(response: &mut HttpResponseBuilder, total: Option<u64>) {
    if let Some(total) = total {
        response.insert_header(("x-total-count", total));
    }
}
