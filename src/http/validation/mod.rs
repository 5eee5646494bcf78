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

pub use body::{Body, Deferred, Form, Json, text_parameters};
pub use declare::Described;
pub use values::{Id, Instant, NO_NUL, PageSize, Skip, TextRule, read_text, text_schema};

use crate::http::error::{Error, Fault, Place};

/// What `input` shows where a secret was received.
const REDACTED: &str = "[redacted]";

/// The limits that an operator sets.
#[derive(Clone, Debug)]
pub struct Rules {
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

/// What is wrong with a value: a [`Fault`] that doesn't know yet where it stood.
#[derive(Debug)]
pub struct Flaw {
    kind: &'static str,
    msg: Cow<'static, str>,
    ctx: Option<Map<String, Value>>,
    late: bool,
}

/// The faults of a request. The FastAPI blog noticed some values only when the database refused them: these are told
/// when nothing else is wrong, behind 404 and 403 too.
#[derive(Debug, Default)]
pub struct Faults {
    early: Vec<Fault>,
    late: Vec<Fault>,
}

impl Faults {
    fn push(&mut self, flaw: Flaw, loc: Vec<Place>, input: Value) {
        let faults = if flaw.late { &mut self.late } else { &mut self.early };
        faults.push(Fault { kind: flaw.kind, loc, msg: flaw.msg, input, ctx: flaw.ctx });
    }

    /// One fault, found when the whole was looked at.
    pub fn one(flaw: Flaw, place: &'static str, name: &'static str, input: Value) -> Error {
        let mut faults = Self::default();
        faults.push(flaw, vec![Place::Name(place), Place::Name(name)], input);
        faults.into_error()
    }

    /// The ones to tell.
    pub fn into_error(self) -> Error {
        Error::Invalid(if self.early.is_empty() { self.late } else { self.early })
    }
}

impl Flaw {
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
    fn read(input: Input<'_>, rules: &Rules) -> Result<Self, Flaw>;

    /// What it means to leave the field out; none makes that a fault.
    fn absent(_rules: &Rules) -> Option<Self> {
        None
    }

    /// The same rule as JSON Schema.
    fn schema() -> ObjectBuilder;
}

impl<T: Field> Field for Option<T> {
    const SECRET: bool = T::SECRET;
    const OPTIONAL: bool = true;

    fn read(input: Input<'_>, rules: &Rules) -> Result<Self, Flaw> {
        let null = matches!(input, Input::Json(Value::Null));
        T::read(input, rules).map(Some).map_err(|flaw| if null { flaw.late() } else { flaw })
    }

    fn absent(_rules: &Rules) -> Option<Self> {
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
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

impl Fields for () {
    const MEMBERS: &'static [(&'static str, bool)] = &[];

    fn read(_reader: &mut Reader<'_>) -> Option<Self> {
        Some(())
    }
}

/// Hands out members of one part of a request and collects what is wrong with them.
pub struct Reader<'a> {
    place: &'static str,
    members: Members<'a>,
    rules: &'a Rules,
    faults: &'a mut Faults,
    redact: fn(&Value) -> Value,
}

/// Where a [`Reader`] finds its members. Of repeated names the last counts.
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

impl<'a> Reader<'a> {
    /// Reads `T` out of `members`, which stood in the request's `place`.
    pub fn read<T: Fields>(
        place: &'static str,
        members: Members<'a>,
        rules: &'a Rules,
        faults: &'a mut Faults,
    ) -> Option<T> {
        T::read(&mut Self { place, members, rules, faults, redact: redact::<T> })
    }

    /// One member; `default` stands in for one that is absent.
    pub fn field<T: Field>(&mut self, name: &'static str, default: Option<&Value>) -> Option<T> {
        let loc = || vec![Place::Name(self.place), Place::Name(name)];
        let input = match (self.members.get(name), default) {
            (Some(input), _) => input,
            (None, Some(default)) => Input::Json(default),
            (None, None) => {
                let absent = T::absent(self.rules);
                if absent.is_none() {
                    let whole = match self.members {
                        Members::Object(whole, _) => (self.redact)(whole),
                        Members::Pairs(_) | Members::Form(_) => Value::Null,
                    };
                    self.faults.push(Flaw::new("missing", "Field required"), loc(), whole);
                }
                return absent;
            }
        };
        T::read(input, self.rules)
            .map_err(|flaw| {
                let input = if T::SECRET { json!(REDACTED) } else { input.echo() };
                self.faults.push(flaw, loc(), input);
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
