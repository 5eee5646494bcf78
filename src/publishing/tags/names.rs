//! Names of tags, and the keys by which they are compared.

use caseless::default_case_fold_str;
use unicode_normalization::UnicodeNormalization as _;
use utoipa::openapi::{RefOr, Schema};

use crate::http::validation::{Field, Input, InvalidValue, Limits, TextRule, parse_text, text_schema};

/// The maximum number of tags of an article.
pub const MAX_TAGS: usize = 20;

/// The maximum length of a key, in code points.
const MAX_KEY: usize = 200;

/// Text without control characters. PostgreSQL cannot store U+0000, and lists of names are shown in one line.
const PATTERN: &str = r"^[^\u0000-\u001F\u007F-\u009F]*$";

/// The name of a tag: 1 to 50 code points, without spaces at its ends and without two in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagName {
    name: String,
    key: String,
}

impl TagName {
    /// A name that the database contains.
    pub(in crate::publishing) fn stored(name: String) -> Self {
        Self { key: key(&name), name }
    }

    /// The name as it was written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is compared.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Field for TagName {
    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        let spaced = input.text().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
        let name = parse_text(spaced.as_deref().map_or(input, Input::Text), &rule())?;
        let key = key(&name);
        if key.chars().count() > MAX_KEY {
            return Err(InvalidValue::rejected("the name has too many characters once it is normalised"));
        }
        Ok(Self { name, key })
    }

    fn schema() -> RefOr<Schema> {
        text_schema(&rule())
    }
}

/// Tags without those that repeat an earlier one.
pub fn distinct(tags: Vec<TagName>) -> Vec<TagName> {
    let mut distinct: Vec<TagName> = Vec::with_capacity(tags.len());
    for tag in tags {
        if distinct.iter().all(|other| other.key != tag.key) {
            distinct.push(tag);
        }
    }
    distinct
}

/// The key of a name. Folding can denormalise a text, so it is normalised once more.
fn key(name: &str) -> String {
    let folded = default_case_fold_str(&name.nfkc().collect::<String>());
    folded.nfkc().collect()
}

fn rule() -> TextRule {
    TextRule::new(1, Some(50), PATTERN)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LIMITS: Limits = Limits { max_page_size: None, max_body_bytes: 1024 };

    fn parsed(name: &str) -> Result<TagName, InvalidValue> {
        TagName::parse(Input::Json(&json!(name)), &LIMITS)
    }

    #[test]
    fn names_that_differ_by_case_width_or_composition_have_one_key() {
        for (name, other) in [
            ("Rust", "rUST"),
            ("Straße", "STRASSE"),
            ("\u{e9}t\u{e9}", "E\u{301}TE\u{301}"),
            ("ＡＢＣ", "abc"),
            ("ﬁle", "FILE"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("web  dev ", "Web\u{a0}Dev"),
            ("web\tdev", "web dev"),
        ] {
            let (name, other) = (parsed(name).unwrap(), parsed(other).unwrap());
            assert_eq!(name.key(), other.key());
        }
        for (name, other) in [("rust", "rusty"), ("c", "c++"), ("é", "e"), ("web dev", "webdev"), ("i", "ı")]
        {
            assert_ne!(parsed(name).unwrap().key(), parsed(other).unwrap().key());
        }
    }

    #[test]
    fn a_key_is_its_own_key() {
        for name in ["Straße", "ͅΑ", "\u{1e9e}", "ﬁ", "İ", "ᾳ", "\u{345}\u{301}"] {
            let key = parsed(name).unwrap().key;
            assert_eq!(parsed(&key).unwrap().key, key, "{name}");
        }
    }

    #[test]
    fn a_name_has_1_to_50_code_points_after_its_spaces_are_removed() {
        let padded = format!("  {}  ", "é".repeat(50));
        for (name, stored) in
            [("a", "a"), ("  a \n b ", "a b"), (padded.as_str(), &"é".repeat(50)), ("C++", "C++")]
        {
            assert_eq!(parsed(name).unwrap().name(), stored);
        }
        for wrong in
            ["", " ", "\u{3000}", &"é".repeat(51), "a\u{0}", "a\u{7}b", "a\u{9f}", &"\u{fdfa}".repeat(50)]
        {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn of_equal_tags_the_first_one_counts() {
        let tags = ["Rust", "web", "RUST", "Web", "rust"].map(|name| parsed(name).unwrap());
        let names: Vec<String> = distinct(tags.to_vec()).into_iter().map(|tag| tag.name).collect();
        assert_eq!(names, ["Rust", "web"]);
    }
}
