//! Received values, before they are parsed.

use std::borrow::Cow;

use serde_json::Value;

use crate::http::echo::Echo;

/// A name and a value of a path, a query or a form.
pub type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// A received value.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// From a JSON body.
    Json(&'a Value),
    /// From a path, a query or a form.
    Text(&'a str),
    /// All values of a parameter that may be repeated.
    Repeated(Repeated<'a>),
}

impl<'a> Input<'a> {
    /// The text, if the value is one.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Json(value) => value.as_str(),
            Self::Text(text) => Some(text),
            Self::Repeated(_) => None,
        }
    }

    /// Whether the value is JSON's null.
    pub fn is_null(self) -> bool {
        matches!(self, Self::Json(Value::Null))
    }

    /// The value as errors show it.
    pub fn echo(self) -> Echo {
        match self {
            Self::Json(value) => Echo::of(value),
            Self::Text(text) => Echo::of_text(text),
            Self::Repeated(values) => values.iter().collect::<Value>().into(),
        }
    }
}

/// The values of all parameters of one name, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Repeated<'a> {
    pairs: &'a [Pair<'a>],
    name: &'static str,
}

impl<'a> Repeated<'a> {
    /// The values of `name`; `None` if there is no such parameter.
    pub(super) fn of_name(pairs: &'a [Pair<'a>], name: &'static str) -> Option<Self> {
        pairs.iter().any(|pair| pair.0 == name).then_some(Self { pairs, name })
    }

    /// The values.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |pair| pair.0 == self.name).map(|pair| pair.1.as_ref())
    }
}

/// The decoded parameters of a query.
pub fn query_pairs(query: &str) -> Vec<Pair<'_>> {
    form_urlencoded::parse(query.as_bytes()).collect()
}
