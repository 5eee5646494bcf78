//! Points in time.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike as _, Utc};
use regex::Regex;
use utoipa::openapi::{
    KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat,
    schema::{SchemaType, Type},
};

use super::{Field, Input, InvalidValue, Limits};

/// A date, or a date and a time, which may lack seconds and offset. A `+` that was not percent-encoded in a
/// query is decoded to a space, so a space is a valid sign of the offset.
static CALENDAR: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?<date>[0-9]{4}-[0-9]{2}-[0-9]{2})([Tt_ ](?<time>[0-9]{2}:[0-9]{2})(:(?<second>[0-5][0-9])([.,](?<fraction>[0-9]+))?)?([Zz]|(?<sign>[+ \u2212-])(?<hours>[0-9]{2}):?(?<minutes>[0-9]{2}))?)?$",
    )
});

/// A number of seconds or milliseconds since the start of 1970.
static UNIX: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?<sign>[+ -]?)(?<whole>[0-9]+)(\.(?<fraction>[0-9]*))?$"));

/// Larger Unix times are milliseconds, as in Pydantic. In seconds, this is a time in the year 2603.
const WATERSHED: i64 = 20_000_000_000;

/// A point in time, in the forms that Pydantic accepts (contract, section 11): a date with or without a time,
/// or a Unix time.
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
        let text = input.text().unwrap_or_default();
        let time = parse_calendar(text).or_else(|| parse_unix(text)).and_then(Self::new);
        time.ok_or_else(|| {
            InvalidValue::new("datetime_parsing", "Input should be a valid datetime, date or Unix time")
        })
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

/// Completes the text to a time as in RFC 3339. Digits after the sixth of a fraction are cut off.
fn parse_calendar(text: &str) -> Option<DateTime<Utc>> {
    let parts = CALENDAR.captures(text)?;
    let part = |name, absent| parts.name(name).map_or(absent, |part| part.as_str());
    let (date, time, second) = (part("date", ""), part("time", "00:00"), part("second", "00"));
    let fraction = part("fraction", "0");
    let sign = if matches!(part("sign", "+"), "-" | "\u{2212}") { '-' } else { '+' };
    let (hours, minutes) = (part("hours", "00"), part("minutes", "00"));
    let complete = format!("{date}T{time}:{second}.{fraction:.6}{sign}{hours}:{minutes}");
    DateTime::parse_from_rfc3339(&complete).ok().map(|time| time.to_utc())
}

/// Rounds to microseconds.
fn parse_unix(text: &str) -> Option<DateTime<Utc>> {
    let parts = UNIX.captures(text)?;
    let whole: i64 = parts.name("whole")?.as_str().parse().ok()?;
    let fraction = parts.name("fraction").map_or("", |part| part.as_str());
    let (micros_per_unit, digits) = if whole > WATERSHED { (1000, 3) } else { (1_000_000, 6) };
    let tenths: i64 = format!("{fraction:0<width$.width$}", width = digits + 1).parse().ok()?;
    let micros = whole.checked_mul(micros_per_unit)?.checked_add((tenths + 5) / 10)?;
    let is_negative = parts.name("sign").is_some_and(|sign| sign.as_str() == "-");
    DateTime::from_timestamp_micros(if is_negative { -micros } else { micros })
}

#[expect(clippy::expect_used, reason = "the patterns are constants")]
fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern that compiles")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { max_page_size: None, max_body_bytes: 1 };

    /// The time in RFC 3339, or none if the text is not accepted.
    fn parse(text: &str) -> Option<String> {
        let Instant(time) = Instant::parse(Input::Text(text), &LIMITS).ok()?;
        Some(time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string())
    }

    #[track_caller]
    fn assert_parsed(cases: &[(&str, &str)]) {
        for (text, time) in cases {
            assert_eq!(parse(text).as_deref(), Some(*time), "{text}");
        }
    }

    #[test]
    fn a_date_needs_no_time_and_a_time_needs_neither_seconds_nor_an_offset() {
        assert_parsed(&[
            ("2026-11-23", "2026-11-23T00:00:00.000000"),
            ("2024-02-29", "2024-02-29T00:00:00.000000"),
            ("0000-01-01", "0000-01-01T00:00:00.000000"),
            ("2026-11-23T10:05", "2026-11-23T10:05:00.000000"),
            ("2026-11-23 10:05", "2026-11-23T10:05:00.000000"),
            ("2026-11-23_10:05:06", "2026-11-23T10:05:06.000000"),
            ("2026-11-23t10:05z", "2026-11-23T10:05:00.000000"),
            ("2026-11-23T10:05:06,5", "2026-11-23T10:05:06.500000"),
            ("2026-11-23T10:05:06.1234569", "2026-11-23T10:05:06.123456"),
            ("2026-11-23T10:05:06.11111111111111111111", "2026-11-23T10:05:06.111111"),
        ]);
    }

    #[test]
    fn an_offset_needs_no_colon_and_its_plus_may_have_been_decoded_to_a_space() {
        for sign in ["+", " "] {
            for offset in ["0230", "02:30"] {
                for start in ["2026-11-23T10:05", "2026-11-23 10:05:00", "2026-11-23T10:05:00.000"] {
                    assert_parsed(&[(&format!("{start}{sign}{offset}"), "2026-11-23T07:35:00.000000")]);
                }
            }
        }
        assert_parsed(&[
            ("2026-11-23T10:05-0230", "2026-11-23T12:35:00.000000"),
            ("2026-11-23T10:05\u{2212}02:30", "2026-11-23T12:35:00.000000"),
            ("2026-11-23T10:05:00-00:00", "2026-11-23T10:05:00.000000"),
            ("2026-11-23T10:05:00+23:59", "2026-11-22T10:06:00.000000"),
        ]);
    }

    #[test]
    fn a_number_is_a_unix_time_in_seconds_or_milliseconds() {
        assert_parsed(&[
            ("0", "1970-01-01T00:00:00.000000"),
            ("-1", "1969-12-31T23:59:59.000000"),
            ("-1.5", "1969-12-31T23:59:58.500000"),
            ("+1700000000", "2023-11-14T22:13:20.000000"),
            (" 1700000000", "2023-11-14T22:13:20.000000"),
            ("1700000000.", "2023-11-14T22:13:20.000000"),
            ("1700000000.1234567", "2023-11-14T22:13:20.123457"),
            ("1700000000.9999999", "2023-11-14T22:13:21.000000"),
            ("1700000000123", "2023-11-14T22:13:20.123000"),
            ("1700000000123.4567", "2023-11-14T22:13:20.123457"),
            ("20000000000", "2603-10-11T11:33:20.000000"),
            ("20000000001", "1970-08-20T11:33:20.001000"),
            ("-20000000001", "1969-05-14T12:26:39.999000"),
            ("253402300799999", "9999-12-31T23:59:59.999000"),
            ("0000000000000000000000000000001", "1970-01-01T00:00:01.000000"),
            ("20261123", "1970-08-23T12:05:23.000000"),
        ]);
    }

    #[test]
    fn other_text_is_no_time() {
        for text in [
            "",
            " ",
            "now",
            "2026-1-2",
            "2026-11",
            "20261123T100500",
            "2026-W48-1",
            "2026/11/23",
            "23.11.2026",
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-11-23T",
            "2026-11-23Z",
            "2026-11-23+02:00",
            "2026-11-23+10:05:00",
            "2026-11-23  10:05:00",
            "2026-11-23T10",
            "2026-11-23T10:05.5",
            "2026-11-23T1:05:00",
            "2026-11-23T10:60",
            "2026-11-23T24:00",
            "2026-11-23T23:59:60",
            "2026-11-23T10:05:00.",
            "2026-11-23T10:05:00.Z",
            "2026-11-23T10:05:00Z ",
            " 2026-11-23T10:05:00",
            "2026-11-23T10:05:00 Z",
            "2026-11-23T10:05:00 +00:00",
            "2026-11-23T10:05:00+1",
            "2026-11-23T10:05:00+00",
            "2026-11-23T10:05:00+24:00",
            "2026-11-23T10:05:00+23:60",
            "2026-11-23T10:05:00+01:00:00",
            "２０２６-11-23",
            "2026-11-23\n",
            "1e9",
            "0x10",
            ".5",
            "1_000",
            "--1",
            "1.-5",
            "1700000000 ",
            "1700000000\n",
            "٣",
            "253402300800000",
            "-62167219200001",
            "9223372036854775807",
            "99999999999999999999",
            "inf",
            "NaN",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
