//! Fields that may be left out.

use utoipa::openapi::{RefOr, Schema};

use super::{Components, Field, Input, InvalidValue, Limits};

/// A field that may be left out. Null is not allowed: it is an error of `T`.
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

    fn echo(input: Input<'_>) -> serde_json::Value {
        T::echo(input)
    }

    fn schema() -> RefOr<Schema> {
        T::schema()
    }

    fn components(components: &mut Components) {
        T::components(components);
    }
}
