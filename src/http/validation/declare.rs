//! Declaring fields: the macros that make structs of them, and what the document says of each.

use serde_json::Value;
use utoipa::openapi::{
    ObjectBuilder, RefOr, Required, Schema,
    path::{Parameter, ParameterBuilder, ParameterIn},
};

use super::Field;

/// A declared field as the document describes it; made by [`fields!`](crate::fields).
pub struct FieldSchema {
    /// The member's name.
    pub name: &'static str,
    /// Whether it must be given.
    pub required: bool,
    /// Its rule.
    pub schema: Schema,
}

impl FieldSchema {
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

/// Declares a struct of [`Field`]s: reading, errors and schema all follow from it.
///
/// `name: Type = literal` gives a default, which passes the same check as a value received. `in path` makes the fields
/// parameters of a path, where they would else be parameters of a query.
#[macro_export]
macro_rules! fields {
    (
        $(#[doc = $about:literal])+
        $vis:vis struct $name:ident $(in $place:ident)? {
            $( $(#[doc = $doc:literal])+ $field:ident : $type:ty $(= $default:literal)? ),* $(,)?
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        $vis struct $name { $( $(#[doc = $doc])+ pub $field: $type ),* }

        impl $name {
            fn described() -> Vec<$crate::http::validation::FieldSchema> {
                vec![$( $crate::http::validation::FieldSchema::new::<$type>(
                    stringify!($field), &[$($doc),+], $crate::fields!(@default $($default)?),
                ) ),*]
            }
        }

        impl $crate::http::validation::Fields for $name {
            const MEMBERS: &'static [(&'static str, bool)] =
                &[$( (stringify!($field), <$type as $crate::http::validation::Field>::SECRET) ),*];

            fn extract(members: &mut $crate::http::validation::Extractor<'_>) -> Option<Self> {
                $( let $field = members.field(stringify!($field), $crate::fields!(@default $($default)?).as_ref()); )*
                Some(Self { $( $field: $field? ),* })
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::http::validation::FieldSchema::object(Self::described(), &[$($about),+])
            }
        }

        impl utoipa::ToSchema for $name {}

        impl utoipa::IntoParams for $name {
            fn into_params(
                _place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                let place = $crate::fields!(@place $($place)?);
                $crate::http::validation::FieldSchema::parameters(Self::described(), &place)
            }
        }
    };
    (@place) => { utoipa::openapi::path::ParameterIn::Query };
    (@place path) => { utoipa::openapi::path::ParameterIn::Path };
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

        impl $crate::http::validation::Field for $name {
            fn parse(
                input: $crate::http::validation::Input<'_>,
                _limits: &$crate::http::validation::Limits,
            ) -> Result<Self, $crate::http::validation::InvalidValue> {
                match input.text() {
                    $( Some($word) => Ok(Self::$variant), )+
                    _ => Err($crate::http::validation::InvalidValue::choice(&[$($word),+])),
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

/// Declares a text field by its [`TextRule`](crate::http::validation::TextRule).
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

        impl $crate::http::validation::Field for $name {
            fn parse(
                input: $crate::http::validation::Input<'_>,
                _limits: &$crate::http::validation::Limits,
            ) -> Result<Self, $crate::http::validation::InvalidValue> {
                static RULE: std::sync::LazyLock<$crate::http::validation::TextRule> = std::sync::LazyLock::new(|| $rule);
                $crate::http::validation::parse_text(input, &RULE).map(Self)
            }

            fn schema() -> utoipa::openapi::ObjectBuilder {
                $crate::http::validation::text_schema(&$rule)
            }
        }
    )+ };
}
