//! For every rule of the comparison, responses that meet it and responses that violate it.

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json as tree;

use super::*;

fn contract() -> Value {
    tree!({"secret_key": "secret", "users": {
        "ann": {"id": 7, "username": "ann"}, "ben": {"id": 8, "username": "ben"}
    }})
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(super::super::now().timestamp(), 0).unwrap()
}

/// Compares a response with the given headers, as `name: value`, to a case whose request sent `sent`.
fn accepts_sent(want: &Value, status: u16, headers: &[&str], body: &str, sent: &str) -> Comparison {
    let headers = headers.iter().map(|header| header.split_once(": ").unwrap());
    let headers = headers.map(|(name, value)| (name.into(), value.into())).collect();
    let got = Response { status, headers, body: body.into() };
    let context = Context {
        contract: &contract(),
        ids: &Ids::from([("{A}", 2), ("{NEW}", 31)]),
        sent: sent.as_bytes(),
        preflight: sent == "preflight",
        now: now(),
    };
    compare(want, &got, &context)
}

fn accepts(want: &Value, status: u16, headers: &[&str], body: &str) -> bool {
    accepts_sent(want, status, headers, body, "").is_ok()
}

fn body_fits(want: &Value, got: &str) -> bool {
    accepts(&tree!({"status": 200, "body": want}), 200, &[], got)
}

fn header_fits(want: &Value, got: &[&str]) -> bool {
    accepts(&tree!({"status": 200, "headers": want, "body": "{any}"}), 200, got, "")
}

#[test]
fn a_status_is_the_one_named_or_one_of_several_or_of_a_class() {
    let want = tree!({"status": 200, "body": "{any}"});
    assert!(accepts(&want, 200, &[], ""));
    assert!(!accepts(&want, 201, &[], ""));
    let want = tree!({"status_any": ["4xx", 204], "body": "{any}"});
    assert!(accepts(&want, 204, &[], ""));
    assert!(accepts(&want, 422, &[], ""));
    assert!(!accepts(&want, 200, &[], ""));
    assert!(!accepts(&want, 500, &[], ""));
    assert!(!accepts(&tree!({"body": "{any}"}), 200, &[], ""));
}

#[test]
fn every_401_names_its_scheme() {
    let want = tree!({"status_any": ["4xx"], "headers": {}, "body": "{any}"});
    assert!(accepts(&want, 401, &["www-authenticate: Bearer"], ""));
    assert!(!accepts(&want, 401, &["www-authenticate: Basic"], ""));
    assert!(!accepts(&want, 401, &[], ""));
}

#[test]
fn headers_named_must_be_there_and_null_ones_must_not() {
    let want = tree!({"access-control-allow-credentials": "true", "x": null});
    assert!(header_fits(&want, &["access-control-allow-credentials: true", "y: 1"]));
    assert!(!header_fits(&want, &["access-control-allow-credentials: True"]));
    assert!(!header_fits(&want, &["access-control-allow-credentials: true", "x: "]));
    assert!(!header_fits(&want, &[]));
    let want = tree!({"content-type": "text/plain; charset=utf-8"});
    assert!(header_fits(&want, &["content-type: Text/Plain;charset=UTF-8"]));
    assert!(!header_fits(&want, &["content-type: text/plain"]));
}

#[test]
fn allow_is_a_set_in_which_options_and_a_named_head_are_free() {
    let want = tree!({"allow": "GET, HEAD, POST"});
    assert!(header_fits(&want, &["allow: POST,GET"]));
    assert!(header_fits(&want, &["allow: GET", "allow: OPTIONS, HEAD, POST"]));
    assert!(!header_fits(&want, &["allow: GET, HEAD"]));
    assert!(!header_fits(&want, &["allow: GET, HEAD, POST, PUT"]));
    assert!(!header_fits(&want, &["allow: get, HEAD, POST"]));
    assert!(!header_fits(&tree!({"allow": "POST"}), &["allow: POST, HEAD"]));
}

#[test]
fn cors_lists_may_hold_more_but_not_less() {
    let want = tree!({"vary": "Origin"});
    assert!(header_fits(&want, &["vary: Accept, origin"]));
    assert!(!header_fits(&want, &["vary: Original"]));
    let want = tree!({"access-control-allow-headers": "X-Foo, x-bar ,Authorization"});
    assert!(header_fits(&want, &["access-control-allow-headers: authorization,x-foo,x-bar,more"]));
    assert!(!header_fits(&want, &["access-control-allow-headers: authorization,x-foo"]));
    let want = tree!({"access-control-allow-methods": "GET, POST"});
    assert!(header_fits(&want, &["access-control-allow-methods: POST, GET, PUT"]));
    assert!(!header_fits(&want, &["access-control-allow-methods: POST, get"]));
    let want = tree!({"access-control-allow-methods": "{without get}"});
    assert!(header_fits(&want, &["access-control-allow-methods: POST, GET"]));
    assert!(!header_fits(&want, &["access-control-allow-methods: POST, get"]));
    assert!(!header_fits(&want, &[]));
    let want = tree!({"access-control-max-age": "{positive}"});
    assert!(header_fits(&want, &["access-control-max-age: 600"]));
    assert!(!header_fits(&want, &["access-control-max-age: 0"]));
    assert!(!header_fits(&want, &["access-control-max-age: ten"]));
}

#[test]
fn a_refused_preflight_need_not_list_what_is_allowed() {
    let want = tree!({"status_any": ["2xx", 404], "body": "{any}", "headers": {
        "vary": "Origin", "access-control-max-age": "{positive}"
    }});
    assert!(accepts_sent(&want, 404, &["vary: Origin"], "", "preflight").is_ok());
    assert!(accepts_sent(&want, 404, &[], "", "preflight").is_err());
    assert!(accepts_sent(&want, 404, &["vary: Origin"], "", "").is_err());
    assert!(accepts_sent(&want, 200, &["vary: Origin"], "", "preflight").is_err());
}

#[test]
fn a_body_is_empty_or_any_or_json_by_value() {
    assert!(body_fits(&Value::Null, ""));
    assert!(!body_fits(&Value::Null, "null"));
    assert!(body_fits(&tree!("{any}"), "<html>"));
    let want = tree!({"a": [1, null, true], "b": {"c": "d"}});
    assert!(body_fits(&want, r#" {"b": {"c": "\u0064", "more": 1}, "a": [1, null, true], "more": 2} "#));
    for wrong in [
        "",
        "not JSON",
        r#"{"a": [1, null, true]}"#,
        r#"{"a": [1, null], "b": {"c": "d"}}"#,
        r#"{"a": [1, null, true, 4], "b": {"c": "d"}}"#,
        r#"{"a": [1, null, false], "b": {"c": "d"}}"#,
        r#"{"a": [1, 0, true], "b": {"c": "d"}}"#,
        r#"{"a": ["1", null, true], "b": {"c": "d"}}"#,
        r#"{"a": [1, null, true], "b": {"c": "D"}}"#,
        r#"{"a": [1, null, true], "b": []}"#,
        r#"{"a": [1, null, true], "b": {"c": "d"}} x"#,
    ] {
        assert!(!body_fits(&want, wrong), "{wrong}");
    }
    let free = tree!({"status_any": ["2xx", 404], "body": {"detail": "{any}"}});
    assert!(accepts(&free, 200, &[], "anything"));
    assert!(accepts(&free, 404, &[], r#"{"detail": "Not Found"}"#));
    assert!(!accepts(&free, 404, &[], "anything"));
}

#[test]
fn numbers_are_equal_by_value() {
    for (want, same) in [
        ("1", "1.0"),
        ("100.0", "1e2"),
        ("-0.0", "0"),
        ("9007199254740992", "9007199254740992.0"),
        ("12345678901234567890123", "1.2345678901234568e22"),
        ("9223372036854775808", "9.223372036854775808e18"),
        ("-9223372036854775809", "-9223372036854775808.0"),
    ] {
        assert!(body_fits(&json(want.as_bytes(), false).unwrap(), same), "{want} {same}");
    }
    for (want, other) in [
        ("1", "2"),
        ("1.5", "1"),
        ("0.1", "0.10000000000000001387778780781445675529539585113525390626"),
        ("9007199254740993", "9007199254740992"),
        ("9007199254740993", "9007199254740993.0"),
        ("9223372036854775807", "9223372036854775808"),
        ("9223372036854775808", "9223372036854775809"),
        ("12345678901234567890123", "1.234567890123457e22"),
        ("1", "true"),
    ] {
        assert!(!body_fits(&json(want.as_bytes(), false).unwrap(), other), "{want} {other}");
    }
}

#[test]
fn the_input_of_a_422_is_repeated_exactly() {
    let want = tree!({"detail": [{"type": "t", "input": {"z": {"x": 1}, "a": [2.0]}}]});
    let accepts_422 = |got: &str| accepts(&tree!({"status": 422, "body": want}), 422, &[], got);
    assert!(accepts_422(r#"{"detail":[{"url":"u","type":"t","input":{"z":{"x":1},"a":[2]}}]}"#));
    for wrong in [
        r#"{"detail":[{"type":"t","input":{"z":{"x":1},"a":[2],"more":1}}]}"#,
        r#"{"detail":[{"type":"t","input":{"z":{"x":1,"more":1},"a":[2]}}]}"#,
        r#"{"detail":[{"type":"t","input":{"a":[2],"z":{"x":1}}}]}"#,
        r#"{"detail":[{"type":"t","input":{"z":{"x":1}}}]}"#,
        r#"{"detail":[{"type":"t"}]}"#,
    ] {
        assert!(!accepts_422(wrong), "{wrong}");
    }
    let elsewhere = tree!({"input": {"a": 1}});
    assert!(body_fits(&elsewhere, r#"{"input": {"more": 2, "a": 1}}"#));
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    assert!(body_fits(&json(deep.as_bytes(), true).unwrap(), &deep));
    assert!(!body_fits(&json(deep.as_bytes(), true).unwrap(), &deep.replace("[]", "[0]")));
}

#[test]
fn ids_are_numbers_alone_and_digits_in_a_text() {
    assert!(body_fits(&tree!(["{A}", "{NEW}", " {A}_", "{B}"]), r#"[2, 31, " 2_", "{B}"]"#));
    assert!(!body_fits(&tree!("{A}"), "31"));
    assert!(!body_fits(&tree!("{A}"), r#""2""#));
    assert!(!body_fits(&tree!("{A}_"), r#""31_""#));
}

#[test]
fn times_of_one_object_agree_and_later_ones_are_later() {
    let at =
        |micros: i64| (now() + TimeDelta::microseconds(micros)).format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    let pair = |created: &str, updated: &str| tree!({"created": created, "updated": updated}).to_string();
    let same = tree!({"created": "{time}", "updated": "{time}"});
    assert!(body_fits(&same, &pair(&at(5), &at(5))));
    assert!(body_fits(&tree!([same, same]), &format!("[{},{}]", pair(&at(5), &at(5)), pair(&at(6), &at(6)))));
    assert!(!body_fits(&same, &pair(&at(5), &at(6))));
    let later = tree!({"created": "{time}", "updated": "{later}"});
    assert!(body_fits(&later, &pair(&at(5), &at(6))));
    assert!(!body_fits(&later, &pair(&at(5), &at(5))));
    assert!(!body_fits(&later, &pair(&at(5), &at(4))));
}

#[test]
fn an_instant_has_the_form_of_the_contract_and_is_utc() {
    let fits = |text: &str| body_fits(&tree!({"at": "{time}"}), &tree!({"at": text}).to_string());
    let (now, zone) = (now(), chrono::FixedOffset::east_opt(3600).unwrap());
    let form = |form: &str| now.format(form).to_string();
    assert!(fits(&form("%Y-%m-%dT%H:%M:%SZ")));
    assert!(fits(&form("%Y-%m-%dT%H:%M:%S.000010Z")));
    for wrong in [
        form("%Y-%m-%dT%H:%M:%S.000000Z"),
        form("%Y-%m-%dT%H:%M:%S.123Z"),
        form("%Y-%m-%dT%H:%M:%S.123456789Z"),
        form("%Y-%m-%dT%H:%M:%S+00:00"),
        form("%Y-%m-%d %H:%M:%SZ"),
        form("%Y-%m-%dT%H:%M:%S"),
        now.with_timezone(&zone).format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    ] {
        assert!(!fits(&wrong), "{wrong}");
    }
    assert!(!body_fits(&tree!({"at": "{time}"}), r#"{"at": 1700000000}"#));
}

#[test]
fn a_member_that_was_sent_is_returned_unchanged() {
    let want = tree!({"status": 201, "body": {"content": "{sent:content}"}});
    let accepts = |got: &str, sent: &str| accepts_sent(&want, 201, &[], got, sent).is_ok();
    assert!(accepts(r#"{"content": "é"}"#, r#"{"content": "\u00e9"}"#));
    assert!(!accepts(r#"{"content": "e"}"#, r#"{"content": "\u00e9"}"#));
    assert!(!accepts(r#"{"content": null}"#, r#"{"title": "x"}"#));
}

#[test]
fn a_placeholder_needs_a_value_and_a_parse_error_needs_a_text_and_a_position() {
    assert!(body_fits(&tree!({"detail": "{any}"}), r#"{"detail": null}"#));
    assert!(!body_fits(&tree!({"detail": "{any}"}), "{}"));
    let want = tree!({"loc": ["body", "{any}"], "ctx": {"error": "{any}"}});
    let got = |loc: &str, error: &str| format!(r#"{{"loc": {loc}, "ctx": {{"error": {error}}}}}"#);
    assert!(body_fits(&want, &got(r#"["body", 3]"#, r#""words""#)));
    assert!(body_fits(&want, &got(r#"["body"]"#, r#""words""#)));
    assert!(!body_fits(&want, &got(r#"["body", "3"]"#, r#""words""#)));
    assert!(!body_fits(&want, &got(r#"["body", 1.5]"#, r#""words""#)));
    assert!(!body_fits(&want, &got(r#"["body", 3, 4]"#, r#""words""#)));
    assert!(!body_fits(&want, &got(r#"["query", 3]"#, r#""words""#)));
    assert!(!body_fits(&want, &got(r#"["body", 3]"#, r#""""#)));
    assert!(!body_fits(&want, &got(r#"["body", 3]"#, "1")));
}

#[test]
fn a_token_is_signed_for_the_user_and_expires_in_half_an_hour() {
    let want = tree!({"status": 200, "body": {"token": "{token}"}});
    let accepts = |header: &Header, claims: &Value, secret: &str| {
        let token = encode(header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap();
        accepts_sent(&want, 200, &[], &tree!({"token": token}).to_string(), "username=ann")
    };
    let header = Header::default();
    let expiry = now().timestamp() + 1800;
    let good = tree!({"sub": "7", "exp": expiry, "iat": 1});
    assert_eq!(accepts(&header, &good, "secret"), Ok(()));
    for wrong in [
        tree!({"sub": "8", "exp": expiry}),
        tree!({"sub": 7, "exp": expiry}),
        tree!({"exp": expiry}),
        tree!({"sub": "7"}),
        tree!({"sub": "7", "exp": f64::from(u32::try_from(expiry).unwrap()) + 0.5}),
        tree!({"sub": "7", "exp": expiry.to_string()}),
        tree!({"sub": "7", "exp": expiry + 60}),
        tree!({"sub": "7", "exp": expiry - 60}),
    ] {
        assert!(accepts(&header, &wrong, "secret").is_err(), "{wrong}");
    }
    assert!(accepts(&header, &good, "other").is_err());
    assert!(accepts(&Header::new(Algorithm::HS512), &good, "secret").is_err());
    assert!(accepts(&Header { typ: None, ..header }, &good, "secret").is_err());
    assert!(accepts_sent(&want, 200, &[], r#"{"token": "a.b.c"}"#, "username=ann").is_err());
    assert!(accepts_sent(&want, 200, &[], r#"{"token": null}"#, "username=ann").is_err());
}
