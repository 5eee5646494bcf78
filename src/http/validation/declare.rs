//! The macros that declare fields and structs of fields.

/// Declares a struct of [`Field`](crate::http::validation::Field)s. Extraction, errors and the schema follow
/// from this declaration.
///
/// Each member of a body, each parameter of a path and each required parameter of a query has an example, with which
/// the documentation fills in the request. Only the examples of its members count for a nested struct. An optional
/// parameter of a query has none, because Swagger UI would send it.
///
/// ```
/// use byline::{
///     choice, fields,
///     http::validation::{Field, Input, Limits, List, Nullable, TextRule},
///     text,
/// };
/// # use serde_json::json;
///
/// text! {
///     /// 1 to 50 code points.
///     pub struct Name = TextRule::without_nul(1, Some(50));
/// }
///
/// choice! {
///     /// The format of the content.
///     pub enum Format { /** Text. */ Plain = "plain", /** CommonMark. */ Markdown = "markdown" }
/// }
///
/// fields! {
///     /// A link.
///     pub struct Link {
///         /// Required: a request without it is invalid.
///         #[example = "Notes"]
///         title: Name,
///     }
/// }
///
/// fields! {
///     /// Changes to a page.
///     pub struct PagePatch {
///         /// May be absent. Null is an error, reported with all others.
///         name: Option<Name>,
///         /// May be absent. Null is an error that is reported after 404 and 403.
///         #[null_error = late]
///         title: Option<Name>,
///         /// Absent: unchanged. Null: removed. A value: replaced.
///         subtitle: Nullable<Name>,
///         /// The value of an absent field, as JSON. It is parsed like a received value.
///         published: bool = false,
///         /// 0 to 20 items. In a query or a form, all values of the parameter: `?tags=a&tags=b`.
///         tags: List<Name, 0, 20> = [],
///         /// An object. Errors are located at `["body","link","title"]`.
///         link: Option<Link>,
///         /// One of the declared words.
///         format: Format = "plain",
///     }
/// }
///
/// fields! {
///     /// Parameters of a path. Without `in path`: parameters of a query, or members of a body.
///     pub struct PagePath in path {
///         /// The page's name.
///         name: Name,
///     }
/// }
///
/// let limits = Limits { max_page_size: None, max_body_bytes: 1024 };
/// let body = json!({ "subtitle": null, "link": { "title": "a" } });
/// let patch = PagePatch::parse(Input::Json(&body), &limits).unwrap();
/// assert_eq!((patch.subtitle, patch.tags.0.len()), (Nullable::Null, 0));
/// ```
#[macro_export]
macro_rules! fields {
    (
        $(#[doc = $about:literal])+
        $vis:vis struct $name:ident $(in $place:ident)? {
            $(
                $(#[doc = $doc:literal])+
                $(#[null_error = $timing:ident])?
                $(#[example = $example:tt])?
                $field:ident : $type:ty $(= $default:tt)?
            ),* $(,)?
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        $vis struct $name { $( $(#[doc = $doc])+ pub $field: $type ),* }

        impl $name {
            fn field_schemas() -> Vec<$crate::http::validation::FieldSchema> {
                vec![$( $crate::http::validation::FieldSchema::new::<$type>(
                    stringify!($field),
                    &[$($doc),+],
                    $crate::fields!(@json $($default)?).map(|make| make()),
                    $crate::fields!(@json $($example)?).map(|make| make()),
                ) ),*]
            }
        }

        impl $crate::http::validation::Fields for $name {
            const HAS_SECRET: bool = false $( || <$type as $crate::http::validation::Field>::SECRET )*;

            fn extract(members: &mut $crate::http::validation::Extractor<'_>) -> Option<Self> {
                $( let $field = members.field(stringify!($field), $crate::http::validation::FieldOptions {
                    default: $crate::fields!(@json $($default)?),
                    null_error: $crate::fields!(@timing $($timing)?),
                }); )*
                Some(Self { $( $field: $field? ),* })
            }

            fn echo_member(
                name: &str,
                input: $crate::http::validation::Input<'_>,
            ) -> Option<$crate::http::validation::Echo> {
                match name {
                    $( stringify!($field) => Some(<$type as $crate::http::validation::Field>::echo(input)), )*
                    _ => None,
                }
            }
        }

        impl $crate::http::validation::Field for $name {
            const SECRET: bool = <Self as $crate::http::validation::Fields>::HAS_SECRET;

            fn parse(
                input: $crate::http::validation::Input<'_>,
                limits: &$crate::http::validation::Limits,
            ) -> Result<Self, $crate::http::validation::InvalidValue> {
                $crate::http::validation::parse_object(input, limits)
            }

            fn echo(input: $crate::http::validation::Input<'_>) -> $crate::http::validation::Echo {
                $crate::http::validation::echo_object::<Self>(input)
            }

            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::Ref::from_schema_name(<Self as utoipa::ToSchema>::name()).into()
            }

            fn components(components: &mut $crate::http::validation::Components) {
                let name = <Self as utoipa::ToSchema>::name();
                if !components.iter().any(|(known, _)| *known == name) {
                    components.push((name.into_owned(), <Self as utoipa::PartialSchema>::schema()));
                    <Self as utoipa::ToSchema>::schemas(components);
                }
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::http::validation::FieldSchema::object(Self::field_schemas(), &[$($about),+])
            }
        }

        impl utoipa::ToSchema for $name {
            fn schemas(components: &mut $crate::http::validation::Components) {
                $( <$type as $crate::http::validation::Field>::components(components); )*
            }
        }

        impl utoipa::IntoParams for $name {
            fn into_params(
                _place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                let place = $crate::fields!(@place $($place)?);
                $crate::http::validation::FieldSchema::parameters(Self::field_schemas(), &place)
            }
        }
    };
    (@place) => { utoipa::openapi::path::ParameterIn::Query };
    (@place path) => { utoipa::openapi::path::ParameterIn::Path };
    (@json) => { None::<fn() -> serde_json::Value> };
    (@json $json:tt) => {{
        let make: fn() -> serde_json::Value = || serde_json::json!($json);
        Some(make)
    }};
    (@timing) => { $crate::http::validation::Timing::Early };
    (@timing late) => { $crate::http::validation::Timing::Late };
}

/// Declares a field that is one of several words. For an example, see [`fields!`](crate::fields).
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

            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some([$($word),+]))
                    .extensions(Some($crate::http::validation::variant_names(&[$(stringify!($variant)),+])))
                    .into()
            }
        }
    };
}

/// Declares text fields by their [`TextRule`](crate::http::validation::TextRule). For an example, see
/// [`fields!`](crate::fields).
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

            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::http::validation::text_schema(&$rule)
            }
        }
    )+ };
}
