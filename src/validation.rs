//! Reading request bodies, queries and paths, field by field.
//!
//! A field is declared once, by its type: [`Field`] checks a value, words its fault as Pydantic 2 does (contract,
//! section 3) and describes itself to the OpenAPI document. [`fields!`](crate::fields) makes a struct of such fields, which is
//! read as a whole, so that one answer names every fault.

mod body;
mod values;

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use utoipa::openapi::{
    ObjectBuilder, RefOr, Required, Schema,
    path::{Parameter, ParameterBuilder, ParameterIn},
};

pub use body::{Body, Deferred, Form, Json, text_parameters};
pub use values::{Id, Instant, NO_NUL, PageSize, Skip, TextRule, read_text, text_schema};

use crate::error::{Error, Fault, Place};

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

/// A declared field as the document describes it; made by [`fields!`](crate::fields).
pub struct Described {
    /// The member's name.
    pub name: &'static str,
    /// Whether it must be given.
    pub required: bool,
    /// Its rule.
    pub schema: Schema,
}

impl Described {
    /// `docs` are the lines of a doc comment.
    pub fn new<T: Field>(name: &'static str, docs: &[&str], default: Option<Value>) -> Self {
        let required = !T::OPTIONAL && default.is_none();
        let mut schema = T::schema().description(Some(paragraph(docs)));
        if default.is_some() {
            schema = schema.default(default);
        }
        Self { name, required, schema: Schema::Object(schema.build()) }
    }

    /// The schema of an object with these members.
    pub fn object(fields: Vec<Self>, docs: &[&str]) -> RefOr<Schema> {
        let object = ObjectBuilder::new().description(Some(paragraph(docs)));
        let object = fields.into_iter().fold(object, |object, field| {
            let object = object.property(field.name, field.schema);
            if field.required { object.required(field.name) } else { object }
        });
        RefOr::T(Schema::Object(object.build()))
    }

    /// The parameters of a path or a query.
    pub fn parameters(fields: Vec<Self>, place: &ParameterIn) -> Vec<Parameter> {
        let parameter = |mut field: Self| {
            let description = match &mut field.schema {
                Schema::Object(object) => object.description.take(),
                _ => None,
            };
            let required = if field.required { Required::True } else { Required::False };
            ParameterBuilder::new()
                .name(field.name)
                .parameter_in(place.clone())
                .required(required)
                .description(description)
                .schema(Some(field.schema))
                .build()
        };
        fields.into_iter().map(parameter).collect()
    }
}

fn paragraph(docs: &[&str]) -> String {
    docs.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// Declares a struct of [`Field`]s: reading, faults and schema all follow from it.
///
/// `name: Type = literal` gives a default, which passes the same check as a value received.
#[macro_export]
macro_rules! fields {
    (
        $(#[doc = $about:literal])+
        $vis:vis struct $name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident : $type:ty $(= $default:literal)? ),* $(,)?
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        $vis struct $name { $( $(#[doc = $doc])+ pub $field: $type ),* }

        impl $name {
            fn described() -> Vec<$crate::validation::Described> {
                vec![$( $crate::validation::Described::new::<$type>(
                    stringify!($field), &[$($doc),+], $crate::fields!(@default $($default)?),
                ) ),*]
            }
        }

        impl $crate::validation::Fields for $name {
            const MEMBERS: &'static [(&'static str, bool)] =
                &[$( (stringify!($field), <$type as $crate::validation::Field>::SECRET) ),*];

            fn read(reader: &mut $crate::validation::Reader<'_>) -> Option<Self> {
                $( let $field = reader.field(stringify!($field), $crate::fields!(@default $($default)?).as_ref()); )*
                Some(Self { $( $field: $field? ),* })
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::validation::Described::object(Self::described(), &[$($about),+])
            }
        }

        impl utoipa::ToSchema for $name {}

        impl utoipa::IntoParams for $name {
            fn into_params(
                place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                let place = place().unwrap_or(utoipa::openapi::path::ParameterIn::Query);
                $crate::validation::Described::parameters(Self::described(), &place)
            }
        }
    };
    (@default) => { None::<serde_json::Value> };
    (@default $default:literal) => { Some(serde_json::Value::from($default)) };
}

/// Declares a field that is one of some words.
#[macro_export]
macro_rules! choice {
    (
        $(#[doc = $doc:literal])+
        $vis:vis enum $name:ident { $( $(#[doc = $about:literal])+ $variant:ident = $word:literal ),+ $(,)? }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        $vis enum $name { $( $(#[doc = $about])+ #[serde(rename = $word)] $variant ),+ }

        impl $crate::validation::Field for $name {
            fn read(
                input: $crate::validation::Input<'_>,
                _rules: &$crate::validation::Rules,
            ) -> Result<Self, $crate::validation::Flaw> {
                match input.text() {
                    $( Some($word) => Ok(Self::$variant), )+
                    _ => Err($crate::validation::Flaw::choice(&[$($word),+])),
                }
            }

            fn schema() -> utoipa::openapi::ObjectBuilder {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some([$($word),+]))
            }
        }
    };
}

/// Declares a text field by its [`TextRule`].
#[macro_export]
macro_rules! text {
    ($( $(#[doc = $doc:literal])+ $vis:vis struct $name:ident = $rule:expr; )+) => { $(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        $vis struct $name(String);

        impl $name {
            /// The text.
            pub fn into_inner(self) -> String {
                self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl $crate::validation::Field for $name {
            fn read(
                input: $crate::validation::Input<'_>,
                _rules: &$crate::validation::Rules,
            ) -> Result<Self, $crate::validation::Flaw> {
                static RULE: std::sync::LazyLock<$crate::validation::TextRule> = std::sync::LazyLock::new(|| $rule);
                $crate::validation::read_text(input, &RULE).map(Self)
            }

            fn schema() -> utoipa::openapi::ObjectBuilder {
                $crate::validation::text_schema(&$rule)
            }
        }
    )+ };
}
