//! What responses show of an article in addition to its own row: the parameter `expand`.

use serde_json::{Value, to_value};
use sha2::{Digest as _, Sha256};
use utoipa::openapi::{ArrayBuilder, RefOr, Schema};

use crate::{
    choice,
    http::{
        conditional::EntityTag,
        validation::{Echo, Field, Input, InvalidValue, Limits},
    },
    publishing::rendering::RENDERER_VERSION,
};

choice! {
    /// What to show along with each article.
    pub enum Expand {
        /// Its author.
        Author = "author",
        /// Its tags.
        Tags = "tags",
        /// Its content as HTML that is safe to show.
        Html = "html",
        /// Its excerpt, its number of words, and the time to read it.
        Excerpt = "excerpt",
    }
}

/// What a request asks for: words that are separated by commas, in one parameter or in several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expansions(Vec<Expand>);

impl Expansions {
    /// Whether the request asks for it.
    pub fn contains(&self, expand: Expand) -> bool {
        self.0.contains(&expand)
    }

    /// Whether the content is shown as readers see it.
    pub fn shows_content(&self) -> bool {
        self.contains(Expand::Html) || self.contains(Expand::Excerpt)
    }

    /// The tag of articles that are shown with their contents as readers see them; `articles` is their tag without.
    /// What is shown depends on the articles alone.
    pub fn tag(&self, articles: EntityTag) -> EntityTag {
        if !self.shows_content() {
            return articles;
        }
        let shown = [self.contains(Expand::Html), self.contains(Expand::Excerpt)].map(u8::from);
        articles
            .with(&Sha256::new().chain_update(RENDERER_VERSION.to_le_bytes()).chain_update(shown).finalize())
    }

    /// The value of the parameter, for links.
    pub fn parameter(&self) -> String {
        let word = |expand| to_value(expand).ok().and_then(|word| word.as_str().map(str::to_owned));
        self.0.iter().filter_map(word).collect::<Vec<_>>().join(",")
    }
}

impl Field for Expansions {
    const REPEATABLE: bool = true;

    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue> {
        let mut words = Vec::new();
        for word in joined(input).split(',') {
            let word = Expand::parse(Input::Text(word), limits)?;
            if !words.contains(&word) {
                words.push(word);
            }
        }
        Ok(Self(words))
    }

    fn echo(input: Input<'_>) -> Echo {
        Echo::of_text(&joined(input))
    }

    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new().items(Expand::schema()).into()
    }
}

/// The values of the parameter as one.
fn joined(input: Input<'_>) -> String {
    match input {
        Input::Repeated(values) => values.iter().collect::<Vec<_>>().join(","),
        Input::Text(text) => text.to_owned(),
        Input::Json(value) => value.as_str().map_or_else(|| Value::to_string(value), str::to_owned),
    }
}
