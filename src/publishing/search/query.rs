//! The query language: words, `"phrases"`, `-exclusion`, `OR` and `prefix*`, for both engines.
//!
//! A text is parsed into a [`Query`], whose words contain letters, digits and marks only. Both engines get these
//! words quoted, so no text of a client is ever read as an operator of theirs.

use super::words::{fold, is_part_of_word, words};

/// The most words of a query.
const MAX_WORDS: usize = 32;

/// The fewest code points of a prefix: a shorter one would match too many words.
const MIN_PREFIX: usize = 2;

/// What to look for: at least one alternative of each group, and none of the exclusions. There is at least one
/// group, and no group is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    groups: Vec<Vec<Phrase>>,
    excluded: Vec<Phrase>,
}

/// Consecutive words; most often a single one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phrase {
    /// At least one, folded.
    pub(super) words: Vec<String>,
    /// Whether the last word is only the beginning of one.
    pub(super) is_prefix: bool,
}

/// A part of a query.
enum Term {
    Or,
    Included(Phrase),
    Excluded(Phrase),
}

impl Query {
    /// Parses a query. Punctuation only separates words, except for the operators.
    ///
    /// # Errors
    /// Why it is not a query, as a sentence for clients.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut groups, mut excluded): (Vec<Vec<Phrase>>, _) = (Vec::new(), Vec::new());
        let (mut expects_alternative, mut can_continue) = (false, false);
        for term in terms(text)? {
            match term {
                Term::Or if expects_alternative || !can_continue => return Err(incomplete_or()),
                Term::Or => expects_alternative = true,
                Term::Excluded(_) if expects_alternative => {
                    return Err("an exclusion cannot be an alternative of OR".to_owned());
                }
                Term::Excluded(phrase) => {
                    excluded.push(phrase);
                    can_continue = false;
                }
                Term::Included(phrase) => {
                    match groups.last_mut().filter(|_| expects_alternative) {
                        Some(group) => group.push(phrase),
                        None => groups.push(vec![phrase]),
                    }
                    (expects_alternative, can_continue) = (false, true);
                }
            }
        }
        if expects_alternative {
            return Err(incomplete_or());
        }
        if groups.is_empty() {
            return Err("the query has no word to search for".to_owned());
        }
        let query = Self { groups, excluded };
        let count: usize = query.phrases().chain(&query.excluded).map(|phrase| phrase.words.len()).sum();
        if count > MAX_WORDS {
            return Err(format!("the query has more than {MAX_WORDS} words"));
        }
        Ok(query)
    }

    /// The phrases to look for.
    pub(super) fn phrases(&self) -> impl Iterator<Item = &Phrase> {
        self.groups.iter().flatten()
    }

    /// Each group for PostgreSQL's `to_tsquery`. The rank of an article is the sum of its ranks for these.
    pub(super) fn tsquery_groups(&self) -> Vec<String> {
        self.groups.iter().map(|group| tsquery_of_any(group)).collect()
    }

    /// The query for PostgreSQL's `to_tsquery`.
    pub(super) fn tsquery(&self) -> String {
        let mut conditions = self.tsquery_groups();
        if !self.excluded.is_empty() {
            conditions.push(format!("!{}", tsquery_of_any(&self.excluded)));
        }
        conditions.join(" & ")
    }

    /// The query for MATCH of SQLite's FTS5.
    pub(super) fn fts5(&self) -> String {
        let any = |phrases: &[Phrase]| {
            let phrases: Vec<String> = phrases.iter().map(Phrase::fts5).collect();
            format!("({})", phrases.join(" OR "))
        };
        let groups: Vec<String> = self.groups.iter().map(|group| any(group)).collect();
        let wanted = groups.join(" AND ");
        if self.excluded.is_empty() { wanted } else { format!("({wanted}) NOT {}", any(&self.excluded)) }
    }
}

impl Phrase {
    /// `None` if `text` has no word.
    fn new(text: &str, is_prefix: bool) -> Result<Option<Self>, String> {
        let words: Vec<String> =
            words(text).map(|word| fold(word.text)).filter(|word| !word.is_empty()).collect();
        let Some(last) = words.last() else { return Ok(None) };
        if is_prefix && last.chars().count() < MIN_PREFIX {
            return Err(format!("a prefix has at least {MIN_PREFIX} characters before its *"));
        }
        Ok(Some(Self { words, is_prefix }))
    }

    fn tsquery(&self) -> String {
        let words: Vec<String> = self.words.iter().map(|word| format!("'{word}'")).collect();
        format!("({}{})", words.join(" <-> "), if self.is_prefix { ":*" } else { "" })
    }

    fn fts5(&self) -> String {
        format!("\"{}\"{}", self.words.join(" "), if self.is_prefix { " *" } else { "" })
    }
}

fn tsquery_of_any(phrases: &[Phrase]) -> String {
    let phrases: Vec<String> = phrases.iter().map(Phrase::tsquery).collect();
    format!("({})", phrases.join(" | "))
}

fn incomplete_or() -> String {
    "OR needs a word or a phrase on each side".to_owned()
}

/// Also the quotation marks that telephones and word processors insert.
fn is_quotation_mark(character: char) -> bool {
    matches!(character, '"' | '“' | '”' | '„')
}

/// The terms of a text. Those without a word are left out.
fn terms(text: &str) -> Result<Vec<Term>, String> {
    let mut terms = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let after_minus = rest.strip_prefix('-').filter(|after| !after.starts_with(char::is_whitespace));
        let body = after_minus.unwrap_or(rest);
        let (phrase, after) = if let Some(quoted) = body.strip_prefix(is_quotation_mark) {
            let (inside, after) = quoted
                .split_once(is_quotation_mark)
                .ok_or_else(|| "a quotation mark is not closed".to_owned())?;
            let after_star = after.strip_prefix('*');
            (Phrase::new(inside, after_star.is_some())?, after_star.unwrap_or(after))
        } else {
            let ends = |character: char| character.is_whitespace() || is_quotation_mark(character);
            let (word, after) = body.split_at(body.find(ends).unwrap_or(body.len()));
            if word == "OR" && after_minus.is_none() {
                terms.push(Term::Or);
                rest = after.trim_start();
                continue;
            }
            (word_or_prefix(word)?, after)
        };
        let term = if after_minus.is_some() { Term::Excluded } else { Term::Included };
        terms.extend(phrase.map(term));
        rest = after.trim_start();
    }
    Ok(terms)
}

/// A term without quotation marks; `word-word` is a phrase.
fn word_or_prefix(text: &str) -> Result<Option<Phrase>, String> {
    let text = text.trim_end_matches(|character| character != '*' && !is_part_of_word(character));
    let word = text.trim_end_matches('*');
    if word.contains('*') {
        return Err("* is allowed at the end of a word only".to_owned());
    }
    Phrase::new(word, word.len() < text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    fn fts5(text: &str) -> String {
        Query::parse(text).unwrap().fts5()
    }

    fn tsquery(text: &str) -> String {
        Query::parse(text).unwrap().tsquery()
    }

    #[test]
    fn each_operator_is_rendered_for_both_engines() {
        for (text, sqlite, postgres) in [
            ("engine", r#"("engine")"#, "(('engine'))"),
            ("Engine rust", r#"("engine") AND ("rust")"#, "(('engine')) & (('rust'))"),
            (r#""analytical engine""#, r#"("analytical engine")"#, "(('analytical' <-> 'engine'))"),
            ("rust -java", r#"(("rust")) NOT ("java")"#, "(('rust')) & !(('java'))"),
            (
                r#"a b OR c -"d e" -f"#,
                r#"(("a") AND ("b" OR "c")) NOT ("d e" OR "f")"#,
                "(('a')) & (('b') | ('c')) & !(('d' <-> 'e') | ('f'))",
            ),
            ("engi*", r#"("engi" *)"#, "(('engi':*))"),
            (r#""analytical eng"*"#, r#"("analytical eng" *)"#, "(('analytical' <-> 'eng':*))"),
            ("a OR b OR c", r#"("a" OR "b" OR "c")"#, "(('a') | ('b') | ('c'))"),
        ] {
            assert_eq!(fts5(text), sqlite, "{text}");
            assert_eq!(tsquery(text), postgres, "{text}");
        }
    }

    #[test]
    fn words_of_the_engines_languages_and_punctuation_have_no_meaning() {
        for (text, expected) in [
            ("or and not near", r#"("or") AND ("and") AND ("not") AND ("near")"#),
            ("AND NOT NEAR(a)", r#"("and") AND ("not") AND ("near a")"#),
            ("title:engine", r#"("title engine")"#),
            ("(a OR b) c", r#"("a" OR "b") AND ("c")"#),
            ("'a' & b | !c", r#"("a") AND ("b") AND ("c")"#),
            ("{title} : ^a + b:*A", ""),
            ("a <-> b", r#"("a") AND ("b")"#),
            ("a\\'b", r#"("a b")"#),
            ("e-mail", r#"("e mail")"#),
            ("- a", r#"("a")"#),
            (r#""OR""#, r#"("or")"#),
            ("a\u{0}b; DROP TABLE articles", r#"("a b") AND ("drop") AND ("table") AND ("articles")"#),
            ("“smart quotes”", r#"("smart quotes")"#),
            (r#"a"b c"d"#, r#"("a") AND ("b c") AND ("d")"#),
        ] {
            match Query::parse(text) {
                Ok(query) => assert_eq!(query.fts5(), expected, "{text}"),
                Err(error) => assert!(expected.is_empty(), "{text}: {error}"),
            }
        }
    }

    #[test]
    fn what_is_not_a_query_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", "no word"),
            ("  ", "no word"),
            ("!?", "no word"),
            ("*", "no word"),
            ("-engine", "no word"),
            (r#""""#, "no word"),
            (r#""open"#, "not closed"),
            (r#"a "b" ""#, "not closed"),
            ("OR", "OR needs"),
            ("OR a", "OR needs"),
            ("a OR", "OR needs"),
            ("a OR OR b", "OR needs"),
            ("a OR ?", "OR needs"),
            ("a -b OR c", "OR needs"),
            ("a OR -b", "an exclusion"),
            ("f*o", "* is allowed"),
            ("*foo", "* is allowed"),
            ("a*", "at least 2 characters"),
            (r#""bc a"*"#, "at least 2 characters"),
        ] {
            let error = Query::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_query_has_a_maximum_number_of_words() {
        assert!(Query::parse(&"a ".repeat(MAX_WORDS)).is_ok());
        for text in
            ["a ".repeat(MAX_WORDS + 1), "検".repeat(MAX_WORDS + 1), format!("a{}", " -b".repeat(MAX_WORDS))]
        {
            assert!(Query::parse(&text).unwrap_err().contains("more than"), "{text}");
        }
    }

    #[test]
    fn words_are_folded_like_those_of_texts() {
        assert_eq!(fts5("ÉTÉ"), fts5("ete"));
        assert_eq!(fts5("l'été"), r#"("l ete")"#);
        assert_eq!(fts5("全文検索"), r#"("全 文 検 索")"#);
        assert_eq!(fts5("Straß*"), r#"("strass" *)"#);
    }

    proptest! {
        /// Between quotes there are only words, and outside of them only operators, so that both engines accept
        /// the query.
        #[test]
        fn every_text_is_refused_or_rendered_as_quoted_words(
            text in "(\\PC|[\\x00-\\x{10ffff}]){0,40}|([a-b\"*'\\\\:&|!<>(){}^+,;$ -]|OR |AND |NEAR |NOT ){0,20}"
        ) {
            let Ok(query) = Query::parse(&text) else { return Ok(()) };
            // Of ASCII, only letters and digits. The engines give no other character a meaning.
            let word = r"[^\x00-/:-@\[-`{-\x7f]+";
            let (fts5, tsquery) = (query.fts5(), query.tsquery());
            let phrase = format!("\"{word}( {word})*\"( \\*)?");
            let any = format!("\\({phrase}( OR {phrase})*\\)");
            let pattern = format!("^\\(?{any}( AND {any})*(\\) NOT {any})?$");
            prop_assert!(Regex::new(&pattern).unwrap().is_match(&fts5), "{fts5}");
            let phrase = format!("\\('{word}'( <-> '{word}')*(:\\*)?\\)");
            let any = format!("\\({phrase}( \\| {phrase})*\\)");
            let pattern = format!("^{any}( & !?{any})*$");
            prop_assert!(Regex::new(&pattern).unwrap().is_match(&tsquery), "{tsquery}");
        }
    }
}
