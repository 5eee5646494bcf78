//! Articles: drafts until they are published, owned by one author.

use sea_orm::{Condition, Order, QueryOrder, Select, entity::prelude::*};

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

impl Entity {
    /// The articles that `sight` may know of. Every read, list, count and change starts here and can only narrow it.
    pub fn visible_to(sight: Sight) -> Select<Self> {
        let all = Self::find();
        match sight {
            Sight::Everything => all,
            // A constant, not a parameter: only so can an index over published articles serve a prepared statement.
            Sight::Public => all.filter(Column::Published.into_expr()),
            Sight::Author(id) => {
                all.filter(Condition::any().add(Column::Published.eq(true)).add(Column::AuthorId.eq(id)))
            }
        }
    }

    /// The order of every list: newest first, ties broken by the higher id.
    pub fn newest_first(select: Select<Self>) -> Select<Self> {
        select.order_by(Column::CreatedAt, Order::Desc).order_by(Column::Id, Order::Desc)
    }
}
