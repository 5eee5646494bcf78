//! Validation of request bodies, queries and paths.
//!
//! Three terms, one for each step:
//!
//! - *receive* reads a body and checks its syntax ([`Body::receive`]);
//! - *extract* finds the members of a struct of fields in an object, a query, a path or a form, so that one
//!   response names every error ([`Extractor::extract`], [`Body::extract`]);
//! - *parse* converts one received value to its Rust type, or returns the violated rule ([`Field::parse`]).
//!
//! A field is declared once, by its type. Its [`Field`] implementation parses a value, reports errors with
//! the messages of Pydantic 2 (contract, section 3) and provides the OpenAPI schema. [`text!`](crate::text)
//! and [`choice!`](crate::choice) declare fields, [`fields!`](crate::fields) declares structs of them.

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
mod syntax;
mod text;

#[cfg(test)]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "the macros declare more items than the private structs of tests use"
)]
mod tests;

use serde_json::json;
use utoipa::openapi::{RefOr, Schema};

pub use self::{
    body::{Body, Deferred, Form, Json},
    describe::{Components, FieldSchema, variant_names},
    input::{Input, Pair, Repeated, query_pairs},
    instant::Instant,
    lists::List,
    numbers::{Id, IntegerRule, Lifetime, PageSize, Skip, parse_integer},
    objects::{Extractor, FieldOptions, Fields, Members, echo_object, parse_object},
    optional::Nullable,
    text::{TextRule, parse_text, text_schema},
};
pub use crate::http::{
    echo::Echo,
    field_errors::{FieldErrors, InvalidPart, InvalidValue, Timing},
};

/// Shown as `input` instead of a secret.
const REDACTED: &str = "[redacted]";

/// The limits that the operator sets.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The maximum number of rows of one page; `None` means no maximum.
    pub max_page_size: Option<u32>,
    /// The maximum size of a request body, in bytes.
    pub max_body_bytes: usize,
}

/// The type of a field. It defines parsing, errors and schema.
pub trait Field: Sized {
    /// The value is or contains a secret, which no response shows.
    const SECRET: bool = false;
    /// The field may be absent.
    const OPTIONAL: bool = false;
    /// The field uses all values of a repeated parameter. Other fields use the last value.
    const REPEATABLE: bool = false;

    /// Parses a value, or returns the violated rule.
    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue>;

    /// The value of an absent field. `None` means that the field is required.
    fn absent(_limits: &Limits) -> Option<Self> {
        None
    }

    /// A received value as errors show it.
    fn echo(input: Input<'_>) -> Echo {
        if Self::SECRET { json!(REDACTED).into() } else { input.echo() }
    }

    /// The same rule as JSON Schema.
    fn schema() -> RefOr<Schema>;

    /// Adds the named schemas that the schema refers to.
    fn components(_components: &mut Components) {}
}
