//! How fields describe themselves in the OpenAPI document.

use serde_json::Value;
use utoipa::openapi::{
    ObjectBuilder, RefOr, Required, Schema,
    extensions::{Extensions, ExtensionsBuilder},
    path::{Parameter, ParameterBuilder, ParameterIn},
    schema::{OneOfBuilder, SchemaType, Type},
};

use super::Field;

/// Named schemas for the document's components.
pub type Components = Vec<(String, RefOr<Schema>)>;

/// The description of a declared field; made by [`fields!`](crate::fields).
pub struct FieldSchema {
    name: &'static str,
    required: bool,
    schema: RefOr<Schema>,
}

impl FieldSchema {
    /// `docs` are the lines of a doc comment.
    pub fn new<T: Field>(
        name: &'static str,
        docs: &[&str],
        default: Option<Value>,
        example: Option<Value>,
    ) -> Self {
        let required = !T::OPTIONAL && default.is_none();
        let mut schema = T::schema();
        match &mut schema {
            RefOr::Ref(reference) => {
                reference.description = paragraph(docs);
                reference.default = default.or(reference.default.take());
            }
            RefOr::T(schema) => {
                if let Some(own) = annotations(schema) {
                    *own.description = Some(paragraph(docs));
                    *own.default = default.or(own.default.take());
                    own.examples.extend(example);
                }
            }
        }
        Self { name, required, schema }
    }

    /// The schema of an object with these members.
    pub fn object(fields: Vec<Self>, docs: &[&str]) -> RefOr<Schema> {
        let object = ObjectBuilder::new().description(Some(paragraph(docs)));
        let object = fields.into_iter().fold(object, |object, field| {
            let object = object.property(field.name, field.schema);
            if field.required { object.required(field.name) } else { object }
        });
        RefOr::T(Schema::Object(object.build()))
    }

    /// The parameters of a path or a query.
    pub fn parameters(fields: Vec<Self>, place: &ParameterIn) -> Vec<Parameter> {
        let parameter = |mut field: Self| {
            // Pages look for these in the parameter, not in its schema.
            let (description, example) = match &mut field.schema {
                RefOr::Ref(reference) => (Some(std::mem::take(&mut reference.description)), None),
                RefOr::T(schema) => annotations(schema)
                    .map_or((None, None), |own| (own.description.take(), own.examples.pop())),
            };
            let required = if field.required { Required::True } else { Required::False };
            ParameterBuilder::new()
                .name(field.name)
                .parameter_in(place.clone())
                .required(required)
                .description(description)
                .example(example)
                .schema(Some(field.schema))
                .build()
        };
        fields.into_iter().map(parameter).collect()
    }
}

/// A schema that also allows null.
pub(super) fn nullable(schema: RefOr<Schema>) -> RefOr<Schema> {
    match schema {
        // An enum stays whole: each of its values has a name for generated clients, and null has none.
        RefOr::T(Schema::Object(mut object)) if object.enum_values.is_none() => {
            object.schema_type = with_null(object.schema_type);
            RefOr::T(Schema::Object(object))
        }
        RefOr::T(Schema::Array(mut array)) => {
            array.schema_type = with_null(array.schema_type);
            RefOr::T(Schema::Array(array))
        }
        other => OneOfBuilder::new().item(other).item(ObjectBuilder::new().schema_type(Type::Null)).into(),
    }
}

fn with_null(schema_type: SchemaType) -> SchemaType {
    match schema_type {
        SchemaType::Type(only) => SchemaType::Array(vec![only, Type::Null]),
        SchemaType::Array(types) => SchemaType::Array(types.into_iter().chain([Type::Null]).collect()),
        SchemaType::AnyValue => SchemaType::AnyValue,
    }
}

/// The names of an enum's variants, which generators cannot derive from values such as `-created_at`.
pub fn variant_names(names: &[&str]) -> Extensions {
    ExtensionsBuilder::new().add("x-enum-varnames", names).build()
}

/// What every kind of schema has.
struct Annotations<'a> {
    description: &'a mut Option<String>,
    default: &'a mut Option<Value>,
    examples: &'a mut Vec<Value>,
}

/// The annotations of a schema; none for kinds of schemas that later releases of utoipa may add.
fn annotations(schema: &mut Schema) -> Option<Annotations<'_>> {
    macro_rules! annotations {
        ($schema:ident) => {
            Some(Annotations {
                description: &mut $schema.description,
                default: &mut $schema.default,
                examples: &mut $schema.examples,
            })
        };
    }
    match schema {
        Schema::Array(schema) => annotations!(schema),
        Schema::Object(schema) => annotations!(schema),
        Schema::OneOf(schema) => annotations!(schema),
        Schema::AllOf(schema) => annotations!(schema),
        Schema::AnyOf(schema) => annotations!(schema),
        _ => None,
    }
}

fn paragraph(docs: &[&str]) -> String {
    docs.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n").trim().to_owned()
}
