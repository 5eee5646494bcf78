//! Renders the content of articles as safe HTML, whatever was written, and derives its excerpt.
//!
//! The work for one article and the size of its HTML are bounded, by counts and not by time, so that a content is
//! always rendered in the same way. What exceeds a bound is shown as plain text.

mod bounds;
mod markdown;
mod plain;
mod renderer;
mod sanitizer;
mod text;

pub use renderer::{RenderedArticle, Renderer, Unrendered};
pub use sanitizer::with_absolute_urls;

/// Increases when the same content is rendered in another way. Part of the entity tags of responses that show it.
pub const RENDERER_VERSION: u32 = 1;

/// The reading speed of which minutes are calculated.
const WORDS_PER_MINUTE: u32 = 200;

/// The language in which the content of an article is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text without markup.
    Plain,
    /// `CommonMark` with extensions, and HTML in it.
    Markdown,
    /// HTML.
    Html,
}

/// A content as readers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// HTML that a page can contain: no scripts, no styles, and only elements and attributes of the allow-list.
    pub html: String,
    /// The first paragraph as plain text, of at most 300 code points.
    pub excerpt: String,
    /// The number of words, as Unicode defines them (UAX #29).
    pub words: u32,
}

impl Rendered {
    /// The time to read it, rounded up, at least one minute.
    pub fn reading_minutes(&self) -> u32 {
        self.words.div_ceil(WORDS_PER_MINUTE).max(1)
    }
}

/// Renders `content`. Blocks for up to a second if it is large.
pub fn render(format: Format, content: &str) -> Rendered {
    let markup = match format {
        Format::Plain => None,
        Format::Markdown => markdown::html(content).and_then(|html| safe(&html)),
        Format::Html => safe(content),
    };
    let html = markup.unwrap_or_else(|| plain::html(content));
    let text::Text { first_paragraph, words } = text::of(&html);
    Rendered { excerpt: text::excerpt(&first_paragraph), words, html }
}

/// The HTML without what is not allowed; `None` if it exceeds the bounds.
fn safe(html: &str) -> Option<String> {
    bounds::are_kept(html).then(|| sanitizer::sanitize(html))
}

#[cfg(test)]
mod tests;
