//! Contents that try to run scripts, load styles or leave their place in the page.

use std::cell::RefCell;

use html5ever::{
    Attribute, TokenizerResult,
    buffer_queue::BufferQueue,
    tendril::StrTendril,
    tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts},
};
use proptest::{collection::vec, prelude::*, sample::select};
use url::Url;

use super::{
    attacks::{ATTACKS, MARKDOWN_ATTACKS},
    *,
};

/// The start tags of a document.
#[derive(Default)]
struct Tags(RefCell<Vec<Tag>>);

impl TokenSink for Tags {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        if let Token::TagToken(tag) = token
            && tag.kind == TagKind::StartTag
        {
            self.0.borrow_mut().push(tag);
        }
        TokenSinkResult::Continue
    }
}

fn tags(html: &str) -> Vec<Tag> {
    let tokenizer = Tokenizer::new(Tags::default(), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(html));
    while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
    tokenizer.end();
    tokenizer.sink.0.into_inner()
}

/// Elements whose content a browser does not parse as usual, or that load or run something.
const DANGEROUS: [&str; 38] = [
    "script",
    "style",
    "link",
    "meta",
    "base",
    "iframe",
    "frame",
    "frameset",
    "object",
    "embed",
    "applet",
    "form",
    "button",
    "textarea",
    "select",
    "option",
    "svg",
    "math",
    "template",
    "noscript",
    "noembed",
    "noframes",
    "xmp",
    "plaintext",
    "title",
    "audio",
    "video",
    "source",
    "track",
    "portal",
    "marquee",
    "isindex",
    "keygen",
    "body",
    "html",
    "head",
    "image",
    "slot",
];

/// Attributes whose values are harmless, whatever they are.
const HARMLESS: [&str; 16] = [
    "align",
    "alt",
    "aria-label",
    "colspan",
    "datetime",
    "dir",
    "height",
    "lang",
    "open",
    "reversed",
    "rowspan",
    "scope",
    "start",
    "title",
    "value",
    "width",
];

/// What a browser would do with `html` that it must not do.
fn dangers(html: &str) -> Vec<String> {
    let page = Url::parse("https://blog.example/posts/").unwrap();
    let mut dangers = Vec::new();
    for Tag { name, attrs, .. } in tags(html) {
        let element = &*name;
        if DANGEROUS.contains(&element) {
            dangers.push(format!("<{element}>"));
        }
        for Attribute { name, value } in attrs {
            let (attribute, value) = (&*name.local, &*value);
            let is_harmless = match attribute {
                "href" | "src" | "cite" => {
                    page.join(value).is_ok_and(|url| ["http", "https", "mailto"].contains(&url.scheme()))
                }
                "class" => {
                    ["", "footnote-backref", "footnote-ref", "footnotes", "task-list-item"].contains(&value)
                        || (element == "code" && value.starts_with("language-"))
                }
                "id" => value.starts_with("user-content-"),
                "rel" => value == "noopener",
                "type" => value == "checkbox" && element == "input",
                "disabled" | "checked" => element == "input",
                _ => HARMLESS.contains(&attribute),
            };
            if !is_harmless {
                dangers.push(format!("<{element} {attribute}={value:?}>"));
            }
        }
    }
    dangers
}

#[test]
fn no_published_attack_survives() {
    for attack in ATTACKS.iter().chain(MARKDOWN_ATTACKS) {
        for format in [Format::Html, Format::Markdown, Format::Plain] {
            let html = render(format, attack).html;
            assert_eq!(dangers(&html), Vec::<String>::new(), "{attack} as {format:?}: {html}");
        }
    }
}

#[test]
fn the_check_of_these_tests_finds_what_is_dangerous() {
    for html in [
        "<script>",
        "<p onclick=\"x\">",
        "<a href=\"javascript:x\">",
        "<img src=\"data:,\">",
        "<p style=\"\">",
        "<p id=\"x\">",
        "<p class=\"x\">",
        "<input type=\"text\">",
        "<a href=\"\u{1}javascript:x\">",
        "<svg>",
    ] {
        assert!(!dangers(html).is_empty(), "{html}");
    }
}

/// Parts of which hostile documents consist.
const PARTS: &[&str] = &[
    "<",
    ">",
    "</",
    "/>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?",
    "\"",
    "'",
    "`",
    "=",
    " ",
    "\n",
    "\n\n",
    "\t",
    "&",
    ";",
    "&lt;",
    "&#60",
    "&#x3c;",
    "&quot;",
    "&colon;",
    "&NewLine;",
    "&Tab;",
    "\0",
    "\u{1}",
    "\u{c}",
    "\u{a0}",
    "\u{2028}",
    "\u{feff}",
    "\u{fffe}",
    "\u{200b}",
    "a",
    "b",
    "p",
    "div",
    "img",
    "table",
    "td",
    "script",
    "style",
    "svg",
    "math",
    "mtext",
    "mglyph",
    "annotation-xml",
    "foreignObject",
    "title",
    "textarea",
    "noscript",
    "template",
    "select",
    "option",
    "xmp",
    "iframe",
    "form",
    "input",
    "li",
    "code",
    "sup",
    "section",
    " href=",
    " src=",
    " onclick=",
    " style=",
    " id=",
    " class=",
    " title=",
    " encoding=",
    "javascript:",
    "data:",
    "text/html",
    "alert(1)",
    "//",
    "#",
    "language-",
    "user-content-",
    "[",
    "]",
    "](",
    ")",
    "!",
    "*",
    "_",
    "~~",
    "|",
    "|-|",
    "- [ ] ",
    "> ",
    "```",
    "\\",
    "[^a]",
    "[^a]: ",
    "www.a.b",
    "a@b.c",
    "é",
    "日",
    "\u{1f600}",
];

fn document() -> impl Strategy<Value = String> {
    let part =
        prop_oneof![8 => select(PARTS).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)];
    vec(part, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_document_becomes_dangerous(
        content in document(),
        format in select(&[Format::Html, Format::Markdown, Format::Plain][..]),
    ) {
        let html = render(format, &content).html;
        prop_assert_eq!(dangers(&html), Vec::<String>::new(), "{}", html);
    }

    #[test]
    fn every_text_can_be_rendered(content in any::<String>(), format in select(&[Format::Html, Format::Markdown, Format::Plain][..])) {
        let rendered = render(format, &content);
        prop_assert!(rendered.excerpt.chars().count() <= text::MAX_EXCERPT);
        prop_assert_eq!(&rendered, &render(format, &content));
    }
}
