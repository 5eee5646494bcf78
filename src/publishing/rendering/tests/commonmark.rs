//! The examples of the `CommonMark` specification.

use std::{fs, path::Path, sync::LazyLock};

use regex::Regex;
use serde_json::Value;

use super::{super::sanitizer::sanitize, markdown};

/// Examples of text that is plain in `CommonMark`, and that the extension for autolinks turns into links.
const AUTOLINKS: [u64; 4] = [602, 608, 611, 612];

/// The HTML as the sanitizer leaves it, without the ids of headings.
fn normalized(html: &str) -> String {
    static IDS: LazyLock<Regex> = LazyLock::new(|| Regex::new("<(h[1-6]) id=\"[^\"]*\">").unwrap());
    IDS.replace_all(html, "<$1>").into_owned()
}

#[test]
fn every_example_is_rendered_as_the_specification_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/commonmark/spec.jsonl");
    let examples = fs::read_to_string(path).unwrap();
    let mut wrong = Vec::new();
    for line in examples.lines() {
        let example: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| example[name].as_str().unwrap();
        let (rendered, expected) =
            (normalized(&markdown(text("markdown"))), normalized(&sanitize(text("html"))));
        let number = example["example"].as_u64().unwrap();
        if (rendered == expected) == AUTOLINKS.contains(&number) {
            wrong.push(format!("{number}: {:?}\n{rendered:?}\n{expected:?}", text("markdown")));
        }
    }
    assert!(examples.lines().count() > 600);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
