//! Instants on the wire: UTC with `Z`, six fraction digits, or none where the microseconds are 0 (contract, section 2).

use chrono::{DateTime, Timelike as _, Utc};
use serde::{Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat,
        schema::{SchemaType, Type},
    },
};

/// An instant of microsecond precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp(pub DateTime<Utc>);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form =
            if self.0.nanosecond() / 1000 == 0 { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%.6fZ" };
        serializer.collect_str(&self.0.format(form))
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        let schema = ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples(["2026-11-23T15:39:42.169551Z"]);
        RefOr::T(Schema::Object(schema.build()))
    }
}

impl ToSchema for Timestamp {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_or_none() {
        for (micros, wire) in [
            (0, "\"1970-01-01T00:00:01Z\""),
            (1, "\"1970-01-01T00:00:01.000001Z\""),
            (100_000, "\"1970-01-01T00:00:01.100000Z\""),
            (999_999, "\"1970-01-01T00:00:01.999999Z\""),
        ] {
            let instant = DateTime::from_timestamp(1, micros * 1000).unwrap();
            assert_eq!(serde_json::to_string(&Timestamp(instant)).unwrap(), wire);
        }
    }
}
