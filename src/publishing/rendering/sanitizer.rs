//! The allow-list of HTML in articles (docs/publishing.md).

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use ammonia::{Builder, UrlRelative};
use url::Url;

/// Precedes each id, so that no id of an article is that of an element of the page, or a property of its document.
const ID_PREFIX: &str = "user-content-";

/// The longest name of a language of code, in bytes.
const MAX_LANGUAGE: usize = 50;

const ELEMENTS: [&str; 60] = [
    "a",
    "abbr",
    "b",
    "bdi",
    "bdo",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "input",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "section",
    "small",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "u",
    "ul",
];

/// Elements that are removed with what they contain. Of others that are not allowed, the content stays.
const REMOVED: [&str; 15] = [
    "iframe",
    "math",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "plaintext",
    "script",
    "select",
    "style",
    "svg",
    "template",
    "textarea",
    "title",
    "xmp",
];

const ATTRIBUTES: [(&str, &[&str]); 14] = [
    ("a", &["aria-label", "href"]),
    ("blockquote", &["cite"]),
    ("code", &["class"]),
    ("del", &["cite", "datetime"]),
    ("details", &["open"]),
    ("img", &["alt", "height", "src", "width"]),
    ("input", &["checked", "disabled"]),
    ("ins", &["cite", "datetime"]),
    ("li", &["value"]),
    ("ol", &["reversed", "start"]),
    ("q", &["cite"]),
    ("td", &["colspan", "rowspan"]),
    ("th", &["colspan", "rowspan", "scope"]),
    ("time", &["datetime"]),
];

/// Attributes of every element.
const COMMON_ATTRIBUTES: [&str; 4] = ["dir", "id", "lang", "title"];

/// What the renderer of Markdown uses. The class of a block of code is checked separately.
const CLASSES: [(&str, &[&str]); 4] = [
    ("a", &["footnote-backref"]),
    ("li", &["task-list-item"]),
    ("section", &["footnotes"]),
    ("sup", &["footnote-ref"]),
];

static ALLOWED: LazyLock<Builder<'static>> = LazyLock::new(allowed);

fn allowed() -> Builder<'static> {
    let alignment = || HashMap::from([("align", HashSet::from(["left", "center", "right"]))]);
    let mut builder = Builder::empty();
    builder
        .tags(HashSet::from(ELEMENTS))
        .clean_content_tags(HashSet::from(REMOVED))
        .tag_attributes(ATTRIBUTES.into_iter().map(|(tag, names)| (tag, set(names))).collect())
        .tag_attribute_values(HashMap::from([("td", alignment()), ("th", alignment())]))
        // A box of a task list, whatever it was.
        .set_tag_attribute_values(HashMap::from([("input", HashMap::from([("type", "checkbox")]))]))
        .generic_attributes(HashSet::from(COMMON_ATTRIBUTES))
        .allowed_classes(CLASSES.into_iter().map(|(tag, names)| (tag, set(names))).collect())
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .link_rel(Some("noopener"))
        .id_prefix(Some(ID_PREFIX))
        .attribute_filter(attribute);
    builder
}

fn set(names: &[&'static str]) -> HashSet<&'static str> {
    names.iter().copied().collect()
}

/// Removes everything that is not allowed. The result is well-formed, and has only double quotes around attributes.
pub(super) fn sanitize(html: &str) -> String {
    ALLOWED.clean(html).to_string()
}

/// Sanitised HTML with absolute URLs, for readers that do not know `base`, the URL of its page.
pub fn with_absolute_urls(html: &str, base: &str) -> String {
    match Url::parse(base) {
        Ok(base) => allowed().url_relative(UrlRelative::RewriteWithBase(base)).clean(html).to_string(),
        Err(_) => html.to_owned(),
    }
}

/// The value of an attribute that is allowed by its name; `None` removes it.
fn attribute<'v>(element: &str, name: &str, value: &'v str) -> Option<Cow<'v, str>> {
    match (element, name) {
        // ammonia checks the schemes of links and images only.
        (_, "cite") if has_scheme_besides(value, &["http", "https", "mailto"]) => None,
        ("img", "src") if has_scheme_besides(value, &["http", "https"]) => None,
        ("a", "href") => Some(link(value)),
        ("code", "class") => language(value).map(Cow::Borrowed),
        ("img", "height" | "width")
        | ("td" | "th", "colspan" | "rowspan")
        | ("li", "value")
        | ("ol", "start") => value.parse::<i32>().is_ok().then_some(Cow::Borrowed(value)),
        _ => Some(Cow::Borrowed(value)),
    }
}

/// Whether it is an absolute URL with another scheme.
fn has_scheme_besides(url: &str, schemes: &[&str]) -> bool {
    Url::parse(url).is_ok_and(|url| !schemes.contains(&url.scheme()))
}

/// A link to an element of the article leads to its prefixed id.
fn link(url: &str) -> Cow<'_, str> {
    match url.strip_prefix('#') {
        Some(id) if !id.is_empty() && !id.starts_with(ID_PREFIX) => format!("#{ID_PREFIX}{id}").into(),
        _ => Cow::Borrowed(url),
    }
}

/// The class that names the language of a block of code.
fn language(classes: &str) -> Option<&str> {
    let is_name = |name: &str| {
        (1..=MAX_LANGUAGE).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-_.#".contains(&byte))
    };
    classes.split_ascii_whitespace().find(|class| class.strip_prefix("language-").is_some_and(is_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_within_the_article_lead_to_their_ids() {
        let html = sanitize(
            r##"<h2 id="a">A</h2><a href="#a">a</a><a href="#">top</a><a href="#user-content-a">a</a>"##,
        );
        assert_eq!(
            html,
            "<h2 id=\"user-content-a\">A</h2>\
             <a href=\"#user-content-a\" rel=\"noopener\">a</a>\
             <a href=\"#\" rel=\"noopener\">top</a>\
             <a href=\"#user-content-a\" rel=\"noopener\">a</a>"
        );
    }

    #[test]
    fn absolute_urls_replace_those_that_are_relative_to_the_page() {
        let html = sanitize(
            "<h1 id=a>A</h1><a href=#a>1</a><a href=/b>2</a><img src=c.png><a href=http://d.example/>3</a>",
        );
        assert_eq!(
            with_absolute_urls(&html, "https://blog.example/posts/x"),
            "<h1 id=\"user-content-a\">A</h1>\
             <a href=\"https://blog.example/posts/x#user-content-a\" rel=\"noopener\">1</a>\
             <a href=\"https://blog.example/b\" rel=\"noopener\">2</a>\
             <img src=\"https://blog.example/posts/c.png\"><a href=\"http://d.example/\" rel=\"noopener\">3</a>"
        );
    }

    #[test]
    fn only_the_class_of_a_language_stays() {
        for (classes, expected) in [
            ("language-rust", Some("language-rust")),
            ("hljs language-c++ other", Some("language-c++")),
            ("language-objective_c language-c", Some("language-objective_c")),
            ("language-", None),
            ("language-<b>", None),
            ("language-\u{e9}", None),
            ("admin", None),
            ("", None),
        ] {
            assert_eq!(language(classes), expected, "{classes}");
        }
        assert_eq!(language(&format!("language-{}", "x".repeat(MAX_LANGUAGE + 1))), None);
    }

    #[test]
    fn an_input_is_a_box() {
        for (html, expected) in [
            ("<input>", "<input type=\"checkbox\">"),
            ("<input type=text name=q value=v autofocus>", "<input type=\"checkbox\">"),
            ("<input checked disabled onclick=f()>", "<input checked=\"\" disabled=\"\" type=\"checkbox\">"),
        ] {
            assert_eq!(sanitize(html), expected);
        }
    }
}
