//! The text of safe HTML: its first paragraph and its number of words.

use unicode_segmentation::UnicodeSegmentation as _;

/// Maximum length of an excerpt that is derived from a content, in code points.
pub(super) const MAX_EXCERPT: usize = 300;

/// Elements that do not separate the words around them.
const INLINE: [&str; 25] = [
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "del", "dfn", "em", "i", "ins", "kbd", "mark", "q", "s",
    "samp", "small", "span", "strong", "sub", "sup", "time", "u", "wbr",
];

/// The start of the element with the number of a footnote, which is no text of the author.
const NUMBER: &str = "sup class=\"footnote-ref\"";

/// What a reader sees of an article as text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// The first paragraph that has text, or the whole text if none has; blanks are collapsed.
    pub(super) first_paragraph: String,
    /// The number of words.
    pub(super) words: u32,
}

/// The text of HTML that the sanitizer or the renderer of plain text wrote.
pub(super) fn of(html: &str) -> Text {
    let mut text = String::with_capacity(html.len());
    let mut paragraph: Option<(usize, usize)> = None;
    let mut start = None;
    let mut is_number = false;
    let mut rest = html;
    while let Some((before, markup)) = rest.split_once('<') {
        if !is_number {
            decode(before, &mut text);
        }
        let (tag, after) = split_tag(markup);
        rest = after;
        let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
        if !INLINE.contains(&name) {
            text.push(' ');
        }
        match tag {
            "/sup" => is_number = false,
            "/p" => {
                let whole = start.take().map(|start| (start, text.len()));
                paragraph = paragraph.or(whole.filter(|(start, end)| has_text(&text, *start, *end)));
            }
            _ if tag.starts_with(NUMBER) => is_number = true,
            _ if name == "p" => start = Some(text.len()),
            _ => {}
        }
    }
    decode(rest, &mut text);
    let (start, end) = paragraph.unwrap_or((0, text.len()));
    let first_paragraph = collapsed(text.get(start..end).unwrap_or_default());
    let words = u32::try_from(text.unicode_words().count()).unwrap_or(u32::MAX);
    Text { first_paragraph, words }
}

fn has_text(text: &str, start: usize, end: usize) -> bool {
    text.get(start..end).is_some_and(|text| !text.trim().is_empty())
}

/// Splits `markup`, which follows `<`, after its first tag. A `>` in an attribute does not end the tag.
fn split_tag(markup: &str) -> (&str, &str) {
    let mut is_quoted = false;
    let end = markup.bytes().position(|byte| {
        is_quoted ^= byte == b'"';
        byte == b'>' && !is_quoted
    });
    end.and_then(|end| Some((markup.get(..end)?, markup.get(end.saturating_add(1)..)?)))
        .unwrap_or((markup, ""))
}

/// Appends character data. Serialised HTML has no other character references.
fn decode(data: &str, text: &mut String) {
    let mut rest = data;
    while let Some((before, reference)) = rest.split_once('&') {
        text.push_str(before);
        let known = [("amp;", '&'), ("lt;", '<'), ("gt;", '>'), ("nbsp;", '\u{a0}'), ("quot;", '"')];
        let found =
            known.iter().find_map(|(name, character)| Some((*character, reference.strip_prefix(name)?)));
        let (character, after) = found.unwrap_or(('&', reference));
        text.push(character);
        rest = after;
    }
    text.push_str(rest);
}

/// The words with one blank between them, as many as an excerpt can show.
fn collapsed(text: &str) -> String {
    let mut collapsed = String::new();
    for word in text.split_whitespace() {
        if !collapsed.is_empty() {
            collapsed.push(' ');
        }
        collapsed.push_str(word);
        // A code point has at most 4 bytes.
        if collapsed.len() > MAX_EXCERPT.saturating_mul(4) {
            break;
        }
    }
    collapsed
}

/// The text if it is short enough, otherwise as many of its words as fit, and an ellipsis.
pub(super) fn excerpt(text: &str) -> String {
    if text.chars().nth(MAX_EXCERPT).is_none() {
        return text.to_owned();
    }
    let max = text.char_indices().nth(MAX_EXCERPT.saturating_sub(1)).map_or(text.len(), |(index, _)| index);
    let fitting = |bounds: &mut dyn Iterator<Item = usize>| bounds.take_while(|index| *index <= max).last();
    let words = fitting(&mut text.split_word_bound_indices().map(|(index, _)| index)).filter(|end| *end > 0);
    let end = words.or_else(|| fitting(&mut text.grapheme_indices(true).map(|(index, _)| index)));
    let cut = end.and_then(|end| text.get(..end)).unwrap_or_default();
    let cut =
        cut.trim_end_matches(|last: char| last.is_whitespace() || ",;:([{\u{2013}\u{2014}-".contains(last));
    format!("{cut}\u{2026}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_excerpt_is_the_first_paragraph_with_text() {
        for (html, expected) in [
            ("<h1>T</h1>\n<p>One <em>t</em>wo.</p>\n<p>Three</p>", "One two."),
            ("<p><img src=\"a>b\" alt=\"x\"></p><p> a&nbsp;&lt;b&gt; &amp;amp; </p>", "a <b> &amp;"),
            ("<ul><li>one</li><li>two</li></ul>", "one two"),
            ("<blockquote>\n<p>Quoted<br>\nlines</p></blockquote>", "Quoted lines"),
            (
                "<p>Text<sup class=\"footnote-ref\"><a href=\"#user-content-fn-1\">1</a></sup>, x<sup>2</sup>.</p>",
                "Text, x2.",
            ),
            ("<p></p>", ""),
            ("", ""),
        ] {
            assert_eq!(of(html).first_paragraph, expected, "{html}");
        }
    }

    #[test]
    fn words_are_those_of_unicode() {
        for (html, words) in [
            ("<h1>One</h1><p>two, three-four. <code>five</code></p>", 5),
            ("<p>can\u{2019}t</p>", 1),
            ("<ul><li>a</li><li>b</li></ul>", 2),
            ("<p>a<b>b</b></p>", 1),
            ("<p>\u{65e5}\u{672c}</p>", 2),
            ("<p>… — !</p>", 0),
        ] {
            assert_eq!(of(html).words, words, "{html}");
        }
    }

    #[test]
    fn a_long_text_is_cut_after_a_word_and_is_never_longer_than_the_maximum() {
        let exact = "x".repeat(MAX_EXCERPT);
        assert_eq!(excerpt(&exact), exact);
        let words = "word ".repeat(100);
        assert_eq!(excerpt(&words), format!("{}\u{2026}", "word ".repeat(59) + "word"));
        assert!(excerpt(&format!("{}, {}", "a".repeat(290), "b".repeat(20))).ends_with("a\u{2026}"));
        for text in [
            "x".repeat(301),
            "\u{65e5}".repeat(400),
            "e\u{301}".repeat(300),
            "\u{1f469}\u{200d}\u{1f680}".repeat(200),
        ] {
            let cut = excerpt(&text);
            let length = cut.chars().count();
            assert!((200..=MAX_EXCERPT).contains(&length), "{length}");
            assert!(text.starts_with(cut.trim_end_matches('\u{2026}')));
        }
    }
}
