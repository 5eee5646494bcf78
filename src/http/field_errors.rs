//! Errors of single fields: the violated rule, the location of the value, and the body of a 422 (contract,
//! section 3).

use std::{borrow::Cow, fmt};

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::echo::{Echo, MAX_TOTAL_BYTES};

/// The maximum number of errors that a response lists.
pub const MAX_ERRORS: usize = 50;

/// When an error is reported. The FastAPI blog detected some invalid values only when the database rejected
/// them, after it had looked up the article. Its clients expect 404 and 403 before those errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// With all other errors of the request, before any row is looked up.
    Early,
    /// Only if the request has no early errors, and after 404 and 403.
    Late,
}

/// Why a value is invalid. The location and the value itself are added by [`FieldErrors::add`].
#[derive(Debug)]
pub struct InvalidValue(Reason);

#[derive(Debug)]
enum Reason {
    Value { kind: &'static str, msg: Cow<'static, str>, ctx: Option<Map<String, Value>>, timing: Timing },
    Parts(Vec<InvalidPart>),
}

/// An invalid member of an object, or an invalid item of a list.
#[derive(Debug)]
pub struct InvalidPart {
    at: LocationPart,
    input: Echo,
    invalid: InvalidValue,
}

impl InvalidValue {
    /// An error with Pydantic's type and message.
    pub fn new(kind: &'static str, msg: impl Into<Cow<'static, str>>) -> Self {
        Self(Reason::Value { kind, msg: msg.into(), ctx: None, timing: Timing::Early })
    }

    /// A required field is absent.
    pub fn missing() -> Self {
        Self::new("missing", "Field required")
    }

    /// A value that violates a rule of the application.
    pub fn rejected(error: impl Into<String>) -> Self {
        let error = error.into();
        Self::new("value_error", format!("Value error, {error}")).with("error", error)
    }

    /// A value that is not one of `words`.
    pub fn choice(words: &[&str]) -> Self {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let expected = match quoted.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => quoted.concat(),
        };
        Self::new("literal_error", format!("Input should be {expected}")).with("expected", expected)
    }

    /// An object or a list with invalid parts.
    pub fn of_parts(parts: Vec<InvalidPart>) -> Self {
        Self(Reason::Parts(parts))
    }

    /// Adds a parameter of the violated rule to `ctx`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        if let Reason::Value { ctx, .. } = &mut self.0 {
            ctx.get_or_insert_default().insert(name.to_owned(), value.into());
        }
        self
    }

    /// Sets when the error and those of its parts are reported.
    #[must_use]
    pub fn reported(mut self, when: Timing) -> Self {
        match &mut self.0 {
            Reason::Value { timing, .. } => *timing = when,
            Reason::Parts(parts) => {
                for part in parts {
                    let invalid = std::mem::replace(&mut part.invalid, Self::of_parts(Vec::new()));
                    part.invalid = invalid.reported(when);
                }
            }
        }
        self
    }

    /// The echo of the value. Errors of parts show only the part, so the whole value is not copied.
    fn echo(&self, input: impl FnOnce() -> Echo) -> Echo {
        match self.0 {
            Reason::Value { .. } => input(),
            Reason::Parts(_) => Value::Null.into(),
        }
    }
}

impl InvalidPart {
    /// An error of the part at `at`. `input` creates the echo of its value.
    pub fn new(at: impl Into<LocationPart>, invalid: InvalidValue, input: impl FnOnce() -> Echo) -> Self {
        Self { at: at.into(), input: invalid.echo(input), invalid }
    }
}

/// One invalid value, as Pydantic 2 reports it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldError {
    /// A stable error type, for example `string_too_short`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The location of the value, for example `["body","tags",2]`.
    pub loc: Vec<LocationPart>,
    /// The violated rule.
    pub msg: Cow<'static, str>,
    /// The value received.
    pub input: Echo,
    /// The rule's parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx: Option<Map<String, Value>>,
}

/// One part of an error's `loc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum LocationPart {
    /// A part of the request, or a member's name.
    Name(&'static str),
    /// An item's position in a list, or a character's position in the body.
    Index(usize),
}

impl From<&'static str> for LocationPart {
    fn from(name: &'static str) -> Self {
        Self::Name(name)
    }
}

impl From<usize> for LocationPart {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl fmt::Display for LocationPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Index(index) => index.fmt(f),
        }
    }
}

impl fmt::Display for FieldError {
    /// The field's path within its part of the request and the violated rule, without the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = match self.loc.as_slice() {
            [_, path @ ..] if !path.is_empty() => path,
            whole => whole,
        };
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        write!(f, "{}: {}", path.join("."), self.msg)
    }
}

/// The errors of a request, in the order in which its fields are declared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldErrors {
    early: Vec<FieldError>,
    late: Vec<FieldError>,
}

impl FieldErrors {
    /// A single error.
    pub fn one(invalid: InvalidValue, loc: &[&'static str], input: Value) -> Self {
        let mut errors = Self::default();
        errors.add(invalid, loc.iter().copied().map(Into::into).collect(), || input.into());
        errors
    }

    /// Adds the error of the value at `loc`, or the errors of its parts. `input` creates the echo of the
    /// value.
    pub fn add(&mut self, invalid: InvalidValue, loc: Vec<LocationPart>, input: impl FnOnce() -> Echo) {
        let input = invalid.echo(input);
        self.push(invalid, loc, input);
    }

    fn push(&mut self, invalid: InvalidValue, loc: Vec<LocationPart>, input: Echo) {
        match invalid.0 {
            Reason::Value { kind, msg, ctx, timing } => {
                let errors = match timing {
                    Timing::Early => &mut self.early,
                    Timing::Late => &mut self.late,
                };
                errors.push(FieldError { kind, loc, msg, input, ctx });
            }
            Reason::Parts(parts) => {
                for InvalidPart { at, input, invalid } in parts {
                    let loc = loc.iter().copied().chain([at]).collect();
                    self.push(invalid, loc, input);
                }
            }
        }
    }

    /// Adds the errors of `other` after those of `self`.
    pub fn append(&mut self, mut other: Self) {
        self.early.append(&mut other.early);
        self.late.append(&mut other.late);
    }

    /// Whether there are errors that must be reported before any row is looked up.
    pub fn has_early(&self) -> bool {
        !self.early.is_empty()
    }

    /// The errors that the response lists: the early ones, or else the late ones; at most [`MAX_ERRORS`].
    pub fn reported(&self) -> &[FieldError] {
        let errors = if self.has_early() { &self.early } else { &self.late };
        errors.get(..MAX_ERRORS).unwrap_or(errors)
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors: Vec<String> = self.reported().iter().map(ToString::to_string).collect();
        f.write_str(&errors.join("; "))
    }
}

impl Serialize for FieldErrors {
    /// Once the inputs have more than 48 KiB together, the later ones are replaced by their sizes.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut total = 0_usize;
        serializer.collect_seq(self.reported().iter().map(|error| {
            total = total.saturating_add(error.input.written_bytes());
            if total > MAX_TOTAL_BYTES {
                Cow::Owned(FieldError { input: error.input.without_value(), ..error.clone() })
            } else {
                Cow::Borrowed(error)
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn invalid(kind: &'static str) -> InvalidValue {
        InvalidValue::new(kind, "wrong")
    }

    #[test]
    fn errors_of_parts_are_located_within_the_whole() {
        let item = InvalidPart::new(2, invalid("a").with("min", 1).with("max", 3), || json!("x").into());
        let whole = InvalidValue::of_parts(vec![InvalidPart::new(
            "tags",
            InvalidValue::of_parts(vec![item]),
            || panic!("only the part is copied"),
        )]);
        let mut errors = FieldErrors::default();
        errors.add(whole, vec!["body".into()], || panic!("only the part is copied"));
        assert_eq!(
            serde_json::to_string(&errors).unwrap(),
            r#"[{"type":"a","loc":["body","tags",2],"msg":"wrong","input":"x","ctx":{"min":1,"max":3}}]"#
        );
        assert_eq!(errors.to_string(), "tags.2: wrong");
    }

    #[test]
    fn late_errors_are_reported_only_if_there_are_no_early_ones() {
        let part = InvalidPart::new("name", invalid("late"), || json!(null).into());
        let late = InvalidValue::of_parts(vec![part]).reported(Timing::Late);
        let mut errors = FieldErrors::default();
        errors.add(late, vec!["body".into()], || json!(null).into());
        assert!(!errors.has_early());
        assert_eq!(errors.reported().len(), 1);
        errors.append(FieldErrors::one(invalid("early"), &["query", "q"], json!("x")));
        assert!(errors.has_early());
        assert_eq!(errors.reported().iter().map(|error| error.kind).collect::<Vec<_>>(), ["early"]);
    }

    #[test]
    fn the_message_for_people_names_the_field_and_never_the_value() {
        let error = FieldErrors::one(InvalidValue::missing(), &["body"], json!("s3cr3t"));
        assert_eq!(error.to_string(), "body: Field required");
        let error = FieldErrors::one(InvalidValue::choice(&["a", "b", "c"]), &["query", "sort"], json!("d"));
        assert_eq!(error.to_string(), "sort: Input should be 'a', 'b' or 'c'");
    }
}
