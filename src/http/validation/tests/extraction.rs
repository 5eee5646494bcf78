//! Values, locations and errors.

use super::*;

#[test]
fn a_list_of_allowed_length_is_extracted_in_order() {
    let page = extract::<Page>(&page(&json!({ "tags": ["zz", "aa", "zz"] }))).unwrap();
    assert_eq!(texts(&page.tags), ["zz", "aa", "zz"]);
}

#[test]
fn a_list_that_is_too_long_is_one_error_and_its_items_are_not_parsed() {
    let tags = json!(["ab", 1, "c", "ef"]);
    assert_eq!(
        errors(extract::<Page>(&page(&json!({ "tags": tags })))),
        json!([{
            "type": "too_long", "loc": ["body", "tags"],
            "msg": "List should have at most 3 items after validation, not 4", "input": tags,
            "ctx": { "field_type": "List", "max_length": 3, "actual_length": 4 },
        }])
    );
}

#[test]
fn a_list_that_is_too_short_is_an_error() {
    assert_eq!(
        errors(extract::<Page>(&page(&json!({ "tags": [] })))),
        json!([{
            "type": "too_short", "loc": ["body", "tags"],
            "msg": "List should have at least 1 item after validation, not 0", "input": [],
            "ctx": { "field_type": "List", "min_length": 1, "actual_length": 0 },
        }])
    );
}

#[test]
fn parameters_of_a_rule_are_listed_in_pydantics_order() {
    let text = serde_json::to_string(&errors(extract::<Page>(&page(&json!({ "tags": [] }))))).unwrap();
    assert!(text.ends_with(r#""ctx":{"field_type":"List","min_length":1,"actual_length":0}}]"#), "{text}");
}

#[test]
fn invalid_items_are_located_by_their_position() {
    assert_eq!(
        errors(extract::<Page>(&page(&json!({ "tags": ["ab", "c", 3] })))),
        json!([
            {
                "type": "string_too_short", "loc": ["body", "tags", 1],
                "msg": "String should have at least 2 characters", "input": "c", "ctx": { "min_length": 2 },
            },
            { "type": "string_type", "loc": ["body", "tags", 2], "msg": "Input should be a valid string", "input": 3 },
        ])
    );
}

#[test]
fn a_value_that_is_not_an_array_is_not_a_list() {
    for value in [json!("ab"), json!(null), json!({}), json!({ "0": "ab" }), json!(1), json!(true)] {
        assert_eq!(
            errors(extract::<Page>(&page(&json!({ "tags": value })))),
            json!([
                { "type": "list_type", "loc": ["body", "tags"], "msg": "Input should be a valid list", "input": value }
            ])
        );
    }
}

#[test]
fn a_list_without_a_default_is_required() {
    let body = json!({ "writer": { "name": "ada" } });
    assert_eq!(kinds(extract::<Page>(&body)), [("missing".to_owned(), json!(["body", "tags"]))]);
    let body = page(&json!({}));
    assert!(extract::<Page>(&body).unwrap().writer.links.0.is_empty());
}

#[test]
fn errors_of_a_nested_object_are_located_in_it_and_missing_members_show_it() {
    let writer = json!({ "links": [{ "title": "", "url": 1 }, {}] });
    let body = page(&json!({ "tags": ["a"], "writer": writer }));
    let found = errors(extract::<Page>(&body));
    let found: Vec<_> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|error| json!([error["type"], error["loc"], error["input"]]))
        .collect();
    assert_eq!(
        found,
        [
            json!(["string_too_short", ["body", "tags", 0], "a"]),
            json!(["missing", ["body", "writer", "name"], writer]),
            json!(["string_too_short", ["body", "writer", "links", 0, "title"], ""]),
            json!(["string_type", ["body", "writer", "links", 0, "url"], 1]),
            json!(["missing", ["body", "writer", "links", 1, "title"], {}]),
            json!(["missing", ["body", "writer", "links", 1, "url"], {}]),
        ]
    );
}

#[test]
fn a_value_that_is_not_an_object_is_not_a_nested_object() {
    for value in [json!("x"), json!(null), json!([]), json!(1)] {
        assert_eq!(
            errors(extract::<Page>(&page(&json!({ "writer": value })))),
            json!([{
                "type": "model_attributes_type", "loc": ["body", "writer"],
                "msg": "Input should be a valid dictionary or object to extract fields from", "input": value,
            }])
        );
    }
}

#[test]
fn a_nullable_field_is_absent_null_or_a_value() {
    for (changes, change, value) in [
        (json!({}), None, None),
        (json!({ "subtitle": null }), Some(None), None),
        (json!({ "subtitle": "abc" }), Some(Some("abc")), Some("abc")),
    ] {
        let page = extract::<Page>(&page(&changes)).unwrap();
        let text = |tag: Tag| tag.into_inner();
        let found = page.subtitle.clone().into_change().map(|change| change.map(text));
        assert_eq!(found.as_ref().map(|change| change.as_deref()), change, "{changes}");
        assert_eq!(page.subtitle.into_value().map(text).as_deref(), value, "{changes}");
    }
}

#[test]
fn the_value_of_a_nullable_field_is_checked() {
    let body =
        page(&json!({ "subtitle": 1, "editor": { "name": 2 }, "format": "html", "aliases": ["ab", null] }));
    assert_eq!(
        kinds(extract::<Page>(&body)),
        [
            ("string_type".to_owned(), json!(["body", "subtitle"])),
            ("string_type".to_owned(), json!(["body", "editor", "name"])),
            ("literal_error".to_owned(), json!(["body", "format"])),
            ("string_type".to_owned(), json!(["body", "aliases", 1])),
        ]
    );
}

#[test]
fn null_of_an_optional_field_is_early_unless_the_field_declares_it_late() {
    let late = [("string_type".to_owned(), json!(["body", "summary"]))];
    let extracted = extract::<Page>(&page(&json!({ "summary": null })));
    assert!(!extracted.as_ref().unwrap_err().has_early());
    assert_eq!(kinds(extracted), late);
    // Other values of the wrong type are reported early, and so is null elsewhere.
    assert!(extract::<Page>(&page(&json!({ "summary": 1 }))).unwrap_err().has_early());
    let extracted = extract::<Page>(&page(&json!({ "summary": null, "notes": null })));
    assert_eq!(kinds(extracted), [("string_type".to_owned(), json!(["body", "notes"]))]);
}

#[test]
fn late_errors_of_parts_stay_late() {
    let writer = |title: &str| json!({ "name": "ada", "links": [{ "title": title, "url": "/" }] });
    let extracted = extract::<Page>(&page(&json!({ "writer": writer("a\0b") })));
    assert!(!extracted.as_ref().unwrap_err().has_early());
    let loc = json!(["body", "writer", "links", 0, "title"]);
    assert_eq!(kinds(extracted), [("string_pattern_mismatch".to_owned(), loc)]);
    assert!(extract::<Page>(&page(&json!({ "writer": writer("") }))).unwrap_err().has_early());
}

#[test]
fn a_list_uses_all_values_of_its_parameter_and_other_fields_the_last() {
    let search = extract_query::<Search>("tag=bb&word=aa&tag=aa&x=1&word=zz&tag=bb").unwrap();
    assert_eq!(texts(&search.tag), ["bb", "aa", "bb"]);
    assert_eq!(search.word.unwrap().as_ref(), "zz");
    assert_eq!(texts(&search.not), ["draft"]);
    assert_eq!(
        kinds(extract_query::<Search>("tag=aa&word=aa&word=")),
        [("string_too_short".to_owned(), json!(["query", "word"]))]
    );
}

#[test]
fn repeated_parameters_are_located_by_their_position_among_those_of_their_name() {
    assert_eq!(
        errors(extract_query::<Search>("tag=ab&not=ab&tag=c&tag=")),
        json!([
            {
                "type": "string_too_short", "loc": ["query", "tag", 1],
                "msg": "String should have at least 2 characters", "input": "c", "ctx": { "min_length": 2 },
            },
            {
                "type": "string_too_short", "loc": ["query", "tag", 2],
                "msg": "String should have at least 2 characters", "input": "", "ctx": { "min_length": 2 },
            },
        ])
    );
}

#[test]
fn too_many_values_of_a_parameter_are_one_error() {
    assert_eq!(
        errors(extract_query::<Search>("tag=ab&tag=cd&tag=e&tag=gh")),
        json!([{
            "type": "too_long", "loc": ["query", "tag"],
            "msg": "List should have at most 3 items after validation, not 4", "input": ["ab", "cd", "e", "gh"],
            "ctx": { "field_type": "List", "max_length": 3, "actual_length": 4 },
        }])
    );
}

#[test]
fn a_required_list_needs_its_parameter() {
    assert_eq!(
        errors(extract_query::<Search>("tags=ab")),
        json!([{ "type": "missing", "loc": ["query", "tag"], "msg": "Field required", "input": null }])
    );
}

#[test]
fn a_body_is_received_and_then_extracted() {
    let page = receive::<Json<Page>>("application/json", &page(&json!({})).to_string());
    assert_eq!(page.unwrap().0.writer.name.as_ref(), "ada");
    let invalid = receive::<Json<Page>>("application/json", r#"{"tags":["ab","c"],"writer":{"name":"ada"}}"#);
    assert_eq!(kinds(invalid), [("string_too_short".to_owned(), json!(["body", "tags", 1]))]);
    let invalid = receive::<Json<Page>>("application/json", "[]");
    assert_eq!(kinds(invalid), [("model_attributes_type".to_owned(), json!(["body"]))]);
}

#[test]
fn a_form_has_lists_too() {
    let form = receive::<Form<Search>>("application/x-www-form-urlencoded", "tag=ab&tag=cd&word=ab&word=");
    let Form(search) = form.unwrap();
    assert_eq!((texts(&search.tag), search.word.is_none()), (vec!["ab", "cd"], true));
    let form = receive::<Form<Search>>("application/x-www-form-urlencoded", "tag=ab&tag=");
    assert_eq!(kinds(form), [("string_too_short".to_owned(), json!(["body", "tag", 1]))]);
}

#[test]
fn late_errors_of_a_deferred_body_are_reported_after_the_check() {
    let deferred =
        |changes: &Value| receive::<Deferred<Page>>("application/json", &page(changes).to_string());
    let report = |changes: &Value, check: Result<()>| {
        rt::System::new().block_on(deferred(changes).unwrap().or_report_after(async || check))
    };
    let late = json!({ "summary": null });
    assert!(matches!(report(&late, Err(Error::Forbidden)), Err(Error::Forbidden)));
    assert!(matches!(report(&late, Ok(())), Err(Error::Invalid(_))));
    // With a valid body, the check does not run.
    assert!(report(&json!({}), Err(Error::Forbidden)).is_ok());
    // Early errors are reported before any handler runs.
    let early = deferred(&json!({ "summary": null, "notes": 1 }));
    assert_eq!(kinds(early), [("string_type".to_owned(), json!(["body", "notes"]))]);
}

#[test]
fn no_error_shows_a_secret_of_a_nested_object() {
    let login = json!({ "password": "s3cr3t", "more": "s3cr3t" });
    let body = json!({
        "logins": [login, { "name": "ab", "password": ["s3cr3t"] }, ["s3cr3t"], "s3cr3t", null],
        "passwords": ["s3cr3t", { "s3cr3t": 1 }],
        "note": "open",
    });
    let found = errors(extract::<Import>(&body));
    assert!(!found.to_string().contains("s3cr3t"), "{found}");
    assert_eq!(found[0]["input"], json!({ "password": "[redacted]", "more": "[redacted]" }));
    for body in [
        json!({ "logins": "s3cr3t" }),
        json!({ "logins": vec!["s3cr3t"; 6], "note": "open" }),
        json!({ "passwords": vec!["s3cr3t"; 3], "note": "open" }),
    ] {
        let found = errors(extract::<Import>(&body));
        assert!(!found.to_string().contains("s3cr3t"), "{found}");
        assert_eq!(found.to_string().contains("open"), body["logins"].is_null(), "{found}");
    }
}
