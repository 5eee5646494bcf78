//! The kinds of values: text, truth, whole numbers, with Pydantic's coercions (contract, section 2).

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveTime, Utc};
use regex::Regex;
use serde_json::{Number, Value};
use utoipa::openapi::{
    KnownFormat, ObjectBuilder, SchemaFormat,
    schema::{SchemaType, Type},
};

use super::{Field, Input, InvalidValue, Limits};

/// No U+0000: PostgreSQL stores no such text.
pub const NO_NUL: &str = r"^[^\u0000]*$";

/// Rows of a page where `limit` is not given.
const DEFAULT_PAGE_SIZE: u32 = 100;

/// Pydantic reads no integer of more digits than this.
const MAX_DIGITS: usize = 4300;

/// What a text must be.
#[derive(Clone, Debug)]
pub struct TextRule {
    /// The least number of code points.
    pub min: usize,
    /// The greatest number of code points.
    pub max: Option<usize>,
    /// What the whole text must match, in the dialect that ECMA-262 and the `regex` crate share.
    pub pattern: Regex,
    /// A name for its form, as JSON Schema knows it.
    pub format: Option<&'static str>,
}

impl TextRule {
    /// A text of `min` to `max` code points that matches `pattern`, a constant of ours.
    ///
    /// # Panics
    /// When the pattern doesn't compile: the first test of its field shows it.
    #[expect(clippy::expect_used, reason = "patterns are constants")]
    pub fn new(min: usize, max: Option<usize>, pattern: &str) -> Self {
        Self { min, max, pattern: Regex::new(pattern).expect("a pattern that compiles"), format: None }
    }
}

/// Reads a text by its rule.
pub fn parse_text(input: Input<'_>, rule: &TextRule) -> Result<String, InvalidValue> {
    let text = match input {
        Input::Text(text) => text,
        Input::Json(Value::String(text)) => text.as_str(),
        Input::Json(_) => return Err(InvalidValue::new("string_type", "Input should be a valid string")),
    };
    // A byte count bounds the code points from both sides, which saves counting most texts.
    let points = || text.chars().count();
    if text.len() < rule.min.saturating_mul(4) && points() < rule.min {
        let noun = if rule.min == 1 { "character" } else { "characters" };
        let msg = format!("String should have at least {} {noun}", rule.min);
        return Err(InvalidValue::new("string_too_short", msg).with("min_length", rule.min));
    }
    if let Some(max) = rule.max.filter(|max| text.len() > *max && points() > *max) {
        let msg = format!("String should have at most {max} characters");
        return Err(InvalidValue::new("string_too_long", msg).with("max_length", max));
    }
    if !rule.pattern.is_match(text) {
        let pattern = rule.pattern.as_str();
        let msg = format!("String should match pattern '{pattern}'");
        let invalid = InvalidValue::new("string_pattern_mismatch", msg).with("pattern", pattern);
        return Err(if pattern == NO_NUL { invalid.late() } else { invalid });
    }
    Ok(text.to_owned())
}

/// The schema of a text by its rule.
pub fn text_schema(rule: &TextRule) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .min_length((rule.min > 0).then_some(rule.min))
        .max_length(rule.max)
        .pattern(Some(rule.pattern.as_str()))
        .format(rule.format.map(|format| SchemaFormat::Custom(format.to_owned())))
}

impl Field for bool {
    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        let unclear = "Input should be a valid boolean, unable to interpret input";
        let unclear = || InvalidValue::new("bool_parsing", unclear);
        let no_bool = || InvalidValue::new("bool_type", "Input should be a valid boolean");
        match input {
            Input::Json(Value::Bool(value)) => Ok(*value),
            Input::Json(Value::Number(number)) => match whole_number(number) {
                Some(0) => Ok(false),
                Some(1) => Ok(true),
                Some(_) => Err(unclear()),
                None => Err(no_bool()),
            },
            Input::Json(Value::String(text)) => parse_bool_text(text).ok_or_else(unclear),
            Input::Text(text) => parse_bool_text(text).ok_or_else(unclear),
            Input::Json(Value::Null | Value::Array(_) | Value::Object(_)) => Err(no_bool()),
        }
    }

    fn schema() -> ObjectBuilder {
        ObjectBuilder::new().schema_type(SchemaType::Type(Type::Boolean))
    }
}

fn parse_bool_text(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// A number that is whole and has at most 64 bits with sign, `2.0` and `1e18` among them. The bounds are left out: an
/// integer just beyond them is read as the float that they are.
fn whole_number(number: &Number) -> Option<i64> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if number.is_f64() {
        let float =
            number.as_f64().filter(|float| float.fract() == 0.0 && -BEYOND < *float && *float < BEYOND)?;
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            reason = "whole and in range, as just seen"
        )]
        return Some(float as i64);
    }
    number.as_i64()
}

/// A whole number as paths and queries spell it: an optional sign, ASCII digits, `.` and zeros behind them.
enum ParsedInteger {
    Fits(i64),
    Above,
    Below,
}

fn parse_integer(input: Input<'_>) -> Result<ParsedInteger, InvalidValue> {
    let text = match input {
        Input::Text(text) => text,
        Input::Json(value) => {
            let wrong = || InvalidValue::new("int_type", "Input should be a valid integer");
            return value.as_i64().map(ParsedInteger::Fits).ok_or_else(wrong);
        }
    };
    let unparsed = || {
        InvalidValue::new(
            "int_parsing",
            "Input should be a valid integer, unable to parse string as an integer",
        )
    };
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = match unsigned.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|byte| byte == b'0') => whole,
        Some(_) => return Err(unparsed()),
        None => unsigned,
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(unparsed());
    }
    if digits.len() > MAX_DIGITS {
        return Err(too_big());
    }
    let sign = if negative { "-" } else { "" };
    Ok(match format!("{sign}{digits}").parse() {
        Ok(number) => ParsedInteger::Fits(number),
        Err(_) if negative => ParsedInteger::Below,
        Err(_) => ParsedInteger::Above,
    })
}

fn too_big() -> InvalidValue {
    InvalidValue::new("int_parsing_size", "Unable to parse input string as an integer, exceeded maximum size")
}

/// A number of rows: not negative, at most 64 bits with sign.
fn count(input: Input<'_>) -> Result<u64, InvalidValue> {
    let negative = || {
        InvalidValue::new("greater_than_equal", "Input should be greater than or equal to 0")
            .with("ge", 0)
            .late()
    };
    match parse_integer(input)? {
        ParsedInteger::Fits(number) => u64::try_from(number).map_err(|_| negative()),
        ParsedInteger::Below => Err(negative()),
        ParsedInteger::Above => Err(too_big().late()),
    }
}

fn integer() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::Integer))
}

/// A moment: RFC 3339 with any offset, or a date, which means its first moment in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant(pub DateTime<Utc>);

impl Instant {
    /// The moment, if its year in UTC is one of RFC 3339: PostgreSQL doesn't know all that lie before, and SQLite, which compares
    /// text, puts those behind before all others.
    pub fn new(moment: DateTime<Utc>) -> Option<Self> {
        (0..=9999).contains(&moment.year()).then_some(Self(moment))
    }

    /// The same of microseconds since 1970.
    pub fn from_micros(micros: i64) -> Option<Self> {
        DateTime::from_timestamp_micros(micros).and_then(Self::new)
    }
}

impl Field for Instant {
    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        // In a query a `+` that was not encoded arrives as a blank.
        let text = input.text().unwrap_or_default().replace(' ', "+");
        let moment = DateTime::parse_from_rfc3339(&text).map(|moment| moment.to_utc());
        let date = || text.parse::<NaiveDate>().map(|date| date.and_time(NaiveTime::MIN).and_utc());
        moment.or_else(|_| date()).ok().and_then(Self::new).ok_or_else(|| {
            InvalidValue::new(
                "datetime_parsing",
                "Input should be a valid datetime or date, as RFC 3339 has it",
            )
        })
    }

    fn schema() -> ObjectBuilder {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
    }
}

/// A row's id. Numbers that no 32-bit id can be are valid, and name nothing (contract, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(Option<i32>);

impl Id {
    /// The id, where it can be one.
    pub fn get(self) -> Option<i32> {
        self.0
    }
}

impl Field for Id {
    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        Ok(match parse_integer(input)? {
            ParsedInteger::Fits(number) => Self(i32::try_from(number).ok()),
            ParsedInteger::Above | ParsedInteger::Below => Self(None),
        })
    }

    fn schema() -> ObjectBuilder {
        integer().format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
    }
}

/// Rows to pass over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skip(pub u64);

impl Field for Skip {
    const OPTIONAL: bool = true;

    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        count(input).map(Self)
    }

    fn absent(_limits: &Limits) -> Option<Self> {
        Some(Self(0))
    }

    fn schema() -> ObjectBuilder {
        integer().minimum(Some(0)).maximum(Some(i64::MAX)).default(Some(0.into()))
    }
}

/// Rows of one page, at most `MAX_PAGE_SIZE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize(pub u64);

impl Field for PageSize {
    const OPTIONAL: bool = true;

    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue> {
        let rows = count(input)?;
        match limits.max_page_size {
            Some(max) if rows > u64::from(max) => {
                let msg = format!("Input should be less than or equal to {max}");
                Err(InvalidValue::new("less_than_equal", msg).with("le", max).late())
            }
            _ => Ok(Self(rows)),
        }
    }

    fn absent(limits: &Limits) -> Option<Self> {
        let rows = limits.max_page_size.map_or(DEFAULT_PAGE_SIZE, |max| max.min(DEFAULT_PAGE_SIZE));
        Some(Self(rows.into()))
    }

    /// With the maximum that a server has unless it is set; `openapi` writes in what this one has.
    fn schema() -> ObjectBuilder {
        integer().minimum(Some(0)).maximum(Some(1000)).default(Some(DEFAULT_PAGE_SIZE.into()))
    }
}
