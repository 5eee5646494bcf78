//! Whole numbers with Pydantic's coercions (contract, section 2): ids and numbers of rows.

use std::borrow::Cow;

use chrono::TimeDelta;
use utoipa::openapi::{
    KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat,
    schema::{SchemaType, Type},
};

use super::{Field, Input, InvalidValue, Limits, Timing};

/// Number of rows of a page if `limit` is absent.
const DEFAULT_PAGE_SIZE: u32 = 100;

/// Pydantic rejects longer texts.
const MAX_LENGTH: usize = 4300;

/// The rule of a whole number.
#[derive(Clone, Copy, Debug)]
pub struct IntegerRule {
    /// The minimum.
    pub min: i64,
    /// The maximum.
    pub max: i64,
    /// When a number out of bounds is reported.
    pub bounds_error: Timing,
}

/// A whole number before its bounds are checked. Numbers beyond 64 bits have variants of their own.
enum Unbounded {
    Number(i64),
    TooLarge,
    TooSmall,
}

/// Parses a whole number by its rule.
pub fn parse_integer(input: Input<'_>, rule: &IntegerRule) -> Result<i64, InvalidValue> {
    let IntegerRule { min, max, bounds_error } = *rule;
    let invalid = match parse_unbounded(input)? {
        Unbounded::Number(number) if (min..=max).contains(&number) => return Ok(number),
        Unbounded::Number(number) if number > max => {
            let msg = format!("Input should be less than or equal to {max}");
            InvalidValue::new("less_than_equal", msg).with("le", max)
        }
        Unbounded::Number(_) | Unbounded::TooSmall => {
            let msg = format!("Input should be greater than or equal to {min}");
            InvalidValue::new("greater_than_equal", msg).with("ge", min)
        }
        Unbounded::TooLarge => too_large(),
    };
    Err(invalid.reported(bounds_error))
}

/// In paths and queries, a whole number consists of an optional sign and ASCII digits. Either `.` with zeros
/// follows, or single underscores separate digits.
fn parse_unbounded(input: Input<'_>) -> Result<Unbounded, InvalidValue> {
    let text = match input {
        Input::Text(text) => text,
        Input::Json(value) => return value.as_i64().map(Unbounded::Number).ok_or_else(wrong_type),
        Input::Repeated(_) => return Err(wrong_type()),
    };
    let unparsed = || {
        let msg = "Input should be a valid integer, unable to parse string as an integer";
        InvalidValue::new("int_parsing", msg)
    };
    if text.len() > MAX_LENGTH {
        return Err(too_large());
    }
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|byte| byte == b'0') => Cow::from(whole),
        Some(_) => return Err(unparsed()),
        None => without_separators(text),
    };
    let digits = whole.strip_prefix(['-', '+']).unwrap_or(&whole);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(unparsed());
    }
    Ok(match whole.parse() {
        Ok(number) => Unbounded::Number(number),
        Err(_) if whole.starts_with('-') => Unbounded::TooSmall,
        Err(_) => Unbounded::TooLarge,
    })
}

/// Removes underscores as Pydantic does: not if the first or the last character is one, or if two are
/// adjacent.
fn without_separators(text: &str) -> Cow<'_, str> {
    if !text.contains('_') || text.starts_with('_') || text.ends_with('_') || text.contains("__") {
        return text.into();
    }
    text.replace('_', "").into()
}

fn wrong_type() -> InvalidValue {
    InvalidValue::new("int_type", "Input should be a valid integer")
}

fn too_large() -> InvalidValue {
    let msg = "Unable to parse input string as an integer, exceeded maximum size";
    InvalidValue::new("int_parsing_size", msg)
}

fn integer() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::Integer))
}

/// A lifetime in seconds: 1 to `MAX`.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime<const MAX: u32>(pub TimeDelta);

impl<const MAX: u32> Field for Lifetime<MAX> {
    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        let rule = IntegerRule { min: 1, max: MAX.into(), bounds_error: Timing::Early };
        parse_integer(input, &rule).map(|seconds| Self(TimeDelta::seconds(seconds)))
    }

    fn schema() -> RefOr<Schema> {
        integer()
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(1))
            .maximum(Some(MAX))
            .into()
    }
}

/// The id of a row. A number outside the 32-bit range is valid, but matches no row (contract, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(Option<i32>);

impl Id {
    /// The id; `None` if no row can have it.
    pub fn get(self) -> Option<i32> {
        self.0
    }
}

impl Field for Id {
    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        Ok(match parse_unbounded(input)? {
            Unbounded::Number(number) => Self(i32::try_from(number).ok()),
            Unbounded::TooLarge | Unbounded::TooSmall => Self(None),
        })
    }

    fn schema() -> RefOr<Schema> {
        integer().format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32))).into()
    }
}

/// The rule of a number of rows. In the FastAPI blog the database checked the bounds, so their errors are
/// late.
fn rows(max: i64) -> IntegerRule {
    IntegerRule { min: 0, max, bounds_error: Timing::Late }
}

fn rows_schema() -> ObjectBuilder {
    integer().format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64))).minimum(Some(0))
}

/// Number of rows to skip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skip(pub u64);

impl Field for Skip {
    const OPTIONAL: bool = true;

    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        parse_integer(input, &rows(i64::MAX)).map(|rows| Self(rows.unsigned_abs()))
    }

    fn absent(_limits: &Limits) -> Option<Self> {
        Some(Self(0))
    }

    fn schema() -> RefOr<Schema> {
        rows_schema().default(Some(0.into())).into()
    }
}

/// Number of rows of one page, at most `MAX_PAGE_SIZE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize(pub u64);

impl Field for PageSize {
    const OPTIONAL: bool = true;

    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue> {
        let rule = rows(limits.max_page_size.map_or(i64::MAX, Into::into));
        parse_integer(input, &rule).map(|rows| Self(rows.unsigned_abs()))
    }

    fn absent(limits: &Limits) -> Option<Self> {
        let rows = limits.max_page_size.map_or(DEFAULT_PAGE_SIZE, |max| max.min(DEFAULT_PAGE_SIZE));
        Some(Self(rows.into()))
    }

    /// The maximum is the default of `MAX_PAGE_SIZE`; `openapi` replaces it with the setting of the server.
    fn schema() -> RefOr<Schema> {
        rows_schema().maximum(Some(1000)).default(Some(DEFAULT_PAGE_SIZE.into())).into()
    }
}
