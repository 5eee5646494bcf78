//! Tests of rendering: formats, the examples of `CommonMark`, hostile contents, and bounds.

use super::*;

mod attacks;
mod commonmark;
mod hostile;
mod work;

fn markdown(content: &str) -> String {
    render(Format::Markdown, content).html
}

#[test]
fn each_format_has_its_own_markup() {
    let content = "*a* <b>b</b>\n\nc";
    assert_eq!(render(Format::Markdown, content).html, "<p><em>a</em> <b>b</b></p>\n<p>c</p>\n");
    assert_eq!(render(Format::Html, content).html, "*a* <b>b</b>\n\nc");
    assert_eq!(render(Format::Plain, content).html, "<p>*a* &lt;b&gt;b&lt;/b&gt;</p>\n<p>c</p>\n");
}

#[test]
fn headings_have_ids_of_their_texts_and_equal_texts_have_different_ids() {
    assert_eq!(
        markdown("# Größe & *Form*\n\n# a\n\n# a\n\n[a](#a-1)\n\n# \"<>"),
        "<h1 id=\"user-content-größe--form\">Größe &amp; <em>Form</em></h1>\n\
         <h1 id=\"user-content-a\">a</h1>\n<h1 id=\"user-content-a-1\">a</h1>\n\
         <p><a href=\"#user-content-a-1\" rel=\"noopener\">a</a></p>\n<h1 id=\"user-content-\">\"&lt;&gt;</h1>\n"
    );
}

#[test]
fn tables_have_the_alignment_of_their_columns() {
    assert_eq!(
        markdown("| a | b | c |\n|:--|:-:|---|\n| `1` | 2 | |\n"),
        "<table>\n<thead>\n<tr>\n<th align=\"left\">a</th>\n<th align=\"center\">b</th>\n<th>c</th>\n</tr>\n</thead>\n\
         <tbody>\n<tr>\n<td align=\"left\"><code>1</code></td>\n<td align=\"center\">2</td>\n<td></td>\n</tr>\n\
         </tbody>\n</table>\n"
    );
}

#[test]
fn a_footnote_and_its_references_lead_to_each_other() {
    let html = markdown("Text[^n].\n\n[^n]: Note.\n");
    for part in [
        "<sup class=\"footnote-ref\"><a href=\"#user-content-fn-n\" id=\"user-content-fnref-n\" rel=\"noopener\">1</a></sup>",
        "<section class=\"footnotes\">",
        "<li id=\"user-content-fn-n\">",
        "href=\"#user-content-fnref-n\"",
        "aria-label=\"Back to reference 1\"",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

#[test]
fn the_items_of_a_task_list_have_boxes() {
    let html = markdown("- [x] done\n- [ ] open\n");
    assert_eq!(html.matches("<li class=\"task-list-item\"><input ").count(), 2, "{html}");
    assert_eq!(html.matches(" checked=\"\"").count(), 1, "{html}");
    assert_eq!(
        (html.matches("type=\"checkbox\"").count(), html.matches("disabled=\"\"").count()),
        (2, 2),
        "{html}"
    );
}

#[test]
fn text_is_struck_through_and_addresses_are_links() {
    for (content, html) in [
        ("~~old~~", "<p><del>old</del></p>\n"),
        (
            "https://example.com/a_b_c, www.example.com.",
            "<p><a href=\"https://example.com/a_b_c\" rel=\"noopener\">https://example.com/a_b_c</a>, \
             <a href=\"http://www.example.com\" rel=\"noopener\">www.example.com</a>.</p>\n",
        ),
        (
            "ada@example.com",
            "<p><a href=\"mailto:ada@example.com\" rel=\"noopener\">ada@example.com</a></p>\n",
        ),
    ] {
        assert_eq!(markdown(content), html);
    }
}

#[test]
fn a_block_of_code_names_its_language_and_shows_markup_as_text() {
    assert_eq!(
        markdown("```rust ignore\nlet a = \"<b>\" & 1;\n```\n"),
        "<pre><code class=\"language-rust\">let a = \"&lt;b&gt;\" &amp; 1;\n</code></pre>\n"
    );
    assert_eq!(markdown("    <b>\n"), "<pre><code>&lt;b&gt;\n</code></pre>\n");
    assert_eq!(markdown("```<script>\na\n```\n"), "<pre><code>a\n</code></pre>\n");
}

#[test]
fn html_in_markdown_stays_as_far_as_it_is_allowed() {
    assert_eq!(
        markdown(
            "<details open><summary>More</summary>\n\n*Text* <kbd>Ctrl</kbd> <blink>x</blink>\n\n</details>\n"
        ),
        "<details open=\"\"><summary>More</summary>\n<p><em>Text</em> <kbd>Ctrl</kbd> x</p>\n</details>\n"
    );
}

#[test]
fn links_and_images_lead_to_web_pages_mail_addresses_and_relative_references_only() {
    for (content, html) in [
        ("[a](/b?c#d)", "<p><a href=\"/b?c#d\" rel=\"noopener\">a</a></p>\n"),
        ("[a](HTTPS://example.com)", "<p><a href=\"HTTPS://example.com\" rel=\"noopener\">a</a></p>\n"),
        ("[a](ftp://example.com)", "<p><a rel=\"noopener\">a</a></p>\n"),
        ("![a](b.png \"t\")", "<p><img src=\"b.png\" alt=\"a\" title=\"t\"></p>\n"),
        ("![a](mailto:b@example.com)", "<p><img alt=\"a\"></p>\n"),
        ("![a](data:image/png;base64,AAAA)", "<p><img alt=\"a\"></p>\n"),
    ] {
        assert_eq!(markdown(content), html);
    }
}

#[test]
fn the_excerpt_and_the_words_are_those_that_readers_see() {
    let rendered = render(
        Format::Markdown,
        "# Title\n\n![x](y)\n\nThe *first* [paragraph](/x)\n& more[^1].\n\n[^1]: Note.",
    );
    assert_eq!((rendered.excerpt.as_str(), rendered.words), ("The first paragraph & more.", 6));
    let rendered = render(Format::Plain, "<b> is *not*\nmarkup.\n\nSecond.");
    assert_eq!((rendered.excerpt.as_str(), rendered.words), ("<b> is *not* markup.", 5));
    let rendered = render(Format::Html, "<script>no words</script>One.<p>Two.</p>");
    assert_eq!((rendered.excerpt.as_str(), rendered.words), ("Two.", 2));
}

#[test]
fn reading_takes_a_minute_for_two_hundred_words_and_at_least_one() {
    for (words, minutes) in [(0, 1), (1, 1), (200, 1), (201, 2), (1000, 5), (u32::MAX, 21_474_837)] {
        let rendered = Rendered { html: String::new(), excerpt: String::new(), words };
        assert_eq!(rendered.reading_minutes(), minutes);
    }
}
