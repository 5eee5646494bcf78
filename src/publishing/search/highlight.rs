//! Marks the words of a query in texts, as HTML in which everything else is escaped.

use super::{
    query::Query,
    words::{fold, words},
};

/// The length of a snippet, in code points.
const SNIPPET: usize = 240;

/// How much of it precedes the first word that was found, at most.
const CONTEXT: usize = 60;

/// The bytes within which words that were found count as close to each other.
const CLOSE: usize = 400;

/// Marks what a query looks for.
#[derive(Debug)]
pub(super) struct Highlighter<'a> {
    query: &'a Query,
}

/// A word of a text that the query looks for.
#[derive(Clone, Copy, Debug)]
struct Hit {
    start: usize,
    end: usize,
    /// The position of the word in the query.
    word: usize,
}

impl<'a> Highlighter<'a> {
    pub(super) fn new(query: &'a Query) -> Self {
        Self { query }
    }

    /// The whole text as HTML, with the words that were found in `<mark>`.
    pub(super) fn title(&self, text: &str) -> String {
        marked(text, 0, text.len(), &self.hits(text))
    }

    /// The part of the text in which most of the words are, as HTML, with the words that were found in `<mark>`.
    /// Blanks and line breaks are single blanks, and `…` stands for what is left out.
    pub(super) fn snippet(&self, text: &str) -> String {
        let hits = self.hits(text);
        let start = start_before(text, densest(&hits));
        let end = end_after(text, start);
        let snippet = marked(text, start, end, &hits);
        let mut snippet = snippet.split_whitespace().collect::<Vec<_>>().join(" ");
        if start > 0 {
            snippet.insert(0, '…');
        }
        if end < text.trim_end().len() {
            snippet.push('…');
        }
        snippet
    }

    fn hits(&self, text: &str) -> Vec<Hit> {
        let hit = |(start, text): (usize, &str)| {
            let end = start.saturating_add(text.len());
            self.word_of_query(&fold(text)).map(|word| Hit { start, end, word })
        };
        words(text).filter_map(|word| hit((word.start, word.text))).collect()
    }

    fn word_of_query(&self, folded: &str) -> Option<usize> {
        let words = self.query.phrases().flat_map(|phrase| {
            let last = phrase.words.len().saturating_sub(1);
            let is_prefix = move |at: usize| phrase.is_prefix && at == last;
            phrase.words.iter().enumerate().map(move |(at, word)| (word, is_prefix(at)))
        });
        let mut words = words.enumerate();
        let found =
            words.find(
                |(_, (word, is_prefix))| {
                    if *is_prefix { folded.starts_with(word.as_str()) } else { folded == word.as_str() }
                },
            );
        found.map(|(position, _)| position)
    }
}

/// Where the hits begin that include most words of the query within [`CLOSE`] bytes; the first such place.
fn densest(hits: &[Hit]) -> usize {
    let mut best = (0, hits.first().map_or(0, |hit| hit.start));
    for (at, first) in hits.iter().enumerate() {
        let close = hits.iter().skip(at).take_while(|hit| hit.end.saturating_sub(first.start) <= CLOSE);
        // A query has at most 32 words.
        let words =
            close.fold(0_u64, |words, hit| words | 1_u64.checked_shl(position(hit)).unwrap_or_default());
        if words.count_ones() > best.0 {
            best = (words.count_ones(), first.start);
        }
    }
    best.1
}

fn position(hit: &Hit) -> u32 {
    u32::try_from(hit.word).unwrap_or(u32::MAX)
}

/// The start of a snippet that shows the text at `place` with some context before it.
fn start_before(text: &str, place: usize) -> usize {
    let before = text.get(..place).unwrap_or_default();
    let mut start = place;
    for (at, character) in before.char_indices().rev().take(CONTEXT) {
        if character.is_whitespace() {
            start = at.saturating_add(character.len_utf8());
        } else if at == 0 {
            start = 0;
        }
    }
    start
}

/// The end of a snippet that starts at `start`: between two words, if it has any.
fn end_after(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let Some((cut, _)) = rest.char_indices().nth(SNIPPET) else { return text.len() };
    let shown = rest.get(..cut).unwrap_or_default();
    start.saturating_add(shown.rfind(char::is_whitespace).filter(|blank| *blank > 0).unwrap_or(cut))
}

/// The text from `start` to `end`, with the hits that are in it.
fn marked(text: &str, start: usize, end: usize, hits: &[Hit]) -> String {
    let mut html = String::new();
    let mut at = start;
    for hit in hits.iter().filter(|hit| hit.start >= start && hit.end <= end) {
        escape(text.get(at..hit.start).unwrap_or_default(), &mut html);
        html.push_str("<mark>");
        escape(text.get(hit.start..hit.end).unwrap_or_default(), &mut html);
        html.push_str("</mark>");
        at = hit.end;
    }
    escape(text.get(at..end).unwrap_or_default(), &mut html);
    html
}

fn escape(text: &str, html: &mut String) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn title(query: &str, text: &str) -> String {
        Highlighter::new(&Query::parse(query).unwrap()).title(text)
    }

    fn snippet(query: &str, text: &str) -> String {
        Highlighter::new(&Query::parse(query).unwrap()).snippet(text)
    }

    #[test]
    fn words_are_marked_as_the_text_has_them() {
        for (query, text, expected) in [
            ("engine", "The Engine, engines", "The <mark>Engine</mark>, engines"),
            ("engin*", "The Engine, engines", "The <mark>Engine</mark>, <mark>engines</mark>"),
            ("cafe", "Ein Café", "Ein <mark>Café</mark>"),
            ("a -b", "a b", "<mark>a</mark> b"),
            ("全文", "全文検索", "<mark>全</mark><mark>文</mark>検索"),
            ("nothing", "text", "text"),
        ] {
            assert_eq!(title(query, text), expected, "{query}");
        }
    }

    #[test]
    fn everything_else_is_escaped() {
        assert_eq!(
            title("script", "<script>alert('1') & \"2\"</script>"),
            "&lt;<mark>script</mark>&gt;alert(&#39;1&#39;) &amp; &quot;2&quot;&lt;/<mark>script</mark>&gt;"
        );
        assert_eq!(title("mark", "<mark>"), "&lt;<mark>mark</mark>&gt;");
        assert_eq!(snippet("lt amp", "<&"), "&lt;&amp;");
    }

    #[test]
    fn a_snippet_shows_the_place_with_most_words() {
        let filler = "filler ".repeat(200);
        let text = format!("rust {filler} rust and sqlite {filler}");
        let snippet = snippet("sqlite rust", &text);
        assert!(snippet.contains("<mark>rust</mark> and <mark>sqlite</mark>"), "{snippet}");
        assert!(snippet.starts_with("…filler") && snippet.ends_with("filler…"), "{snippet}");
    }

    #[test]
    fn a_snippet_without_a_hit_is_the_beginning() {
        assert_eq!(snippet("rust", "Two\n\n short   lines \n"), "Two short lines");
        let long = snippet("rust", &"word ".repeat(100));
        assert!(long.starts_with("word word") && long.ends_with("word…"), "{long}");
    }

    #[test]
    fn a_snippet_of_a_text_without_blanks_is_cut_between_characters() {
        let text = format!("{}検索{}", "文".repeat(500), "字".repeat(500));
        let snippet = snippet("検索", &text);
        assert!(snippet.starts_with("…<mark>検</mark><mark>索</mark>字"), "{snippet}");
        assert!(snippet.ends_with("字…"), "{snippet}");
    }

    proptest! {
        #[test]
        fn without_its_marks_a_title_is_the_escaped_text(text in "\\PC{0,60}|([<>&\"' a-b]|<mark>){0,20}") {
            let mut escaped = String::new();
            escape(&text, &mut escaped);
            let html = title("a b OR c mark", &text);
            prop_assert_eq!(html.replace("<mark>", "").replace("</mark>", ""), escaped);
        }

        #[test]
        fn a_snippet_is_bounded(text in "([a-c ]|文|é|\n){0,2000}") {
            let html = snippet("a OR b", &text).replace("<mark>", "").replace("</mark>", "");
            prop_assert!(html.chars().count() <= SNIPPET + 2, "{html}");
        }
    }
}
