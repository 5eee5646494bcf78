//! Text fields and their rules.

use regex::Regex;
use serde_json::Value;
use utoipa::openapi::{
    ObjectBuilder, RefOr, Schema, SchemaFormat,
    schema::{SchemaType, Type},
};

use super::{Input, InvalidValue, Timing};

/// Text without U+0000.
const NO_NUL: &str = r"^[^\u0000]*$";

/// The rule of a text.
#[derive(Clone, Debug)]
pub struct TextRule {
    /// The minimum number of code points.
    pub min: usize,
    /// The maximum number of code points.
    pub max: Option<usize>,
    /// A pattern for the whole text, in the common syntax of ECMA-262 and the `regex` crate.
    pub pattern: Option<Regex>,
    /// The error of a text that does not match the pattern. By default, its message shows the pattern.
    pub mismatch: Option<fn() -> InvalidValue>,
    /// Whether the text may contain U+0000, if the pattern allows it. PostgreSQL cannot store it.
    pub allows_nul: bool,
    /// The `format` of the text in JSON Schema.
    pub format: Option<&'static str>,
}

impl TextRule {
    /// Any text. For values that are compared, not stored.
    pub fn any() -> Self {
        Self { min: 0, max: None, pattern: None, mismatch: None, allows_nul: true, format: None }
    }

    /// A text of `min` to `max` code points that matches `pattern`, which must be a constant.
    ///
    /// # Panics
    /// If the pattern does not compile; every test of the field detects that.
    #[expect(clippy::expect_used, reason = "patterns are constants")]
    pub fn new(min: usize, max: Option<usize>, pattern: &str) -> Self {
        let pattern = Regex::new(pattern).expect("a pattern that compiles");
        Self { min, max, pattern: Some(pattern), ..Self::any() }
    }

    /// A text of `min` to `max` code points without U+0000. The error is late, because in the FastAPI blog the
    /// database made this check. The schema does not mention it: generators turn a pattern into checks and
    /// examples, and no client sends U+0000 by accident.
    pub fn without_nul(min: usize, max: Option<usize>) -> Self {
        Self { min, max, allows_nul: false, ..Self::any() }
    }
}

/// Parses a text by its rule.
pub fn parse_text(input: Input<'_>, rule: &TextRule) -> Result<String, InvalidValue> {
    let text = match input {
        Input::Text(text) => text,
        Input::Json(Value::String(text)) => text.as_str(),
        Input::Json(_) | Input::Repeated(_) => {
            return Err(InvalidValue::new("string_type", "Input should be a valid string"));
        }
    };
    // The number of bytes bounds the number of code points from above and below, so most texts need no
    // counting.
    let points = || text.chars().count();
    if text.len() < rule.min.saturating_mul(4) && points() < rule.min {
        let noun = if rule.min == 1 { "character" } else { "characters" };
        let msg = format!("String should have at least {} {noun}", rule.min);
        return Err(InvalidValue::new("string_too_short", msg).with("min_length", rule.min));
    }
    if let Some(max) = rule.max.filter(|max| text.len() > *max && points() > *max) {
        let noun = if max == 1 { "character" } else { "characters" };
        let msg = format!("String should have at most {max} {noun}");
        return Err(InvalidValue::new("string_too_long", msg).with("max_length", max));
    }
    if let Some(pattern) = rule.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
        return Err(rule.mismatch.map_or_else(|| mismatch(pattern.as_str()), |error| error()));
    }
    if !rule.allows_nul && text.contains('\0') {
        return Err(mismatch(NO_NUL).reported(Timing::Late));
    }
    Ok(text.to_owned())
}

fn mismatch(pattern: &str) -> InvalidValue {
    let msg = format!("String should match pattern '{pattern}'");
    InvalidValue::new("string_pattern_mismatch", msg).with("pattern", pattern)
}

/// The schema of a text by its rule.
pub fn text_schema(rule: &TextRule) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .min_length((rule.min > 0).then_some(rule.min))
        .max_length(rule.max)
        .pattern(rule.pattern.as_ref().map(Regex::as_str))
        .format(rule.format.map(|format| SchemaFormat::Custom(format.to_owned())))
        .into()
}
