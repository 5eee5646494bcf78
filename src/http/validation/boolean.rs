//! Booleans with Pydantic's coercions (contract, section 2).

use serde_json::{Number, Value};
use utoipa::openapi::{
    ObjectBuilder, RefOr, Schema,
    schema::{SchemaType, Type},
};

use super::{Field, Input, InvalidValue, Limits};

impl Field for bool {
    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        let msg = "Input should be a valid boolean, unable to interpret input";
        let unknown = || InvalidValue::new("bool_parsing", msg);
        let wrong_type = || InvalidValue::new("bool_type", "Input should be a valid boolean");
        match input {
            Input::Json(Value::Bool(value)) => Ok(*value),
            Input::Json(Value::Number(number)) => match whole_number(number) {
                Some(0) => Ok(false),
                Some(1) => Ok(true),
                Some(_) => Err(unknown()),
                None => Err(wrong_type()),
            },
            Input::Json(Value::String(text)) => parse_word(text).ok_or_else(unknown),
            Input::Text(text) => parse_word(text).ok_or_else(unknown),
            Input::Json(Value::Null | Value::Array(_) | Value::Object(_)) | Input::Repeated(_) => {
                Err(wrong_type())
            }
        }
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::Type(Type::Boolean)).into()
    }
}

fn parse_word(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// A whole number that fits into an `i64`, including `2.0` and `1e18`. Floats equal to the bounds are
/// excluded, because `serde_json` parses the integers just beyond the bounds to the same floats.
fn whole_number(number: &Number) -> Option<i64> {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    if number.is_f64() {
        let float =
            number.as_f64().filter(|float| float.fract() == 0.0 && -BOUND < *float && *float < BOUND)?;
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            reason = "whole and in range by the filter above"
        )]
        return Some(float as i64);
    }
    number.as_i64()
}
