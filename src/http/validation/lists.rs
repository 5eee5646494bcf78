//! Lists with a minimum and a maximum number of items.

use serde_json::{Value, json};
use utoipa::openapi::{ArrayBuilder, RefOr, Schema};

use super::{Components, Echo, Field, Input, InvalidPart, InvalidValue, Limits, REDACTED};

/// A list of `MIN` to `MAX` items: a JSON array, or all values of a repeated parameter (`?tag=a&tag=b`).
///
/// The maximum is part of the type, because the work for a list without a maximum is unbounded. The items of
/// a longer list are not parsed: its only error is `too_long`, like in Pydantic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List<T, const MIN: usize, const MAX: usize>(pub Vec<T>);

impl<T, const MIN: usize, const MAX: usize> List<T, MIN, MAX> {
    fn parse_items<'a>(
        count: usize,
        items: impl Iterator<Item = Input<'a>>,
        limits: &Limits,
    ) -> Result<Self, InvalidValue>
    where
        T: Field,
    {
        if count > MAX {
            return Err(wrong_length("too_long", "most", "max_length", MAX, count));
        }
        let (mut values, mut invalid) = (Vec::with_capacity(count), Vec::new());
        for (index, item) in items.enumerate() {
            match T::parse(item, limits) {
                Ok(value) => values.push(value),
                Err(error) => invalid.push(InvalidPart::new(index, error, || T::echo(item))),
            }
        }
        if !invalid.is_empty() {
            return Err(InvalidValue::of_parts(invalid));
        }
        if count < MIN {
            return Err(wrong_length("too_short", "least", "min_length", MIN, count));
        }
        Ok(Self(values))
    }
}

impl<T: Field, const MIN: usize, const MAX: usize> Field for List<T, MIN, MAX> {
    const SECRET: bool = T::SECRET;
    const REPEATABLE: bool = true;

    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue> {
        match input {
            Input::Json(Value::Array(items)) => {
                Self::parse_items(items.len(), items.iter().map(Input::Json), limits)
            }
            Input::Repeated(values) => {
                Self::parse_items(values.iter().count(), values.iter().map(Input::Text), limits)
            }
            Input::Json(_) | Input::Text(_) => {
                Err(InvalidValue::new("list_type", "Input should be a valid list"))
            }
        }
    }

    fn echo(input: Input<'_>) -> Echo {
        match input {
            _ if !T::SECRET => input.echo(),
            Input::Json(Value::Array(items)) => {
                items.iter().map(|item| T::echo(Input::Json(item)).into_value()).collect::<Value>().into()
            }
            _ => json!(REDACTED).into(),
        }
    }

    fn schema() -> RefOr<Schema> {
        let array = ArrayBuilder::new().items(T::schema()).max_items(Some(MAX));
        array.min_items((MIN > 0).then_some(MIN)).into()
    }

    fn components(components: &mut Components) {
        T::components(components);
    }
}

fn wrong_length(
    kind: &'static str,
    bound: &str,
    name: &'static str,
    limit: usize,
    count: usize,
) -> InvalidValue {
    let noun = if limit == 1 { "item" } else { "items" };
    InvalidValue::new(
        kind,
        format!("List should have at {bound} {limit} {noun} after validation, not {count}"),
    )
    .with("field_type", "List")
    .with(name, limit)
    .with("actual_length", count)
}
