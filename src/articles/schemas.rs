//! What articles take and show (contract, section 2).

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    fields, text,
    timestamp::Timestamp,
    validation::{Id, NO_NUL, PageSize, Skip, TextRule},
};

text! {
    /// 1 to 200 code points.
    pub struct Title = TextRule::new(1, Some(200), NO_NUL);
    /// At least 10 code points.
    pub struct Content = TextRule::new(10, None, NO_NUL);
}

fields! {
    /// A new article.
    pub struct NewArticle {
        /// 1 to 200 code points, kept as they are.
        title: Title,
        /// At least 10 code points, kept as they are.
        content: Content,
        /// A draft is visible to its author only.
        published: bool = false,
    }
}

fields! {
    /// What is to change in an article; what is left out stays.
    pub struct ArticlePatch {
        /// 1 to 200 code points.
        title: Option<Title>,
        /// At least 10 code points.
        content: Option<Content>,
        /// Publishes or withdraws the article.
        published: Option<bool>,
    }
}

fields! {
    /// Which article.
    pub struct ArticlePath {
        /// The article's id.
        article_id: Id,
    }
}

fields! {
    /// Which part of the list.
    pub struct ArticleFilter {
        /// Articles to pass over.
        skip: Skip,
        /// Articles to show, at most `MAX_PAGE_SIZE`.
        limit: PageSize,
    }
}

/// An article.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArticleView {
    /// 1 to 200 code points.
    #[schema(example = "On the Analytical Engine")]
    pub title: String,
    /// At least 10 code points.
    #[schema(example = "It weaves algebraical patterns.")]
    pub content: String,
    /// False while it is a draft.
    pub published: bool,
    /// Never given to another article.
    #[schema(example = 1)]
    pub id: i32,
    /// The account that wrote it.
    #[schema(example = 1)]
    pub author_id: i32,
    /// When it was written.
    pub created_at: Timestamp,
    /// When a value of it last changed.
    pub updated_at: Timestamp,
}
