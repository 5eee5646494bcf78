//! Fields that may be absent, and fields that may be null.

use utoipa::openapi::{RefOr, Schema};

use super::{Components, Echo, Field, Input, InvalidValue, Limits, describe::nullable};

/// A field that may be absent. Null is not allowed: it is an error of `T`.
impl<T: Field> Field for Option<T> {
    const SECRET: bool = T::SECRET;
    const OPTIONAL: bool = true;
    const REPEATABLE: bool = T::REPEATABLE;

    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue> {
        T::parse(input, limits).map(Some)
    }

    fn absent(_limits: &Limits) -> Option<Self> {
        Some(None)
    }

    fn echo(input: Input<'_>) -> Echo {
        T::echo(input)
    }

    fn schema() -> RefOr<Schema> {
        T::schema()
    }

    fn components(components: &mut Components) {
        T::components(components);
    }
}

/// A member of a JSON body that may be absent or null, for a nullable column. A PATCH leaves the column
/// unchanged, clears it or sets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nullable<T> {
    /// The member is absent.
    #[default]
    Absent,
    /// The member is null.
    Null,
    /// The member has a value.
    Value(T),
}

impl<T> Nullable<T> {
    /// The value to store in a new row: null if the member is absent.
    pub fn into_value(self) -> Option<T> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }

    /// The value to store in an existing row; `None` if the column stays unchanged.
    pub fn into_change(self) -> Option<Option<T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Value(value) => Some(Some(value)),
        }
    }
}

impl<T: Field> Field for Nullable<T> {
    const SECRET: bool = T::SECRET;
    const OPTIONAL: bool = true;
    const REPEATABLE: bool = T::REPEATABLE;

    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue> {
        if input.is_null() { Ok(Self::Null) } else { T::parse(input, limits).map(Self::Value) }
    }

    fn absent(_limits: &Limits) -> Option<Self> {
        Some(Self::Absent)
    }

    fn echo(input: Input<'_>) -> Echo {
        T::echo(input)
    }

    fn schema() -> RefOr<Schema> {
        nullable(T::schema())
    }

    fn components(components: &mut Components) {
        T::components(components);
    }
}
