//! Articles: drafts until they are published, owned by one author.

use sea_orm::{Condition, Select, entity::prelude::*};

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
    /// Grows by one with every change; what entity tags and conditional writes are made of.
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

impl Sight {
    /// The visibility rule, as conditions of which no two hold for the same article: each can be answered in the order of
    /// an index of its own, which one condition with an OR can't.
    fn parts(self) -> Vec<Condition> {
        // A constant, not a parameter: only so can an index over published articles serve a prepared statement.
        let published = || Condition::all().add(Column::Published.into_expr());
        match self {
            Self::Everything => vec![Condition::all()],
            Self::Public => vec![published()],
            Self::Author(id) => {
                vec![published(), Condition::all().add(published().not()).add(Column::AuthorId.eq(id))]
            }
        }
    }
}

impl Entity {
    /// The articles that `sight` may know of. Every read, count and change starts here and can only narrow it.
    pub fn visible_to(sight: Sight) -> Select<Self> {
        Self::find().filter(sight.parts().into_iter().fold(Condition::any(), Condition::add))
    }

    /// The same articles in disjoint parts, for what reads them in order; every list starts here.
    pub fn visible_parts(sight: Sight) -> Vec<Select<Self>> {
        sight.parts().into_iter().map(|part| Self::find().filter(part)).collect()
    }
}
