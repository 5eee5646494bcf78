//! Articles: drafts until they are published, owned by one author.

use sea_orm::{Condition, Select, entity::prelude::*, sea_query::ExprTrait as _};

/// One article.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "articles")]
pub struct Model {
    /// Serial, 32 bits, never given out twice.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// 1 to 200 code points.
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub title: String,
    /// At least 10 code points.
    #[sea_orm(column_type = "Text")]
    pub content: String,
    /// False while the article is a draft.
    pub published: bool,
    /// Whose article it is; it goes when its author goes.
    pub author_id: i32,
    /// Never moves.
    pub created_at: DateTimeUtc,
    /// Moves when a value changes, and only then.
    pub updated_at: DateTimeUtc,
    /// Grows with every change, whoever makes it; what entity tags and conditional writes are made of.
    #[sea_orm(default_value = 1)]
    pub version: i32,
    /// The author's account.
    #[sea_orm(belongs_to, from = "author_id", to = "id", on_delete = "Cascade")]
    pub author: BelongsTo<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// Who asks to see articles: the one input of the visibility rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Published articles only.
    Public,
    /// Published articles and the drafts of this author.
    Author(i32),
    /// Drafts of everyone too, as the FastAPI blog showed them.
    Everything,
}

/// Articles of which all are published, or none, where that is known.
struct Part {
    published: Option<bool>,
    author: Option<i32>,
}

impl Part {
    fn condition(&self) -> Condition {
        // A constant, not a parameter: only so can an index over published articles serve a prepared statement.
        let published = Column::Published.into_expr();
        let published = self.published.map(|is| if is { published } else { published.not() });
        Condition::all().add_option(published).add_option(self.author.map(|id| Column::AuthorId.eq(id)))
    }
}

impl Sight {
    /// The visibility rule, as parts that have no article in common: each can be answered in the order of an index of its
    /// own, which one condition with an OR can't.
    fn parts(self) -> Vec<Part> {
        match self {
            Self::Everything => vec![Part { published: None, author: None }],
            Self::Public => vec![Part { published: Some(true), author: None }],
            Self::Author(id) => vec![
                Part { published: Some(true), author: None },
                Part { published: Some(false), author: Some(id) },
            ],
        }
    }
}

impl Entity {
    /// The articles that `sight` may know of. Every read, count and change starts here and can only narrow it.
    pub fn visible_to(sight: Sight) -> Select<Self> {
        let parts = sight.parts();
        Self::find().filter(parts.iter().map(Part::condition).fold(Condition::any(), Condition::add))
    }

    /// The same articles, or those that are `published` or not, in disjoint parts, for what reads them in order; every list
    /// starts here. There is always one part, if one without articles.
    pub fn visible_parts(sight: Sight, published: Option<bool>) -> Vec<Select<Self>> {
        let mut parts: Vec<_> = sight
            .parts()
            .into_iter()
            // A part that can have none would be read to its end to find none.
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
