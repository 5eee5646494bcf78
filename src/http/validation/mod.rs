//! Reading request bodies, queries and paths, field by field.
//!
//! A field is declared once, by its type: [`Field`] checks a value, words its fault as Pydantic 2 does (contract,
//! section 3) and describes itself to the OpenAPI document. [`fields!`](crate::fields) makes a struct of such fields, which is
//! read as a whole, so that one answer names every fault.

mod body;
mod declare;
mod values;

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use utoipa::openapi::ObjectBuilder;

pub use body::{Body, Deferred, Form, Json, query_pairs};
pub use declare::FieldSchema;
pub use values::{Id, Instant, NO_NUL, PageSize, Skip, TextRule, parse_text, text_schema};

use crate::http::error::{Error, FieldError, LocationPart};

/// What `input` shows where a secret was received.
const REDACTED: &str = "[redacted]";

/// The limits that an operator sets.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most rows of one list page; none is no maximum.
    pub max_page_size: Option<u32>,
    /// The most bytes of a request body.
    pub max_body_bytes: usize,
}

/// A value as it was received.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    /// From a JSON body.
    Json(&'a Value),
    /// From a path, a query or a form.
    Text(&'a str),
}

impl<'a> Input<'a> {
    /// The text, where it is one.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Json(value) => value.as_str(),
            Self::Text(text) => Some(text),
        }
    }

    fn echo(self) -> Value {
        match self {
            Self::Json(value) => value.clone(),
            Self::Text(text) => Value::from(text),
        }
    }
}

/// What is wrong with a value: a [`FieldError`] that doesn't know yet where it stood.
#[derive(Debug)]
pub struct InvalidValue {
    kind: &'static str,
    msg: Cow<'static, str>,
    ctx: Option<Map<String, Value>>,
    late: bool,
}

/// The errors of a request. The FastAPI blog noticed some values only when the database refused them: these are told
/// when nothing else is wrong, behind 404 and 403 too.
#[derive(Debug, Default)]
pub struct FieldErrors {
    early: Vec<FieldError>,
    late: Vec<FieldError>,
}

impl FieldErrors {
    fn push(&mut self, invalid: InvalidValue, loc: Vec<LocationPart>, input: Value) {
        let errors = if invalid.late { &mut self.late } else { &mut self.early };
        errors.push(FieldError { kind: invalid.kind, loc, msg: invalid.msg, input, ctx: invalid.ctx });
    }

    /// One fault, found when the whole was looked at.
    pub fn one(invalid: InvalidValue, place: &'static str, name: &'static str, input: Value) -> Error {
        let mut errors = Self::default();
        errors.push(invalid, vec![LocationPart::Name(place), LocationPart::Name(name)], input);
        errors.into_error()
    }

    /// The ones to tell.
    pub fn into_error(self) -> Error {
        Error::Invalid(if self.early.is_empty() { self.late } else { self.early })
    }
}

impl InvalidValue {
    /// A fault of Pydantic's `kind` with its words.
    pub fn new(kind: &'static str, msg: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, msg: msg.into(), ctx: None, late: false }
    }

    /// A value that is none of `words`.
    pub fn choice(words: &[&str]) -> Self {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let expected = match quoted.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => quoted.concat(),
        };
        Self::new("literal_error", format!("Input should be {expected}")).with("expected", expected)
    }

    /// The same with one number or pattern of its rule.
    #[must_use]
    pub fn with(self, name: &str, value: impl Into<Value>) -> Self {
        Self { ctx: Some(Map::from_iter([(name.to_owned(), value.into())])), ..self }
    }

    /// The same, of a value that only the database refused.
    #[must_use]
    pub fn late(self) -> Self {
        Self { late: true, ..self }
    }
}

/// One field: its check, its fault and its schema.
pub trait Field: Sized {
    /// Never shown again, not even in the answer to a faulty request.
    const SECRET: bool = false;
    /// May be left out.
    const OPTIONAL: bool = false;

    /// The value, or what is wrong with it.
    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue>;

    /// What it means to leave the field out; none makes that a fault.
    fn absent(_limits: &Limits) -> Option<Self> {
        None
    }

    /// The same rule as JSON Schema.
    fn schema() -> ObjectBuilder;
}

impl<T: Field> Field for Option<T> {
    const SECRET: bool = T::SECRET;
    const OPTIONAL: bool = true;

    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue> {
        let null = matches!(input, Input::Json(Value::Null));
        T::parse(input, limits).map(Some).map_err(|invalid| if null { invalid.late() } else { invalid })
    }

    fn absent(_limits: &Limits) -> Option<Self> {
        Some(None)
    }

    fn schema() -> ObjectBuilder {
        T::schema()
    }
}

/// A set of fields that are read together, in the order in which they are declared.
pub trait Fields: Sized {
    /// The names, and whether each holds a secret.
    const MEMBERS: &'static [(&'static str, bool)];

    /// Reads every field; none if any was faulty.
    fn extract(members: &mut Extractor<'_>) -> Option<Self>;
}

impl Fields for () {
    const MEMBERS: &'static [(&'static str, bool)] = &[];

    fn extract(_members: &mut Extractor<'_>) -> Option<Self> {
        Some(())
    }
}

/// Hands out members of one part of a request and collects what is wrong with them.
pub struct Extractor<'a> {
    place: &'static str,
    members: Members<'a>,
    limits: &'a Limits,
    errors: &'a mut FieldErrors,
    redact: fn(&Value) -> Value,
}

/// Where a [`Extractor`] finds its members. Of repeated names the last counts.
#[derive(Clone, Copy)]
pub enum Members<'a> {
    /// A JSON object.
    Object(&'a Value, &'a Map<String, Value>),
    /// A path or a query.
    Pairs(&'a [(Cow<'a, str>, Cow<'a, str>)]),
    /// A form, where an empty value counts as absent.
    Form(&'a [(String, String)]),
}

impl<'a> Members<'a> {
    fn get(self, name: &str) -> Option<Input<'a>> {
        match self {
            Self::Object(_, map) => map.get(name).map(Input::Json),
            Self::Pairs(pairs) => {
                pairs.iter().rev().find(|pair| pair.0 == name).map(|pair| Input::Text(&pair.1))
            }
            Self::Form(pairs) => pairs
                .iter()
                .rev()
                .find(|pair| pair.0 == name)
                .filter(|pair| !pair.1.is_empty())
                .map(|pair| Input::Text(&pair.1)),
        }
    }
}

impl<'a> Extractor<'a> {
    /// Reads `T` out of `members`, which stood in the request's `place`.
    pub fn extract<T: Fields>(
        place: &'static str,
        members: Members<'a>,
        limits: &'a Limits,
        errors: &'a mut FieldErrors,
    ) -> Option<T> {
        T::extract(&mut Self { place, members, limits, errors, redact: redact::<T> })
    }

    /// One member; `default` stands in for one that is absent.
    pub fn field<T: Field>(&mut self, name: &'static str, default: Option<&Value>) -> Option<T> {
        let loc = || vec![LocationPart::Name(self.place), LocationPart::Name(name)];
        let input = match (self.members.get(name), default) {
            (Some(input), _) => input,
            (None, Some(default)) => Input::Json(default),
            (None, None) => {
                let absent = T::absent(self.limits);
                if absent.is_none() {
                    let whole = match self.members {
                        Members::Object(whole, _) => (self.redact)(whole),
                        Members::Pairs(_) | Members::Form(_) => Value::Null,
                    };
                    self.errors.push(InvalidValue::new("missing", "Field required"), loc(), whole);
                }
                return absent;
            }
        };
        T::parse(input, self.limits)
            .map_err(|invalid| {
                let input = if T::SECRET { json!(REDACTED) } else { input.echo() };
                self.errors.push(invalid, loc(), input);
            })
            .ok()
    }
}

/// The echo of a whole body: as received where `T` holds no secret; else only members known to be none are shown.
fn redact<T: Fields>(received: &Value) -> Value {
    if !T::MEMBERS.iter().any(|(_, secret)| *secret) {
        return received.clone();
    }
    match received {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let open = T::MEMBERS.contains(&(name.as_str(), false));
                (name.clone(), if open { value.clone() } else { json!(REDACTED) })
            })
            .collect(),
        Value::Null => Value::Null,
        _ => json!(REDACTED),
    }
}
