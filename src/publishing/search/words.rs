//! Divides texts into words and folds them: what both engines index and look for.
//!
//! Folding happens here and not in the databases, whose rules for accents, letters and cases differ and depend on
//! their versions and locales.

use caseless::Caseless as _;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};
use unicode_segmentation::UnicodeSegmentation as _;

/// The most code points of a folded word. The rest of a longer one is ignored, in texts and in queries.
const MAX_WORD: usize = 64;

/// A word as it is in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// Its position in the text, in bytes.
    pub(super) start: usize,
    /// The word.
    pub(super) text: &'a str,
}

/// The words of a text: those of Unicode's word boundaries (UAX #29), divided further at everything that is no
/// letter, digit or mark. Writing systems without blanks have no word boundaries there, so that each Chinese or Thai
/// character is a word; a sequence of them is found as a phrase.
pub(super) fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    text.unicode_word_indices().flat_map(|(start, word)| {
        let mut end = start;
        word.split_inclusive(|character| !is_part_of_word(character)).filter_map(move |part| {
            let start = end;
            end = start.saturating_add(part.len());
            let text = part.trim_end_matches(|character| !is_part_of_word(character));
            text.contains(char::is_alphanumeric).then_some(Word { start, text })
        })
    })
}

/// Whether words contain this character.
pub(super) fn is_part_of_word(character: char) -> bool {
    character.is_alphanumeric() || is_combining_mark(character)
}

/// A word without what does not distinguish words: case, accents, and variants of one letter (NFKD). It consists of
/// letters, digits and marks; empty if nothing remains.
pub(super) fn fold(word: &str) -> String {
    if word.is_ascii() {
        return word.chars().take(MAX_WORD).map(|character| character.to_ascii_lowercase()).collect();
    }
    let folded = word.nfkd().default_case_fold().nfkd().filter(|character| !is_accent(*character));
    let mut latin = String::with_capacity(word.len());
    for character in folded {
        match base(character) {
            Some(base) => latin.push_str(base),
            None => latin.push(character),
        }
    }
    latin.nfc().filter(|character| is_part_of_word(*character)).take(MAX_WORD).collect()
}

/// The folded words of a text, separated by blanks: as many of the first ones as have at most `max_bytes`.
pub(super) fn folded_text(text: &str, max_bytes: usize) -> String {
    let mut folded = String::new();
    for word in words(text).map(|word| fold(word.text)).filter(|word| !word.is_empty()) {
        if folded.len().saturating_add(word.len()) >= max_bytes {
            break;
        }
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(&word);
    }
    folded
}

/// Whether a mark is left out: accents, the points of Hebrew and the vowel marks of Arabic, which texts mostly leave
/// out too. Marks of other scripts are vowels that distinguish words.
fn is_accent(mark: char) -> bool {
    matches!(mark,
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'..='\u{5c2}'
        | '\u{5c4}'..='\u{5c5}' | '\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}')
}

/// The usual spelling of Latin letters with a stroke and of ligatures, which Unicode does not decompose.
fn base(letter: char) -> Option<&'static str> {
    Some(match letter {
        'æ' => "ae",
        'đ' => "d",
        'ħ' => "h",
        'ı' => "i",
        'ł' => "l",
        'ø' => "o",
        'œ' => "oe",
        'ŧ' => "t",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str) -> String {
        folded_text(text, usize::MAX)
    }

    #[test]
    fn case_and_accents_do_not_distinguish_words() {
        for (text, expected) in [
            ("Café CAFÉ cafe\u{301}", "cafe cafe cafe"),
            ("Straße STRASSE", "strasse strasse"),
            ("İstanbul ISTANBUL ıstanbul", "istanbul istanbul istanbul"),
            ("ΟΔΥΣΣΕΎΣ Οδυσσεύς", "οδυσσευσ οδυσσευσ"),
            ("Đà Nẵng", "da nang"),
            ("Việt Nam", "viet nam"),
            ("Łódź Øresund Œuvre Þing", "lodz oresund oeuvre þing"),
            ("Ёлка елка", "елка елка"),
            ("ﬁle Ｆｉｌｅ x²", "file file x 2"),
            ("שָׁלוֹם", "שלום"),
            ("مُحَمَّد", "محمد"),
        ] {
            assert_eq!(folded(text), expected, "{text}");
        }
    }

    #[test]
    fn everything_but_letters_digits_and_marks_separates_words() {
        for (text, expected) in [
            ("l'avion can't C++ e-mail", "l avion can t c e mail"),
            ("snake_case https://example.com/a?b=c&d", "snake case https example com a b c d"),
            ("3.14 1,000 v2", "3 14 1 000 v2"),
            ("<b>bold</b> \u{1f600} — “quoted”", "b bold b quoted"),
            ("", ""),
            ("+-*/ \u{0}", ""),
        ] {
            assert_eq!(folded(text), expected, "{text}");
        }
    }

    #[test]
    fn vowel_marks_of_indian_scripts_stay_part_of_their_word() {
        assert_eq!(folded("हिन्दी की"), "हिन्दी की");
        assert_ne!(folded("कि"), folded("का"));
    }

    #[test]
    fn characters_of_scripts_without_blanks_are_words() {
        assert_eq!(folded("全文検索"), "全 文 検 索");
        assert_eq!(folded("データ処理"), "データ 処 理");
        assert_eq!(folded("한국어 검색"), "한국어 검색");
    }

    #[test]
    fn a_word_knows_its_position() {
        let text = "Ein l'été – 3.14";
        for word in words(text) {
            assert_eq!(&text[word.start..word.start + word.text.len()], word.text);
        }
        assert_eq!(words(text).map(|word| word.text).collect::<Vec<_>>(), ["Ein", "l", "été", "3", "14"]);
    }

    #[test]
    fn a_long_word_and_a_long_text_are_cut() {
        assert_eq!(fold(&"ab".repeat(100)).len(), MAX_WORD);
        assert_eq!(fold(&"é".repeat(100)).len(), MAX_WORD);
        assert_eq!(folded_text("one two three", 9), "one two");
        assert_eq!(folded_text("one two three", 0), "");
    }

    proptest! {
        #[test]
        fn folding_is_stable_and_leaves_only_what_words_contain(text in "\\PC{0,40}|[\\x00-\\x{10ffff}]{0,20}") {
            for word in words(&text) {
                let folded = fold(word.text);
                prop_assert!(folded.chars().all(is_part_of_word), "{folded:?}");
                prop_assert_eq!(fold(&folded), folded.clone());
                prop_assert_eq!(word.text, &text[word.start..word.start + word.text.len()]);
            }
        }

        #[test]
        fn a_text_has_at_most_the_given_number_of_bytes(text in "\\PC{0,60}", max in 0_usize..50) {
            prop_assert!(folded_text(&text, max).len() <= max);
        }
    }
}
