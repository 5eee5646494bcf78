//! The schemas of fields in the OpenAPI document.

use utoipa::{IntoParams as _, PartialSchema, ToSchema as _};

use super::*;

#[test]
fn schemas_describe_lists_nullable_fields_and_nested_objects() {
    let tag = json!({ "type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]+$" });
    let with = |mut schema: Value, members: Value| {
        schema.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        schema
    };
    let schema = serde_json::to_value(<Page as PartialSchema>::schema()).unwrap();
    assert_eq!(schema["required"], json!(["tags", "writer"]));
    let expected = json!({
        "tags": { "type": "array", "items": tag, "minItems": 1, "maxItems": 3, "description": "One to three tags." },
        "writer": { "$ref": "#/components/schemas/Writer", "description": "Who wrote it." },
        "subtitle": with(tag.clone(), json!({ "type": ["string", "null"], "description": "A second title." })),
        "editor": {
            "oneOf": [{ "$ref": "#/components/schemas/Writer" }, { "type": "null" }], "description": "Another author.",
        },
        "format": {
            "oneOf": [
                { "type": "string", "enum": ["plain", "markdown"], "x-enum-varnames": ["Plain", "Markdown"] },
                { "type": "null" },
            ],
            "description": "A format.",
        },
        "aliases": { "type": ["array", "null"], "items": tag, "maxItems": 2, "description": "Other names." },
        "summary": with(tag.clone(), json!({ "description": "A summary." })),
        "notes": with(tag.clone(), json!({ "description": "Notes.", "examples": ["abc"] })),
    });
    assert_eq!(schema["properties"], expected);
    let mut components = Components::new();
    Page::schemas(&mut components);
    let names: Vec<&str> = components.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Writer", "Link"]);
}

#[test]
fn parameters_describe_lists() {
    let parameters = serde_json::to_value(Search::into_params(|| None)).unwrap();
    let tag = json!({ "type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]+$" });
    assert_eq!(
        (&parameters[0], &parameters[1]),
        (
            &json!({
                "name": "tag", "in": "query", "required": true, "description": "Up to three tags.",
                "schema": { "type": "array", "items": tag, "maxItems": 3 },
            }),
            &json!({
                "name": "not", "in": "query", "required": false, "description": "Up to two others.",
                "schema": { "type": "array", "items": tag, "maxItems": 2, "default": ["draft"] },
            }),
        )
    );
}
