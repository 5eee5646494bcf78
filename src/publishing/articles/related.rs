//! What is shown of articles in addition to their own rows: a fixed number of statements for a page.

use sea_orm::ConnectionTrait;

use super::{authors::Authors, schemas::AuthorResponse};
use crate::{
    http::{conditional::EntityTag, error::Result},
    publishing::{
        expansions::{Expand, Expansions},
        tags::of_articles::TagsOfArticles,
    },
};

/// The rows of other tables that a response shows; none unless the request asks for them.
#[derive(Debug, Default)]
pub(super) struct Related {
    expand: Expansions,
    authors: Authors,
    tags: Option<TagsOfArticles>,
}

impl Related {
    /// Loads what `expand` asks for of articles, which are given as their ids and those of their authors.
    pub(super) async fn load(
        db: &impl ConnectionTrait,
        expand: &Expansions,
        articles: &[(i32, i32)],
    ) -> Result<Self> {
        let authors = Authors::load(db, expand, articles.iter().map(|(_, author)| *author)).await?;
        let tags = if expand.contains(Expand::Tags) {
            let ids: Vec<i32> = articles.iter().map(|(id, _)| *id).collect();
            Some(TagsOfArticles::load(db, &ids).await?)
        } else {
            None
        };
        Ok(Self { expand: expand.clone(), authors, tags })
    }

    /// The author with this id, if loaded.
    pub(super) fn author(&self, id: i32) -> Option<AuthorResponse> {
        self.authors.view(id)
    }

    /// The tags of the article with this id, if loaded.
    pub(super) fn tags(&self, article: i32) -> Option<Vec<String>> {
        self.tags.as_ref().map(|tags| tags.of(article))
    }

    /// The entity tag of articles shown with these rows and with their contents, if the request asks for them;
    /// `articles` is their tag without.
    pub(super) fn tag(&self, articles: EntityTag) -> EntityTag {
        let articles = self.authors.tag(self.expand.tag(articles));
        match &self.tags {
            Some(tags) => tags.tag(articles),
            None => articles,
        }
    }
}
