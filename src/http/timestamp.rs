//! Times in responses: UTC with `Z` and six fraction digits, or no fraction if the microseconds are 0
//! (contract, section 2).

use std::fmt::Write as _;

use chrono::{DateTime, Timelike as _, Utc};
use serde::{Serialize, Serializer, ser::Error as _};

/// A point in time with microsecond precision. It has no schema of its own: a member says `#[schema(value_type
/// = String, format = DateTime, …)]`, because generators turn a named schema of a text into a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp(pub DateTime<Utc>);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // chrono parses its format string for every value, which takes longer than serialising the rest of an
        // article.
        let (date, time, micros) = (self.0.date_naive(), self.0.time(), self.0.timestamp_subsec_micros());
        let (hour, minute, second) = (time.hour(), time.minute(), time.second());
        let mut text = String::with_capacity("2026-11-23T15:39:42.169551Z".len());
        let written = if micros == 0 {
            write!(text, "{date:?}T{hour:02}:{minute:02}:{second:02}Z")
        } else {
            write!(text, "{date:?}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
        };
        written.map_err(S::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_six_fraction_digits_or_none() {
        for (micros, json) in [
            (0, "\"1970-01-01T00:00:01Z\""),
            (1, "\"1970-01-01T00:00:01.000001Z\""),
            (100_000, "\"1970-01-01T00:00:01.100000Z\""),
            (999_999, "\"1970-01-01T00:00:01.999999Z\""),
        ] {
            let instant = DateTime::from_timestamp(1, micros * 1000).unwrap();
            assert_eq!(serde_json::to_string(&Timestamp(instant)).unwrap(), json);
        }
    }
}
