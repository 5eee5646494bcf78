//! A time as both databases store it, decoded without failing: what cannot be represented becomes the nearest
//! time between the years 1 and 9999.

use sea_orm::{
    ColIdx, QueryResult, TryGetError, TryGetable, Value,
    entity::prelude::*,
    sea_query::{ArrayType, Nullable, ValueType, ValueTypeErr},
    sqlx::Row as _,
};

/// A point in time, in UTC, between the years 1 and 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoredTime(DateTimeUtc);

/// 0001-01-01T00:00:00Z in microseconds of Unix time.
const FIRST: i64 = -62_135_596_800_000_000;

/// 9999-12-31T23:59:59.999999Z in microseconds of Unix time.
const LAST: i64 = 253_402_300_799_999_999;

/// 2000-01-01T00:00:00Z, from where PostgreSQL counts, in microseconds of Unix time.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

impl StoredTime {
    /// The earliest time.
    pub const MIN: Self = Self::from_micros(FIRST);

    /// The latest time.
    pub const MAX: Self = Self::from_micros(LAST);

    /// The time itself.
    pub fn get(self) -> DateTimeUtc {
        self.0
    }

    const fn from_micros(micros: i64) -> Self {
        let micros = if micros < FIRST {
            FIRST
        } else if micros > LAST {
            LAST
        } else {
            micros
        };
        match DateTimeUtc::from_timestamp_micros(micros) {
            Some(time) => Self(time),
            None => Self(DateTimeUtc::UNIX_EPOCH),
        }
    }
}

impl From<DateTimeUtc> for StoredTime {
    fn from(time: DateTimeUtc) -> Self {
        if time < Self::MIN.0 {
            Self::MIN
        } else if time > Self::MAX.0 {
            Self::MAX
        } else {
            Self(time)
        }
    }
}

impl From<StoredTime> for DateTimeUtc {
    fn from(time: StoredTime) -> Self {
        time.0
    }
}

impl From<StoredTime> for Value {
    fn from(time: StoredTime) -> Self {
        time.0.into()
    }
}

impl TryGetable for StoredTime {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        // The driver panics at infinity, which is the largest number of microseconds.
        if let Some(row) = row.try_as_pg_row()
            && let Ok(micros) = row.try_get_unchecked::<i64, _>(index.as_sqlx_postgres_index())
        {
            return Ok(Self::from_micros(micros.saturating_add(POSTGRES_EPOCH)));
        }
        match DateTimeUtc::try_get_by(row, index) {
            Ok(time) => Ok(time.into()),
            // SQLite stores any text. One that is no time must not make a whole page fail.
            Err(error) if row.try_as_sqlite_row().is_some() => {
                String::try_get_by(row, index).map(|_| Self::MIN).map_err(|_| error)
            }
            Err(error) => Err(error),
        }
    }
}

impl ValueType for StoredTime {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        <DateTimeUtc as ValueType>::try_from(value).map(Self::from)
    }

    fn type_name() -> String {
        "StoredTime".to_owned()
    }

    fn array_type() -> ArrayType {
        DateTimeUtc::array_type()
    }

    fn column_type() -> ColumnType {
        DateTimeUtc::column_type()
    }
}

impl Nullable for StoredTime {
    fn null() -> Value {
        DateTimeUtc::null()
    }
}
