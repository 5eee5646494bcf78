//! Pages: keyset cursors, links to the next and previous page (RFC 8288), totals on demand.
//!
//! A cursor names a row by its place in the order, so a page deep in the list costs what the first one costs, and rows that
//! come or go elsewhere shift nothing. To clients it is opaque.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::http::validation::Instant;

/// The longest cursor that is looked at, in bytes.
const MAX_CURSOR: usize = 2048;

/// Which way a page lies from the row that its cursor names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Behind it.
    #[serde(rename = "n")]
    Next,
    /// Before it.
    #[serde(rename = "p")]
    Previous,
}

/// A place in a list, with what makes the list: its order and filters, `L`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor<L> {
    /// The list.
    #[serde(rename = "l")]
    pub list: L,
    /// Which way.
    #[serde(rename = "d")]
    pub direction: Direction,
    /// The row's time, in microseconds since 1970.
    #[serde(rename = "t")]
    at: i64,
    /// The row's id.
    #[serde(rename = "i")]
    pub id: i32,
}

/// The header `Link` of a list at `path`, with the parameters `kept`; none where there is no page beside it.
pub fn link(
    path: &str,
    kept: &[(&str, Option<String>)],
    previous: Option<String>,
    next: Option<String>,
) -> Option<String> {
    let page = |cursor: String, rel: &str| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in kept {
            query.extend_pairs(value.iter().map(|value| (*name, value)));
        }
        format!("<{path}?{}>; rel=\"{rel}\"", query.append_pair("cursor", &cursor).finish())
    };
    let pages: Vec<String> =
        [previous.map(|cursor| page(cursor, "prev")), next.map(|cursor| page(cursor, "next"))]
            .into_iter()
            .flatten()
            .collect();
    (!pages.is_empty()).then(|| pages.join(", "))
}

impl<L: Serialize + DeserializeOwned> Cursor<L> {
    /// A cursor at the row with this time and id.
    pub fn new(list: L, direction: Direction, at: DateTime<Utc>, id: i32) -> Self {
        Self { list, direction, at: at.timestamp_micros(), id }
    }

    /// The row's time.
    pub fn at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.at).unwrap_or_default()
    }

    /// The cursor as clients see it.
    pub fn encode(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// The cursor that `encode` wrote; none for any other text.
    pub fn decode(text: &str) -> Option<Self> {
        if text.len() > MAX_CURSOR {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let cursor: Self = serde_json::from_slice(&bytes).ok()?;
        Instant::from_micros(cursor.at).map(|_| cursor)
    }
}
