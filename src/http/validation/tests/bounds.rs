//! The size of errors and the work before the caller is known are bounded (contract, section 9: `echo`).

use proptest::prelude::*;

use super::{super::syntax::Syntax, *};

/// The input that the error at `path` shows.
fn input_of(body: &Value, path: &Value) -> Value {
    let found = errors(extract::<Page>(body));
    let error = found.as_array().unwrap().iter().find(|error| error["loc"] == *path);
    error.unwrap_or_else(|| panic!("{found}"))["input"].clone()
}

#[test]
fn a_value_of_16_kib_is_shown_and_a_larger_one_is_measured() {
    let fitting = "\0".to_owned() + &"x".repeat((16 << 10) - 2 - 6);
    let summary = json!(["body", "summary"]);
    assert_eq!(input_of(&page(&json!({ "summary": fitting })), &summary), json!(fitting));
    // As JSON, the text has two quotes and an escape of six bytes. The size that is named is that of the text.
    let larger = fitting + "x";
    let shown = input_of(&page(&json!({ "summary": larger })), &summary);
    assert_eq!(shown, json!(format!("[{} bytes]", (16 << 10) - 6)));
    let umlauts = "\0".to_owned() + &"ü".repeat(16 << 10);
    let shown = input_of(&page(&json!({ "summary": umlauts })), &summary);
    assert_eq!(shown, json!(format!("[{} bytes]", (32 << 10) + 1)));
}

#[test]
fn the_size_of_a_large_object_is_that_of_its_compact_json() {
    let mut writer = json!({ "links": [] });
    for number in 0..2000 {
        writer[format!("unknown-{number}")] = json!([1, null]);
    }
    let shown = input_of(&page(&json!({ "writer": writer })), &json!(["body", "writer", "name"]));
    assert_eq!(shown, json!(format!("[{} bytes]", writer.to_string().len())));
}

#[test]
fn inputs_after_48_kib_together_are_replaced_by_their_sizes() {
    let large = "\0".to_owned() + &"x".repeat(12 << 10);
    let mut errors = FieldErrors::default();
    for (name, input) in
        [("a", json!(large)), ("b", json!(large)), ("c", json!(large)), ("d", json!(large)), ("e", json!(7))]
    {
        errors.append(FieldErrors::one(InvalidValue::new("wrong", "Wrong"), &["body", name], input));
    }
    let shown = serde_json::to_value(&errors).unwrap();
    let inputs: Vec<&Value> = shown.as_array().unwrap().iter().map(|error| &error["input"]).collect();
    let size = json!(format!("[{} bytes]", large.len()));
    assert_eq!(inputs, [&json!(large), &json!(large), &json!(large), &size, &json!("[1 bytes]")]);
}

#[test]
fn at_most_50_errors_are_listed() {
    let mut errors = FieldErrors::default();
    for _ in 0..51 {
        errors.append(FieldErrors::one(InvalidValue::missing(), &["body"], json!(null)));
    }
    assert_eq!(serde_json::to_value(&errors).unwrap().as_array().unwrap().len(), 50);
}

#[test]
fn a_secret_is_not_shown_by_its_size_either() {
    let found = errors(extract::<Import>(&json!({ "logins": [{ "password": "x".repeat(20_000) }] })));
    assert_eq!(found[0]["input"], json!({ "password": "[redacted]" }), "{found}");
}

#[test]
fn a_body_is_decoded_only_after_its_syntax_was_checked() {
    for body in ["1e999", r#"{"a":"\ud800"}"#, &("[".repeat(200) + &"]".repeat(200)), "NaN", "{", "1 2"] {
        let (first, second) = receive_json(body);
        assert!(first.is_some() && second.is_none(), "{body}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_check_of_the_syntax_reports_the_errors_of_the_parser(
        body in r#"[\[\]{}:,"a\\n/u01eE+.tru -]{0,12}|\{"[a-z]{1,3}": ?("x"|-?[0-9.e]{1,5}|nul?l)[,}]{1,2}"#,
    ) {
        let parsed = serde_json::from_str::<Value>(&body).map(drop).map_err(|error| error.to_string());
        let checked = serde_json::from_str::<Syntax>(&body).map(drop).map_err(|error| error.to_string());
        prop_assert_eq!(checked, parsed);
    }
}

#[test]
fn large_bodies_are_parsed_one_at_a_time_and_small_ones_at_once() {
    rt::System::new().block_on(async {
        let state = state();
        let receive = async |bytes| {
            let request = TestRequest::post().app_data(state.clone()).set_payload("x".repeat(bytes));
            let (request, mut payload) = request.to_http_parts();
            receive::receive(&request, &mut payload).await.unwrap();
            request
        };
        let (large, small) = (receive((16 << 10) + 1).await, receive(16 << 10).await);
        let first = receive::admit_parsing(&large).await.unwrap();
        let mut second = Box::pin(receive::admit_parsing(&large));
        assert!((&mut second).now_or_never().is_none());
        assert!(receive::admit_parsing(&small).now_or_never().is_some());
        drop(first);
        assert!(second.now_or_never().is_some());
    });
}
