//! Markdown as HTML that is not safe yet: `CommonMark` with tables, footnotes, task lists, strikethrough, autolinks
//! and ids of headings.

use std::{
    cell::Cell,
    fmt::{self, Write},
    sync::{Mutex, PoisonError},
};

use comrak::{
    Anchorizer, Arena, Options,
    adapters::{HeadingAdapter, HeadingMeta},
    format_html_with_plugins,
    nodes::Sourcepos,
    options::Plugins,
    try_parse_document,
};

/// The steps of parsing between two questions whether to go on.
const STEPS: usize = 256;

/// The steps for one content. An ordinary text of 2 MiB needs a million; each node takes memory.
const MAX_STEPS: usize = 4_000_000;

/// The maximum size of the HTML of a content, in multiples of its size.
const MAX_GROWTH: usize = 8;

/// The HTML of `content`, with the HTML that it contains; `None` if that exceeds the bounds.
pub(super) fn html(content: &str) -> Option<String> {
    let (arena, options) = (Arena::new(), options());
    let questions = Cell::new(0_usize);
    let exceeds = || {
        questions.set(questions.get().saturating_add(1));
        questions.get().saturating_mul(STEPS) > MAX_STEPS
    };
    let document = try_parse_document(&arena, content, &options, &exceeds).ok()?;
    let headings = Headings::default();
    let mut plugins = Plugins::default();
    plugins.render.heading_adapter = Some(&headings);
    let mut html = Limited { text: String::with_capacity(content.len()), max: max_size(content) };
    format_html_with_plugins(document, &options, &mut html, &plugins).ok()?;
    Some(html.text)
}

fn max_size(content: &str) -> usize {
    content.len().saturating_mul(MAX_GROWTH).saturating_add(64 << 10)
}

fn options() -> Options<'static> {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.footnotes = true;
    options.extension.tasklist = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    options.render.tasklist_classes = true;
    // The sanitizer removes what is not allowed.
    options.render.r#unsafe = true;
    options
}

/// A text of at most `max` bytes.
struct Limited {
    text: String,
    max: usize,
}

impl Write for Limited {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.text.len().saturating_add(part.len()) > self.max {
            return Err(fmt::Error);
        }
        self.text.push_str(part);
        Ok(())
    }
}

/// Writes headings with ids that are derived from their texts.
#[derive(Default)]
struct Headings(Mutex<Anchorizer>);

impl HeadingAdapter for Headings {
    fn enter(
        &self,
        output: &mut dyn Write,
        heading: &HeadingMeta,
        _position: Option<Sourcepos>,
    ) -> fmt::Result {
        let id = self.0.lock().unwrap_or_else(PoisonError::into_inner).anchorize(&heading.content);
        // Letters, digits, `-` and `_` only.
        write!(output, "<h{} id=\"{id}\">", heading.level)
    }

    fn exit(&self, output: &mut dyn Write, heading: &HeadingMeta) -> fmt::Result {
        writeln!(output, "</h{}>", heading.level)
    }
}
