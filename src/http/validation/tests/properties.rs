//! Property tests with arbitrary JSON and queries: no panic, a bounded number of errors, and the same result
//! as the schema.

use proptest::{collection::vec, prelude::*};
use utoipa::{PartialSchema, ToSchema as _};

use super::*;

/// The maximum number of errors of a [`Page`]: three tags, a name and two links of two members for each of
/// two writers, two aliases, and one for each of the four other fields.
const MAX_ERRORS: usize = 3 + 2 * (1 + 2 * 2) + 2 + 4;

/// JSON of any shape, with the names of a [`Page`] and others.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c\0]{0,6}".prop_map(Value::from),
        Just(json!("plain")),
    ];
    let name = prop_oneof![
        proptest::sample::select(vec![
            "tags", "writer", "subtitle", "editor", "format", "aliases", "summary", "notes", "name", "links",
            "title", "url",
        ])
        .prop_map(str::to_owned),
        ".{0,3}",
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((name.clone(), inner), 0..10).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// JSON that is close to a valid [`Page`].
fn almost_a_page() -> impl Strategy<Value = Value> {
    let or_anything = |value: BoxedStrategy<Value>| prop_oneof![4 => value, 1 => anything()].boxed();
    let tag = "[a-c]{1,6}".prop_map(Value::from).boxed();
    let tags = or_anything(vec(or_anything(tag.clone()), 0..5).prop_map(Value::from).boxed());
    let link = (or_anything(tag.clone()), or_anything(tag.clone()))
        .prop_map(|(title, url)| json!({ "title": title, "url": url }));
    let links = or_anything(vec(or_anything(link.boxed()), 0..4).prop_map(Value::from).boxed());
    let writer =
        (or_anything(tag.clone()), links).prop_map(|(name, links)| json!({ "name": name, "links": links }));
    let writer = or_anything(writer.boxed());
    (tags.clone(), writer.clone(), writer, or_anything(tag.clone()), tags, or_anything(tag)).prop_map(
        |(tags, writer, editor, subtitle, aliases, summary)| {
            json!({
                "tags": tags, "writer": writer, "editor": editor, "subtitle": subtitle, "aliases": aliases, "summary": summary,
            })
        },
    )
}

fn page_validator() -> jsonschema::Validator {
    let mut components = Components::new();
    Page::schemas(&mut components);
    let schemas: serde_json::Map<_, _> =
        components.into_iter().map(|(name, schema)| (name, serde_json::to_value(schema).unwrap())).collect();
    let page = serde_json::to_value(<Page as PartialSchema>::schema()).unwrap();
    jsonschema::validator_for(&json!({ "allOf": [page], "components": { "schemas": schemas } })).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_json_is_extracted_as_the_schema_says_with_a_bounded_number_of_errors(
        body in prop_oneof![anything(), almost_a_page()],
    ) {
        static VALIDATOR: std::sync::LazyLock<jsonschema::Validator> = std::sync::LazyLock::new(page_validator);
        let parsed = Page::parse(Input::Json(&body), &LIMITS);
        let is_valid = parsed.is_ok();
        let mut errors = FieldErrors::default();
        if let Err(invalid) = parsed {
            errors.add(invalid, vec!["body".into()], || body.clone().into());
        }
        let reported = errors.reported();
        // The schema does not mention U+0000.
        let only_nul = reported.iter().all(|error| error.msg.ends_with(r"'^[^\u0000]*$'"));
        prop_assert_eq!(is_valid || only_nul, VALIDATOR.is_valid(&body), "{:?}", reported);
        if !is_valid {
            prop_assert!((1..=MAX_ERRORS).contains(&reported.len()), "{} errors", reported.len());
            for error in reported {
                // Every location leads to the value that is shown, or to a member that is missing.
                let parts: Vec<String> = error.loc[1..].iter().map(ToString::to_string).collect();
                let pointer = format!("/{}", parts.join("/"));
                let pointer = pointer.trim_end_matches('/');
                let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
                let shown = if error.kind == "missing" { body.pointer(parent) } else { body.pointer(pointer) };
                prop_assert_eq!(shown.cloned().map(Echo::from), Some(error.input.clone()), "{}", error);
            }
        }
    }

    #[test]
    fn any_query_is_extracted_with_a_bounded_number_of_errors(
        pairs in vec(("tag|not|word|x", ".{0,3}|[a-z]{2,5}"), 0..12),
    ) {
        let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
        let count = |name: &str| pairs.iter().filter(|pair| pair.0 == name).count();
        match extract_query::<Search>(&query) {
            Ok(search) => {
                prop_assert_eq!(search.tag.0.len(), count("tag"));
                prop_assert!(search.not.0.len() == count("not") || count("not") == 0);
            }
            Err(errors) => prop_assert!((1..=3 + 2 + 1).contains(&errors.reported().len())),
        }
    }
}
