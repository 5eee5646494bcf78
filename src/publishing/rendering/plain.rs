//! Plain text as HTML: paragraphs and line breaks.

/// The text in paragraphs, which blank lines separate.
pub(super) fn html(content: &str) -> String {
    let mut html = String::with_capacity(content.len().saturating_add(content.len() / 8));
    let mut is_open = false;
    for line in content.lines() {
        let line = line.trim_end();
        if line.is_empty() {
            if is_open {
                html.push_str("</p>\n");
            }
            is_open = false;
            continue;
        }
        html.push_str(if is_open { "<br>\n" } else { "<p>" });
        is_open = true;
        escape(line, &mut html);
    }
    if is_open {
        html.push_str("</p>\n");
    }
    html
}

/// Appends `text` as character data.
pub(super) fn escape(text: &str, html: &mut String) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            character => html.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_separate_paragraphs_and_other_lines_break() {
        for (text, expected) in [
            ("one line", "<p>one line</p>\n"),
            ("one\ntwo\r\nthree", "<p>one<br>\ntwo<br>\nthree</p>\n"),
            ("one\n\n \n\t\r\ntwo", "<p>one</p>\n<p>two</p>\n"),
            ("\n\n  indented  \n\n", "<p>  indented</p>\n"),
            ("1 < 2 & \"3\" > 2 &amp;", "<p>1 &lt; 2 &amp; \"3\" &gt; 2 &amp;amp;</p>\n"),
            ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
            ("", ""),
            ("\n\n", ""),
        ] {
            assert_eq!(html(text), expected, "{text:?}");
        }
    }
}
