//! Rules that the whole OpenAPI document follows, so that pages and generators of clients can use it. The
//! tests walk the document, so that a new route cannot break a rule.

use std::collections::BTreeSet;

use actix_web::http::{Method, StatusCode};
use jsonschema::Validator;
use regex::Regex;
use serde_json::{Value, json};

use crate::{
    docs::operations,
    document::{document, resolve},
    support::{Client, Response, TestApp},
};

/// Every object in the document, with the names that lead to it.
fn objects() -> Vec<(Vec<String>, &'static Value)> {
    fn visit(value: &'static Value, path: &[String], found: &mut Vec<(Vec<String>, &'static Value)>) {
        let mut enter = |name: String, value| visit(value, &[path, &[name]].concat(), found);
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, value)| enter(name.clone(), value));
                found.push((path.to_vec(), value));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, value)| enter(at.to_string(), value));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    visit(document(), &[], &mut found);
    found
}

/// Every schema of the document, also those within other schemas.
fn schemas() -> impl Iterator<Item = (String, &'static Value)> {
    const DATA: [&str; 4] = ["default", "example", "examples", "value"];
    objects().into_iter().filter_map(|(path, value)| {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let is_schema = matches!(
            names.as_slice(),
            [.., "schema" | "items"] | [.., "properties" | "schemas" | "oneOf" | "anyOf" | "allOf", _]
        );
        (is_schema && !names.iter().any(|name| DATA.contains(name))).then(|| (names.join(" "), value))
    })
}

fn validator(schema: &Value) -> Validator {
    jsonschema::validator_for(&json!({ "allOf": [schema], "components": document()["components"] })).unwrap()
}

/// The example of a schema, or the one that the examples of its members and items make.
fn example(schema: &'static Value) -> Option<Value> {
    let schema = resolve(schema);
    if let Some(example) = schema["examples"].get(0) {
        return Some(example.clone());
    }
    if let Some(properties) = schema["properties"].as_object() {
        return properties.iter().map(|(name, schema)| Some((name.clone(), example(schema)?))).collect();
    }
    schema.get("items").and_then(example).map(|item| json!([item]))
}

#[test]
fn every_member_has_an_example_that_its_schema_allows() {
    let mut members = 0;
    for (path, schema) in schemas() {
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let example = example(schema).unwrap_or_else(|| panic!("{path} {name} has no example"));
            assert!(validator(schema).is_valid(&example), "{path} {name}: {example}");
            members += 1;
        }
    }
    assert!(members > 30, "{members}");
}

#[test]
fn every_required_parameter_has_an_example_and_no_optional_one_has() {
    for (method, path, operation) in operations() {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let of = format!("{method} {path} {}", parameter["name"]);
            let example = parameter.get("example").cloned();
            assert_eq!(parameter["schema"].get("examples"), None, "{of}");
            // Swagger UI sends the example of an optional parameter, so it would change the request.
            assert_eq!(parameter["required"], example.is_some(), "{of}");
            assert!(parameter["in"] != "path" || example.is_some(), "{of}");
            let schema = validator(&parameter["schema"]);
            for value in example.iter().chain(parameter["schema"].get("default")) {
                assert!(schema.is_valid(value), "{of}: {value}");
            }
        }
    }
}

#[test]
fn every_example_of_a_body_is_allowed_by_the_schema() {
    let mut examples = 0;
    for (path, media) in objects()
        .into_iter()
        .filter(|(path, _)| path.iter().rev().nth(1).is_some_and(|name| name == "content"))
    {
        let schema = validator(&media["schema"]);
        let several =
            media["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]);
        for value in media.get("example").into_iter().chain(several) {
            assert!(schema.is_valid(value), "{path:?}: {value}");
            examples += 1;
        }
        // A document in another language than JSON has no members to give examples of.
        let is_document = media["schema"] == json!({ "type": "string" });
        assert!(is_document || example(&media["schema"]).is_some(), "{path:?}");
    }
    assert!(examples > 30, "{examples}");
}

#[test]
fn every_response_has_the_common_headers_and_no_header_is_nullable() {
    for (method, path, operation) in operations() {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let headers = response["headers"].as_object().unwrap();
            for name in ["Cache-Control", "X-Request-ID"] {
                assert!(headers.contains_key(name), "{method} {path} {status} {name}");
            }
            let has = |name| headers.contains_key(name);
            let takes_token = operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty());
            let challenges = status == "401" || (status == "403" && takes_token);
            assert_eq!(has("WWW-Authenticate"), challenges, "{method} {path} {status}");
            assert_eq!(
                has("Retry-After"),
                ["429", "503"].contains(&status.as_str()),
                "{method} {path} {status}"
            );
            for (name, header) in headers {
                let header = resolve(header);
                assert!(header["schema"]["type"].is_string(), "{method} {path} {status} {name}");
                assert!(header["description"].is_string(), "{method} {path} {status} {name}");
            }
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["schema"]["type"].is_string(), "{method} {path} {}", parameter["name"]);
        }
    }
}

#[test]
fn every_operation_says_whether_it_needs_a_token() {
    for (method, path, operation) in operations() {
        let alternatives = operation["security"].as_array().unwrap_or_else(|| panic!("{method} {path}"));
        let takes_token = alternatives.iter().any(|schemes| schemes.get("OAuth2PasswordBearer").is_some());
        // Their 401 is about the credentials in the body.
        let by_body = ["/auth/login", "/auth/refresh"].contains(&path);
        let refuses_tokens = !by_body && operation["responses"].get("401").is_some();
        assert_eq!(takes_token, refuses_tokens, "{method} {path}");
    }
}

#[test]
fn every_pattern_says_something_about_visible_text() {
    let mut patterns = 0;
    for (path, schema) in schemas() {
        let Some(pattern) = schema["pattern"].as_str() else { continue };
        let regex = Regex::new(pattern).unwrap();
        let refuses = ["", " ", "a b", "a\n", "-", "é", "<p>"].iter().any(|text| !regex.is_match(text));
        assert!(refuses, "{path}: {pattern}");
        patterns += 1;
    }
    assert!(patterns > 0);
}

#[test]
fn every_value_of_an_enum_has_a_name() {
    let mut enums = 0;
    for (path, schema) in schemas() {
        let Some(values) = schema["enum"].as_array() else { continue };
        let names: Vec<&str> =
            schema["x-enum-varnames"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert!(names.iter().all(|name| name.chars().all(char::is_alphanumeric)), "{path}: {names:?}");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), values.len(), "{path}: {names:?}");
        enums += 1;
    }
    assert!(enums > 0);
}

#[test]
fn integers_have_a_format_and_bounds_that_every_language_can_write() {
    for (path, schema) in schemas() {
        if schema["type"] == "integer" && !path.contains("ValidationError") {
            assert!(["int32", "int64"].contains(&schema["format"].as_str().unwrap()), "{path}");
        }
        for bound in ["minimum", "maximum"] {
            let bound = schema[bound].as_f64().unwrap_or_default();
            assert!(bound.abs() <= f64::from(u32::MAX), "{path}: {bound}");
        }
    }
}

#[test]
fn every_named_schema_is_an_object_and_every_object_names_its_members() {
    for (name, schema) in document()["components"]["schemas"].as_object().unwrap() {
        assert_eq!(schema["type"], "object", "{name}");
    }
    for (path, schema) in schemas().filter(|(_, schema)| schema["type"] == "object") {
        let has_members = schema["properties"].is_object();
        assert!(has_members || schema["additionalProperties"] == true, "{path}");
    }
}

#[test]
fn a_response_is_described_by_all_its_causes() {
    for (method, path, operation) in operations() {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let description = response["description"].as_str().unwrap();
            assert!(!description.contains(".."), "{method} {path} {status}: {description}");
            assert_eq!(description == "Validation error", status == "422", "{method} {path} {status}");
            // A number in a description would be that of one server.
            assert!(
                !description.contains(|letter: char| letter.is_ascii_digit()),
                "{method} {path} {status}"
            );
        }
    }
}

#[test]
fn the_licence_is_an_spdx_expression() {
    let license = &document()["info"]["license"];
    assert_eq!(license["identifier"], env!("CARGO_PKG_LICENSE"));
}

/// Sends an operation as Swagger UI prefills it.
async fn try_out(client: &Client, (method, path, operation): (Method, &str, &'static Value)) -> Response {
    let mut target = path.to_owned();
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        if let Some(value) = parameter.get("example") {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if parameter["in"] == "path" {
                target = target.replace(&format!("{{{name}}}"), &value);
            } else {
                query.push(format!("{name}={value}"));
            }
        } else if let Some(value) = parameter["schema"].get("default") {
            query.push(format!("{name}={value}"));
        }
    }
    let target = [target, query.join("&")].join("?");
    let Some((content_type, media)) =
        operation.pointer("/requestBody/content").and_then(|content| content.as_object()?.iter().next())
    else {
        return client.send(method, &target, &[], None).await;
    };
    let body = media.get("example").cloned().or_else(|| example(&media["schema"])).unwrap();
    let body = if content_type == "application/json" {
        body.to_string()
    } else {
        let members = body.as_object().unwrap().iter();
        let pairs = members.map(|(name, value)| (name, value.as_str().unwrap()));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    };
    client.send(method, &target, &[("content-type", content_type)], Some(body)).await
}

#[actix_web::test]
async fn every_operation_succeeds_on_a_fresh_site_as_the_document_prefills_it() {
    let app = TestApp::start().await;
    let named = |id: &str| operations().find(|(_, _, operation)| operation["operationId"] == id).unwrap();
    let created = try_out(&app.anonymous(), named("register_user")).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let token = try_out(&app.anonymous(), named("login")).await.expect(StatusCode::OK);
    let client = app.anonymous().with_token(token["access_token"].as_str().unwrap());
    assert_eq!(try_out(&client, named("create_article")).await.status, StatusCode::CREATED);
    // A link comes by mail, and no example can be a credential or the id of a session.
    let secret =
        ["reset_password", "confirm_email", "refresh", "end_session", "revoke_preview", "read_preview"];
    // These end what the others need, so they come last.
    let last = ["delete_article", "logout", "delete_me", "change_password"];
    // The examples name the account itself, which is the last administrator.
    let refused = ["suspend_user", "demote_user", "delete_user"];
    app.sql("UPDATE users SET is_admin = TRUE").await;
    // The example of an edit changes nothing that a revision keeps.
    let missing = ["read_revision", "compare_revision", "restore_revision"];
    let done =
        [&["register_user", "login", "create_article"][..], &secret, &last, &refused, &missing].concat();
    let remaining =
        operations().filter(|(_, _, operation)| !done.contains(&operation["operationId"].as_str().unwrap()));
    for (method, path, operation) in remaining {
        let response = try_out(&client, (method.clone(), path, operation)).await;
        assert!(response.status.is_success(), "{method} {path}: {} {}", response.status, response.text());
    }
    app.sql("UPDATE users SET is_admin = FALSE").await;
    for operation in last {
        if operation == "change_password" {
            // After the deletion of the account.
            assert_eq!(try_out(&app.anonymous(), named("register_user")).await.status, StatusCode::CREATED);
        }
        let tokens = try_out(&app.anonymous(), named("login")).await.expect(StatusCode::OK);
        let client = app.anonymous().with_token(tokens["access_token"].as_str().unwrap());
        assert_eq!(try_out(&client, named(operation)).await.status, StatusCode::NO_CONTENT, "{operation}");
    }
}
