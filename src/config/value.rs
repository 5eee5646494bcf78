//! Parses the text of settings like Pydantic does. Every error is the predicate of a sentence about the
//! setting.

use std::fmt::Display;
use std::ops::RangeInclusive;

use url::Url;

/// Parses a boolean, case-insensitively.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Ok(true),
        "0" | "false" | "f" | "no" | "n" | "off" => Ok(false),
        _ => Err(format!("must be true or false, not {text:?}")),
    }
}

/// Parses a whole number. White space around it, a sign, single underscores between digits, and zeros after a
/// decimal point are allowed.
pub(super) fn whole_number<T: TryFrom<i128> + Display + PartialOrd>(
    text: &str,
    bounds: &RangeInclusive<T>,
) -> Result<T, String> {
    digits(text)
        .and_then(|digits| digits.parse::<i128>().ok())
        .and_then(|number| T::try_from(number).ok())
        .filter(|number| bounds.contains(number))
        .ok_or_else(|| {
            format!("must be a whole number from {} to {}, not {text:?}", bounds.start(), bounds.end())
        })
}

/// Removes everything that is allowed except the sign and the digits.
fn digits(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let integer = match text.split_once('.') {
        Some((integer, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => integer,
        Some(_) => return None,
        None => text,
    };
    let groups: Vec<&str> = integer.split('_').collect();
    let valid = groups.iter().all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit()));
    valid.then(|| format!("{sign}{}", groups.concat()))
}

/// Parses one of the given words, case-sensitively.
pub(super) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        format!("must be {}, not {text:?}", one_of(&words))
    })
}

/// Lists alternatives: `a, b or c`.
pub(super) fn one_of(words: &[impl AsRef<str>]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => words.concat(),
    }
}

/// Parses a path as a URL has it, without a slash at its end; the path of the root is empty.
pub(super) fn root_path(text: &str) -> Result<String, String> {
    let origin = "http://localhost";
    let is_path = Url::parse(origin).and_then(|origin| origin.join(text)).is_ok_and(|url| {
        // A part that the parser changes, or does not take for a part of the path, would be lost.
        url.as_str() == format!("{origin}{text}") && url.path() == text && !text.contains("//")
    });
    if text.is_empty() || (is_path && !text.ends_with('/')) {
        return Ok(text.to_owned());
    }
    Err(format!("must be empty or a path such as /api, without a slash at its end, not {text:?}"))
}

/// Parses a JSON list of strings.
pub(super) fn string_list(text: &str) -> Result<Vec<String>, String> {
    serde_json::from_str(text).map_err(|_| {
        format!("must be a JSON list of strings, such as [\"https://blog.example\"], not {text:?}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_the_words_of_pydantic_in_any_case() {
        for yes in ["true", "TRUE", "1", "yes", "on", "t", "Y"] {
            assert_eq!(boolean(yes), Ok(true), "{yes}");
        }
        for no in ["false", "False", "0", "no", "off", "f", "n"] {
            assert_eq!(boolean(no), Ok(false), "{no}");
        }
        for neither in ["", " true ", "2", "enabled", "1.0", "01"] {
            boolean(neither).unwrap_err();
        }
    }

    #[test]
    fn whole_numbers_are_parsed_like_pydantic_does() {
        let numbers = [
            (" 30 ", 30),
            ("\t30\n", 30),
            ("\u{a0}30", 30),
            ("+30", 30),
            ("-3", -3),
            ("-0", 0),
            ("007", 7),
            ("00_7", 7),
            ("1_000", 1000),
            ("+1_000", 1000),
            ("30.0", 30),
            ("30.00", 30),
            ("-1.0", -1),
            ("1.0 ", 1),
            ("1_0.0", 10),
        ];
        for (text, number) in numbers {
            assert_eq!(whole_number(text, &(-9999..=9999)), Ok(number), "{text:?}");
        }
        let others = [
            "",
            " ",
            "1__0",
            "_1",
            "1_",
            "30.5",
            "30.",
            ".0",
            "3e1",
            "٣",
            "0x10",
            "+ 3",
            "--1",
            "+-1",
            "- 1",
            "true",
            "99999999999999999999999999999999999999999999",
        ];
        for text in others {
            whole_number(text, &(-9999..=9999)).unwrap_err();
        }
    }

    #[test]
    fn the_error_for_a_number_outside_its_bounds_names_them() {
        assert_eq!(
            whole_number("65536", &(0..=u16::MAX)).unwrap_err(),
            r#"must be a whole number from 0 to 65535, not "65536""#
        );
        whole_number("-1", &(0..=u16::MAX)).unwrap_err();
        whole_number("0", &(1..=9_u64)).unwrap_err();
    }

    #[test]
    fn the_error_for_a_wrong_word_names_the_right_ones() {
        let choices = [("a", 1), ("b", 2), ("c", 3)];
        assert_eq!(choice("b", &choices), Ok(2));
        assert_eq!(choice("B", &choices).unwrap_err(), r#"must be a, b or c, not "B""#);
    }

    #[test]
    fn lists_are_json_lists_of_strings() {
        assert_eq!(string_list(r#" ["a", "b"] "#), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(string_list("[]"), Ok(vec![]));
        for other in ["", "a,b", r#""a""#, "[1]", "['a']", r#"["a",]"#, "null"] {
            string_list(other).unwrap_err();
        }
    }

    #[test]
    fn a_root_path_is_a_path_without_a_slash_at_its_end() {
        for path in ["", "/api", "/blog/v1", "/~ann/blog-api_2", "/%C3%BC", "/a:b@c"] {
            assert_eq!(root_path(path), Ok(path.to_owned()));
        }
        for other in [
            "/",
            "/api/",
            "api",
            "api/",
            "//api",
            "/api//v1",
            "/api?x=1",
            "/api?",
            "/api#top",
            "/a b",
            " /api",
            "/ü",
            "/a/../b",
            "/./a",
            "/a\\b",
            "/{prefix}",
            "https://blog.example/api",
            "//evil.example/a",
            "/<a>",
            "/a\n",
        ] {
            assert!(root_path(other).unwrap_err().contains(&format!("{other:?}")), "{other}");
        }
    }
}
