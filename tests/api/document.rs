//! The OpenAPI document: every response that a test receives is checked against it.

use std::{collections::HashMap, sync::LazyLock};

use jsonschema::Validator;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::support::openapi_document;

/// Pages that are not part of the API.
const PAGES: [&str; 4] = ["/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"];

/// Headers of HTTP itself and of browsers, which say nothing about an operation. So do those of CORS.
const GENERAL_HEADERS: [&str; 8] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "transfer-encoding",
    "vary",
    "x-content-type-options",
];

static DOCUMENT: LazyLock<Value> = LazyLock::new(openapi_document);

/// The validators of all bodies, by method, path and status.
static VALIDATORS: LazyLock<HashMap<String, Validator>> = LazyLock::new(|| {
    let mut validators = HashMap::new();
    for (path, operations) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let schema = &response["content"]["application/json"]["schema"];
                if schema.is_null() {
                    continue;
                }
                let schema = json!({ "allOf": [schema], "components": DOCUMENT["components"] });
                validators
                    .insert(format!("{method} {path} {status}"), jsonschema::validator_for(&schema).unwrap());
            }
        }
    }
    validators
});

/// The whole document.
pub(crate) fn document() -> &'static Value {
    &DOCUMENT
}

/// The schema itself, or the one that it refers to.
pub(crate) fn resolve(schema: &'static Value) -> &'static Value {
    match schema["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// Fails unless the document declares such a response to `method` on `target`. Names of headers are in lower
/// case.
pub(crate) fn check(method: &str, target: &str, status: u16, headers: &[(String, String)], body: &[u8]) {
    let path = percent_decode_str(target.split(['?', '#']).next().unwrap()).decode_utf8_lossy();
    let path = path.as_ref();
    let seen = format!("{method} {target} → {status} {}", String::from_utf8_lossy(body));
    let body = || -> Value { serde_json::from_slice(body).unwrap_or_else(|_| panic!("not JSON: {seen}")) };
    let Some((pattern, operations)) = resource(path) else {
        if !PAGES.contains(&path.trim_end_matches('/')) && !path.starts_with("/docs/") {
            assert!(status == 404 || method == "OPTIONS", "an undocumented route: {seen}");
        }
        return;
    };
    // Methods are case-sensitive (RFC 9110, section 9.1): `get` is not `GET`.
    let known = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
    let operation = operations.get(&known).filter(|_| method == method.to_uppercase());
    let Some(operation) = operation else {
        assert!(status == 405 || method == "OPTIONS", "an undocumented method: {seen}");
        return;
    };
    let declared = operation["responses"].get(status.to_string());
    let declared = declared.unwrap_or_else(|| panic!("an undocumented status: {seen}"));
    for (name, _) in headers {
        let is_general = GENERAL_HEADERS.contains(&name.as_str()) || name.starts_with("access-control-");
        let mut documented = declared["headers"].as_object().unwrap().keys();
        let is_documented = documented.any(|documented| documented.eq_ignore_ascii_case(name));
        assert!(is_general || is_documented, "an undocumented header {name}: {seen}");
    }
    if method == "HEAD" || declared.get("content").is_none() {
        return;
    }
    let media_type = headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str());
    let media_type = media_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    if media_type != "application/json" && declared["content"].get(media_type).is_some() {
        // A document in another language than JSON.
        return;
    }
    let is_json = headers.iter().any(|(name, value)| name == "content-type" && value == "application/json");
    assert!(is_json, "{seen}");
    let validator = &VALIDATORS[&format!("{} {pattern} {status}", method.to_lowercase())];
    let body = body();
    if let Err(error) = validator.validate(&body) {
        panic!("{error}: {seen}");
    }
    assert!(is_in_order(&body, &declared["content"]["application/json"]["schema"]), "another order: {seen}");
}

/// Whether the members of a value have the order in which its schema declares them.
fn is_in_order(value: &Value, schema: &'static Value) -> bool {
    let schema = resolve(schema);
    match value {
        Value::Object(members) => schema["properties"].as_object().is_none_or(|properties| {
            let known = members.keys().filter(|name| properties.contains_key(*name));
            known.eq(properties.keys().filter(|name| members.contains_key(*name)))
                && members
                    .iter()
                    .all(|(name, value)| properties.get(name).is_none_or(|schema| is_in_order(value, schema)))
        }),
        Value::Array(items) => items.iter().all(|item| is_in_order(item, &schema["items"])),
        _ => true,
    }
}

/// The documented path that matches a request's path, in either spelling.
fn resource(path: &str) -> Option<(&'static str, &'static Value)> {
    let segments =
        |path: &'_ str| path.trim_end_matches('/').split('/').map(str::to_owned).collect::<Vec<_>>();
    let wanted = segments(path);
    DOCUMENT["paths"].as_object().unwrap().iter().find_map(|(pattern, operations)| {
        let known = segments(pattern);
        let fits_segment = |known: &str, wanted: &str| match known.split_once('{') {
            None => known == wanted,
            Some((start, rest)) => {
                let end = rest.split_once('}').map_or("", |(_, end)| end);
                wanted.starts_with(start) && wanted.ends_with(end)
            }
        };
        let fits = known.len() == wanted.len()
            && known.iter().zip(&wanted).all(|(known, wanted)| fits_segment(known, wanted));
        (fits && !path.ends_with("//")).then_some((pattern.as_str(), operations))
    })
}
