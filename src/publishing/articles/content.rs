//! The contents of articles as readers see them, shown with `expand=html` and `expand=excerpt`.

use entity::article;

use super::{editor::state, schemas};
use crate::{
    http::{error::Result, page_json::PageJson},
    publishing::{
        expansions::{Expand, Expansions},
        rendering::{Format, RenderedArticle, Renderer, Unrendered},
    },
};

impl From<schemas::Format> for Format {
    fn from(format: schemas::Format) -> Self {
        match format {
            schemas::Format::Markdown => Self::Markdown,
            schemas::Format::Plain => Self::Plain,
            schemas::Format::Html => Self::Html,
        }
    }
}

/// The content of an article, to be rendered.
pub(in crate::publishing) fn unrendered(renderer: &Renderer, article: &article::Model) -> Unrendered {
    let format = schemas::Format::of_name(&article.format).into();
    renderer.prepare(article.id, state(article), format, &article.content, article.excerpt.clone())
}

impl schemas::ArticleResponse {
    /// Shows what `expand` asks for of the content.
    pub(super) fn add_content(&mut self, expand: &Expansions, content: Option<&RenderedArticle>) {
        let html = content.filter(|_| expand.contains(Expand::Html));
        let excerpt = content.filter(|_| expand.contains(Expand::Excerpt));
        self.html = html.map(|article| article.content.html.clone());
        self.excerpt = excerpt.map(|article| article.excerpt().to_owned());
        self.word_count = excerpt.map(|article| article.content.words);
        self.reading_minutes = excerpt.map(|article| article.content.reading_minutes());
    }
}

/// The content of an article as readers see it, if `expand` asks for it.
pub(super) async fn load(
    renderer: &Renderer,
    expand: &Expansions,
    article: &article::Model,
) -> Result<Option<RenderedArticle>> {
    if !expand.shows_content() {
        return Ok(None);
    }
    Ok(renderer.render(vec![unrendered(renderer, article)]).await?.pop())
}

/// Adds the contents to the rows of a page, if `expand` asks for them.
pub(super) async fn add_to_page(
    page: &mut PageJson,
    renderer: &Renderer,
    expand: &Expansions,
    contents: impl Iterator<Item = Option<Unrendered>>,
) -> Result<()> {
    if !expand.shows_content() {
        return Ok(());
    }
    let contents = renderer.render(contents.flatten().collect()).await?;
    if expand.contains(Expand::Html) {
        page.add_member("html", contents.iter().map(|article| Some(&article.content.html)))?;
    }
    if expand.contains(Expand::Excerpt) {
        page.add_member("excerpt", contents.iter().map(|article| Some(article.excerpt())))?;
        page.add_member("word_count", contents.iter().map(|article| Some(article.content.words)))?;
        page.add_member(
            "reading_minutes",
            contents.iter().map(|article| Some(article.content.reading_minutes())),
        )?;
    }
    Ok(())
}
