//! Points in time.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveTime, Utc};
use utoipa::openapi::{
    KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat,
    schema::{SchemaType, Type},
};

use super::{Field, Input, InvalidValue, Limits};

/// A point in time: RFC 3339 with any offset, or a date, which means its midnight in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant(pub DateTime<Utc>);

impl Instant {
    /// The time, if its year in UTC has four digits, as RFC 3339 requires. PostgreSQL cannot store all
    /// earlier times, and SQLite compares text, so it sorts later times before all others.
    pub fn new(time: DateTime<Utc>) -> Option<Self> {
        (0..=9999).contains(&time.year()).then_some(Self(time))
    }

    /// The time `micros` microseconds after the start of 1970, under the same condition.
    pub fn from_micros(micros: i64) -> Option<Self> {
        DateTime::from_timestamp_micros(micros).and_then(Self::new)
    }
}

impl Field for Instant {
    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        // An unencoded `+` in a query is decoded to a space.
        let text = input.text().unwrap_or_default().replace(' ', "+");
        let time = DateTime::parse_from_rfc3339(&text).map(|time| time.to_utc());
        let date = || text.parse::<NaiveDate>().map(|date| date.and_time(NaiveTime::MIN).and_utc());
        time.or_else(|_| date()).ok().and_then(Self::new).ok_or_else(|| {
            InvalidValue::new(
                "datetime_parsing",
                "Input should be a valid datetime or date, as RFC 3339 has it",
            )
        })
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}
