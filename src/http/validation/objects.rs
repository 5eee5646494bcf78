//! Extracts structs of fields from a JSON object, a path, a query or a form.

use std::cell::OnceCell;

use serde_json::{Map, Value, json};

use super::{
    Echo, Field, FieldErrors, Input, InvalidPart, InvalidValue, Limits, Pair, REDACTED, Timing,
    input::Repeated,
};

/// A struct of fields that are extracted together, so that one response names every error. Implemented by
/// [`fields!`](crate::fields).
pub trait Fields: Sized {
    /// Whether a member is or contains a secret.
    const HAS_SECRET: bool;

    /// Extracts every field in the order of declaration; `None` if a field is invalid.
    fn extract(members: &mut Extractor<'_>) -> Option<Self>;

    /// The form in errors of the value of the member `name`; `None` if the struct declares no such member.
    fn echo_member(name: &str, input: Input<'_>) -> Option<Echo>;
}

/// No fields are declared; received values are ignored.
impl Fields for () {
    const HAS_SECRET: bool = false;

    fn extract(_members: &mut Extractor<'_>) -> Option<Self> {
        Some(())
    }

    fn echo_member(_name: &str, _input: Input<'_>) -> Option<Echo> {
        None
    }
}

/// The source of the values of fields. If a name is repeated, the last value counts; a [`List`](super::List)
/// uses all values.
#[derive(Clone, Copy, Debug)]
pub enum Members<'a> {
    /// A JSON object, as a value and as a map.
    Object(&'a Value, &'a Map<String, Value>),
    /// A path or a query.
    Pairs(&'a [Pair<'a>]),
    /// A form, where an empty value counts as absent.
    Form(&'a [Pair<'a>]),
}

impl<'a> Members<'a> {
    fn get(self, name: &'static str, repeatable: bool) -> Option<Input<'a>> {
        let last = |pairs: &'a [Pair<'a>]| {
            pairs.iter().rev().find(|pair| pair.0 == name).map(|pair| pair.1.as_ref())
        };
        match self {
            Self::Object(_, map) => map.get(name).map(Input::Json),
            Self::Pairs(pairs) | Self::Form(pairs) if repeatable => {
                Repeated::of_name(pairs, name).map(Input::Repeated)
            }
            Self::Pairs(pairs) => last(pairs).map(Input::Text),
            Self::Form(pairs) => last(pairs).filter(|text| !text.is_empty()).map(Input::Text),
        }
    }
}

/// The options of a field that [`fields!`](crate::fields) declares, in addition to its type.
#[derive(Clone, Copy, Debug)]
pub struct FieldOptions {
    /// Creates the value of an absent field, which is parsed like a received value.
    pub default: Option<fn() -> Value>,
    /// When the error for null is reported, if null is an error.
    pub null_error: Timing,
}

/// Extracts the fields of a struct from [`Members`] and collects their errors.
#[derive(Debug)]
pub struct Extractor<'a> {
    members: Members<'a>,
    limits: &'a Limits,
    echo: fn(Input<'_>) -> Echo,
    /// The echo of the whole object. It is made once, however many of its members are missing.
    whole: OnceCell<Echo>,
    invalid: Vec<InvalidPart>,
}

impl<'a> Extractor<'a> {
    /// Extracts `T` from `members`. The locations of errors start with `part` (`body`, `path`, `query`).
    pub fn extract<T: Fields>(
        part: &'static str,
        members: Members<'a>,
        limits: &'a Limits,
        errors: &mut FieldErrors,
    ) -> Option<T> {
        let extracted = Self::parse(members, limits);
        extracted.map_err(|invalid| errors.add(invalid, vec![part.into()], || Value::Null.into())).ok()
    }

    fn parse<T: Fields>(members: Members<'a>, limits: &'a Limits) -> Result<T, InvalidValue> {
        let mut extractor =
            Self { members, limits, echo: echo_object::<T>, whole: OnceCell::new(), invalid: Vec::new() };
        match T::extract(&mut extractor) {
            Some(fields) if extractor.invalid.is_empty() => Ok(fields),
            _ => Err(InvalidValue::of_parts(extractor.invalid)),
        }
    }

    /// Extracts one field.
    pub fn field<T: Field>(&mut self, name: &'static str, options: FieldOptions) -> Option<T> {
        let default;
        let input = match (self.members.get(name, T::REPEATABLE), options.default) {
            (Some(input), _) => input,
            (None, Some(make)) => {
                default = make();
                Input::Json(&default)
            }
            (None, None) => {
                let absent = T::absent(self.limits);
                if absent.is_none() {
                    let whole = self.whole.get_or_init(|| match self.members {
                        Members::Object(whole, _) => (self.echo)(Input::Json(whole)),
                        Members::Pairs(_) | Members::Form(_) => Value::Null.into(),
                    });
                    self.invalid.push(InvalidPart::new(name, InvalidValue::missing(), || whole.clone()));
                }
                return absent;
            }
        };
        T::parse(input, self.limits)
            .map_err(|invalid| {
                let late = input.is_null() && options.null_error == Timing::Late;
                let invalid = if late { invalid.reported(Timing::Late) } else { invalid };
                self.invalid.push(InvalidPart::new(name, invalid, || T::echo(input)));
            })
            .ok()
    }
}

/// Extracts a struct of fields from a JSON object.
pub fn parse_object<T: Fields>(input: Input<'_>, limits: &Limits) -> Result<T, InvalidValue> {
    let Input::Json(whole @ Value::Object(map)) = input else {
        let msg = "Input should be a valid dictionary or object to extract fields from";
        return Err(InvalidValue::new("model_attributes_type", msg));
    };
    Extractor::parse(Members::Object(whole, map), limits)
}

/// The form of an object in errors. If the struct has a secret, only members that are known not to be secret
/// are shown.
pub fn echo_object<T: Fields>(input: Input<'_>) -> Echo {
    match input {
        _ if !T::HAS_SECRET => input.echo(),
        Input::Json(Value::Object(members)) => members
            .iter()
            .map(|(name, value)| {
                let shown = T::echo_member(name, Input::Json(value)).map(Echo::into_value);
                (name.clone(), shown.unwrap_or_else(|| json!(REDACTED)))
            })
            .collect::<Value>()
            .into(),
        Input::Json(Value::Null) => Value::Null.into(),
        _ => json!(REDACTED).into(),
    }
}
