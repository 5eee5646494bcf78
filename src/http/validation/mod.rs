//! Validation of request bodies, queries and paths.
//!
//! Three words, one for each step:
//!
//! - *receive* takes a body off the wire and checks its syntax ([`Body::receive`]);
//! - *extract* finds the members of a struct of fields in an object, a query, a path or a form, so that one
//!   response names every error ([`Extractor::extract`], [`Body::extract`]);
//! - *parse* turns one received value into a value of ours, or says why it is invalid ([`Field::parse`]).
//!
//! A field is declared once, by its type. [`Field`] parses a value, words its error as Pydantic 2 does
//! (contract, section 3) and describes itself to the OpenAPI document. [`text!`](crate::text) and
//! [`choice!`](crate::choice) declare fields, [`fields!`](crate::fields) declares structs of them.

mod body;
mod boolean;
mod declare;
mod describe;
mod input;
mod instant;
mod lists;
mod numbers;
mod objects;
mod optional;
mod text;

#[cfg(test)]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "the macros declare more than the tests of private structs use"
)]
mod tests;

use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};

pub use self::{
    body::{Body, Deferred, Form, Json},
    describe::{Components, FieldSchema},
    input::{Input, Pair, Repeated, query_pairs},
    instant::Instant,
    lists::List,
    numbers::{Id, IntegerRule, PageSize, Skip, parse_integer},
    objects::{Extractor, FieldOptions, Fields, Members, echo_object, parse_object},
    optional::Nullable,
    text::{TextRule, parse_text, text_schema},
};
pub use crate::http::field_errors::{FieldErrors, InvalidPart, InvalidValue, Timing};

/// What `input` shows instead of a secret.
const REDACTED: &str = "[redacted]";

/// The limits that an operator sets.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The greatest number of rows of one list page; none means no maximum.
    pub max_page_size: Option<u32>,
    /// The greatest number of bytes of a request body.
    pub max_body_bytes: usize,
}

/// The type of a field: how it is parsed, what its errors say, and its schema.
pub trait Field: Sized {
    /// The value is or contains a secret, which no response shows.
    const SECRET: bool = false;
    /// The field may be absent.
    const OPTIONAL: bool = false;
    /// The field takes all values of a repeated parameter; of other parameters the last value counts.
    const REPEATABLE: bool = false;

    /// The value, or why it is invalid.
    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue>;

    /// The value of an absent field; none makes its absence an error.
    fn absent(_limits: &Limits) -> Option<Self> {
        None
    }

    /// How errors show a received value.
    fn echo(input: Input<'_>) -> Value {
        if Self::SECRET { json!(REDACTED) } else { input.to_value() }
    }

    /// The same rule as JSON Schema.
    fn schema() -> RefOr<Schema>;

    /// Adds the named schemas that the schema refers to.
    fn components(_components: &mut Components) {}
}
