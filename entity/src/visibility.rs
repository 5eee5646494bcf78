//! Who may see and who may change which articles: one rule for reads, lists, counts and changes.

use sea_orm::{Condition, Select, entity::prelude::*, sea_query::ExprTrait as _};

use crate::article::{Column, Entity};

/// Which articles a request may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Published articles only.
    Published,
    /// Published articles, and the drafts of the user with this id.
    PublishedAndOwn(i32),
    /// Every article, including the drafts of all authors.
    All,
}

/// Which articles a request may change, of those that it may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writability {
    /// The articles of the user with this id.
    Own(i32),
    /// Every article.
    All,
}

impl Writability {
    /// The rule as part of a statement that changes articles.
    pub fn condition(self) -> Condition {
        let author = match self {
            Self::Own(id) => Some(Column::AuthorId.eq(id)),
            Self::All => None,
        };
        Condition::all().add_option(author)
    }

    /// Whether the articles of this author may be changed.
    pub fn includes(self, author_id: i32) -> bool {
        self == Self::All || self == Self::Own(author_id)
    }
}

/// A set of articles with the same `published` value or the same author, where those are known.
struct Part {
    published: Option<bool>,
    author: Option<i32>,
}

impl Part {
    fn condition(&self) -> Condition {
        // A constant instead of a parameter: a prepared statement uses a partial index only if the condition
        // is a constant.
        let published = Column::Published.into_expr();
        let published = self.published.map(|is| if is { published } else { published.not() });
        Condition::all().add_option(published).add_option(self.author.map(|id| Column::AuthorId.eq(id)))
    }
}

impl Visibility {
    /// The rule as disjoint parts. Each part can be read in the order of its own index; a single condition
    /// with an OR cannot.
    fn parts(self) -> Vec<Part> {
        match self {
            Self::All => vec![Part { published: None, author: None }],
            Self::Published => vec![Part { published: Some(true), author: None }],
            Self::PublishedAndOwn(id) => vec![
                Part { published: Some(true), author: None },
                Part { published: Some(false), author: Some(id) },
            ],
        }
    }
}

impl Entity {
    /// The visible articles. Single reads and counts start here and can only narrow it; lists start at
    /// [`Entity::visible_parts`].
    pub fn visible_to(visibility: Visibility) -> Select<Self> {
        let parts = visibility.parts();
        Self::find().filter(parts.iter().map(Part::condition).fold(Condition::any(), Condition::add))
    }

    /// The visible articles, optionally only those whose `published` has the given value, as disjoint parts
    /// for reading in order. There is always at least one part; it may match no article.
    pub fn visible_parts(visibility: Visibility, published: Option<bool>) -> Vec<Select<Self>> {
        let mut parts: Vec<_> = visibility
            .parts()
            .into_iter()
            // A part that cannot match would be scanned to its end.
            .filter(|part| part.published.is_none() || published.is_none() || part.published == published)
            .map(|part| Part { published: part.published.or(published), ..part })
            .map(|part| Self::find().filter(part.condition()))
            .collect();
        if parts.is_empty() {
            parts.push(Self::find().filter(Expr::cust("FALSE")));
        }
        parts
    }
}
