//! Contents that cost naive parsers much: the time and the size of the result are bounded.

use std::time::{Duration, Instant};

use super::*;

/// The size of each content. With quadratic cost, it would take many times as long.
const SIZE: usize = 16 << 10;

/// Generous, for unoptimised code on a busy machine.
const MAX_TIME: Duration = Duration::from_secs(20);

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().concat()
}

fn repeated(part: &str) -> String {
    part.repeat(SIZE / part.len())
}

fn numbered(part: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0.. {
        text.push_str(&part(number));
        if text.len() > SIZE {
            break;
        }
    }
    text
}

/// Half of the size each.
fn both(first: &str, second: &str) -> String {
    let half = SIZE / 2;
    format!("{}{}", first.repeat(half / first.len()), second.repeat(half / second.len()))
}

fn hostile_html() -> Vec<(&'static str, String)> {
    vec![
        ("paragraphs", repeated("<p>")),
        ("nested", repeated("<div>")),
        ("nested quotes", repeated("<blockquote>")),
        ("formatting", repeated("<b>")),
        ("different formatting", numbered(|number| format!("<b id={number}>"))),
        (
            "reopened formatting",
            format!(
                "{}{}",
                numbered(|n| format!("<i id={n}>"))[..SIZE / 2].to_owned(),
                "<p>x".repeat(SIZE / 8)
            ),
        ),
        (
            "reopened large attributes",
            format!("<b title={}>{}", "x".repeat(SIZE / 2), "<p>x".repeat(SIZE / 8)),
        ),
        (
            "few open, many paragraphs",
            format!("{}{}", joined((0..200).map(|n| format!("<i id={n}>"))), "<p>x".repeat(SIZE / 4)),
        ),
        ("misnested", repeated("<b><p></b>")),
        ("adoption", repeated("<a><div>")),
        ("tables", repeated("<table><td>")),
        ("fostered", format!("<table>{}", repeated("<b>x"))),
        ("cells", format!("<table><tr>{}", repeated("<td>"))),
        ("lists", repeated("<ul><li>")),
        ("end tags", both("<b>", "</p>")),
        ("attributes", format!("<a {}>", numbered(|number| format!("a{number} ")))),
        ("attributes without blanks", format!("<a {}>", numbered(|number| format!("a{number}=''")))),
        (
            "attributes in many tags",
            numbered(|number| format!("<a {}>", joined((0..1000).map(|n| format!("a{number}{n} "))))),
        ),
        ("unclosed tag", format!("<a title=\"{}", repeated("x "))),
        ("comment", format!("<!--{}", repeated("- "))),
        ("selected content", repeated("<select><button><selectedcontent></button><option>x")),
        ("templates", repeated("<template>")),
        ("foreign", repeated("<svg><foreignObject>")),
        ("math", repeated("<math><mi>")),
        (
            "hidden by a comment in foreign content",
            format!("<svg><style><!--</style>{}", repeated("<b id=1>")),
        ),
        ("raw text", format!("<svg><style>{}", numbered(|number| format!("<b id={number}>")))),
        ("references", repeated("&amp")),
        ("unknown references", repeated("&a")),
        ("ampersands", repeated("&")),
        ("ampersands in a paragraph", format!("<p>{}", repeated("& "))),
        ("quotation marks", repeated("\u{ab}\u{bb}")),
        ("quotation marks in an attribute", format!("<i title='{}'>", repeated("\u{ab}"))),
        ("quotes in attributes", format!("<i title='{}'>", repeated("\""))),
    ]
}

fn hostile_markdown() -> Vec<(&'static str, String)> {
    let mut contents = vec![
        ("quotes", repeated(">")),
        ("quotes with lines", both("> ", "\n> a")),
        ("brackets", repeated("[")),
        ("closing brackets", both("[a", "](")),
        ("empty links", repeated("[](")),
        ("links", repeated("[a](b)")),
        ("nested links", both("[", "](a)")),
        ("images", repeated("![")),
        ("emphasis", repeated("*a ")),
        ("strong", both("**a ", "b** ")),
        ("mixed emphasis", repeated("*a _b ")),
        ("mixed delimiters", repeated("a**b_c* ")),
        ("underscores", repeated("_")),
        ("code", numbered(|number| format!("{} ", "`".repeat(number % 600)))),
        ("strikethrough", repeated("~~a ")),
        ("entities", repeated("&#")),
        ("comments", repeated("<!--")),
        ("instructions", repeated("<?")),
        ("declarations", repeated("<!A ")),
        ("cdata", repeated("<![CDATA[")),
        ("tags", repeated("<a b=\"")),
        ("unclosed tags", repeated("<a ")),
        ("autolinks", repeated("www.a.")),
        ("addresses", repeated("a@b.")),
        ("colons", repeated("http://")),
        ("at signs", repeated("@")),
        ("references", format!("[a]: {}\n\n{}", "b".repeat(SIZE / 8), "[a] ".repeat(SIZE / 8))),
        ("definitions", numbered(|number| format!("[a{number}]: b\n"))),
        ("footnotes", format!("[^a]: b\n\n{}", repeated("[^a] "))),
        (
            "footnotes with long names",
            format!("[^{0}]: b\n\n{1}", "a".repeat(900), format!("[^{}] ", "a".repeat(900)).repeat(200)),
        ),
        ("unused footnotes", numbered(|number| format!("[^a{number}]: b\n\n"))),
        ("footnotes in footnotes", numbered(|number| format!("[^a{number}]: [^a{}]\n\n", number + 1))),
        ("nested footnotes", numbered(|number| format!("{}[^{number}]: a\n", "    ".repeat(number % 90)))),
        ("wide table", format!("{0}|\n{1}|\n{0}|\n", "|a".repeat(SIZE / 8), "|-".repeat(SIZE / 8))),
        (
            "completed cells",
            format!("{}|\n{}|\n{}", "|a".repeat(1000), "|-".repeat(1000), "|\n".repeat(SIZE / 2)),
        ),
        (
            "many tables with completed cells",
            numbered(|_| format!("{}|\n{}|\n{}\n", "|a".repeat(1000), "|-".repeat(1000), "|\n".repeat(490))),
        ),
        ("lists", numbered(|number| format!("{}* a\n", " ".repeat(number % 500)))),
        ("nested lists", repeated("* ")),
        ("ordered lists", repeated("1. ")),
        ("items", repeated("* a\n")),
        ("empty items", repeated("*\n")),
        ("headings", repeated("# a\n")),
        ("headings with numbers", numbered(|number| format!("# a\n# a-{number}\n"))),
        ("long heading", format!("# {}", repeated("a "))),
        ("underlined", repeated("a\n")),
        ("hard breaks", repeated("a  \n")),
        ("backslashes", repeated("\\")),
        ("fences", repeated("```\n")),
        ("blank lines", repeated("\n")),
        ("tabs", repeated("\t")),
        ("rules", repeated("***\n")),
        ("nul and replacement", repeated("\u{fffd}\u{1}")),
        ("combining", repeated("a\u{301}")),
        ("one word", repeated("\u{1f469}\u{200d}")),
    ];
    contents.extend(hostile_html());
    contents
}

#[test]
fn hostile_contents_take_a_bounded_time_and_have_a_bounded_size() {
    let plain = hostile_markdown().into_iter().map(|content| (Format::Plain, content));
    let markdown = hostile_markdown().into_iter().map(|content| (Format::Markdown, content));
    let html = hostile_html().into_iter().map(|content| (Format::Html, content));
    for (format, (name, content)) in plain.chain(markdown).chain(html) {
        let start = Instant::now();
        let rendered = render(format, &content);
        assert!(start.elapsed() < MAX_TIME, "{name} as {format:?} took {:?}", start.elapsed());
        assert!(
            rendered.html.len() <= content.len() * 16 + (1 << 20),
            "{name} as {format:?}: {}",
            rendered.html.len()
        );
    }
}

#[test]
fn what_exceeds_the_bounds_is_shown_as_text() {
    let deep = format!("{}<b>x</b>", "<div>".repeat(400));
    assert_eq!(
        render(Format::Html, &deep).html,
        format!("<p>{}&lt;b&gt;x&lt;/b&gt;</p>\n", "&lt;div&gt;".repeat(400))
    );
    let deep = format!("{}*x*", "> ".repeat(400));
    assert!(render(Format::Markdown, &deep).html.ends_with("&gt; *x*</p>\n"));
}

#[test]
fn what_people_write_is_within_the_bounds() {
    let list = joined((0..50).map(|level| format!("{}- item\n", "  ".repeat(level))));
    let table = format!(
        "|{}\n|{}\n{}",
        "a|".repeat(20),
        "-|".repeat(20),
        format!("|{}\n", "1|".repeat(20)).repeat(2000)
    );
    let prose = "Some *prose* with a [link](https://example.com), `code` and **more**.\n\n".repeat(14_000);
    for content in [list, table, prose] {
        let html = markdown(&content);
        assert!(
            html.starts_with("<ul>") || html.starts_with("<table>") || html.starts_with("<p>Some <em>"),
            "{html:.80}"
        );
    }
    let nested = format!("{}x{}", "<div>".repeat(300), "</div>".repeat(300));
    assert_eq!(render(Format::Html, &nested).html, nested);
}
