//! Articles. Each has one author and is a draft until it is published. `visibility` defines who may see
//! which.

use sea_orm::{UpdateMany, entity::prelude::*};
use uuid::Uuid;

use crate::StoredTime;

/// One article.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "articles")]
pub struct Model {
    /// Serial, 32 bits, never reused.
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
    /// The author's account. Deleting the account deletes the article.
    pub author_id: i32,
    /// When the article was created; never changes.
    pub created_at: StoredTime,
    /// When the article last changed.
    pub updated_at: StoredTime,
    /// Increases with every change, including changes made in SQL.
    #[sea_orm(default_value = 1)]
    pub version: i32,
    /// Random, and renewed with every change, including changes made in SQL. Entity tags and conditional
    /// writes are based on it and on `version`: together they identify a state of this article across
    /// databases and their backups.
    #[sea_orm(default_value = 0)]
    pub state_id: i64,
    /// The article was published, and is a draft until its author's suspension ends. Stored with the article, so
    /// that reads of published articles need not read their authors.
    #[sea_orm(default_value = false)]
    pub hidden: bool,
    /// The name in the article's URL, unique among the published and the hidden articles. That of a draft is
    /// provisional. Null only in rows that another program inserted, until a slug is assigned.
    #[sea_orm(column_type = "String(StringLen::N(80))", nullable)]
    pub slug: Option<String>,
    /// The format of the content: `markdown`, `plain` or `html`.
    #[sea_orm(column_type = "String(StringLen::N(8))", default_value = "plain")]
    pub format: String,
    /// The excerpt that the author wrote; 1 to 500 code points.
    #[sea_orm(column_type = "String(StringLen::N(500))", nullable)]
    pub excerpt: Option<String>,
    /// When the article was first published; null if it never was.
    pub published_at: Option<StoredTime>,
    /// When the draft is to be published; null if it is not scheduled.
    pub scheduled_at: Option<StoredTime>,
    /// The author's account.
    #[sea_orm(belongs_to, from = "author_id", to = "id", on_delete = "Cascade")]
    pub author: BelongsTo<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Turns the published articles of this author into drafts until [`Entity::unhide_by`]. Triggers renew their
    /// states; `updated_at` stays, because they were not edited.
    pub fn hide_by(author_id: i32) -> UpdateMany<Self> {
        Self::set_hidden(author_id, true).filter(Column::Published.eq(true))
    }

    /// Publishes exactly the articles of this author that [`Entity::hide_by`] turned into drafts.
    pub fn unhide_by(author_id: i32) -> UpdateMany<Self> {
        Self::set_hidden(author_id, false).filter(Column::Hidden.eq(true))
    }

    fn set_hidden(author_id: i32, hidden: bool) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::Published, Expr::val(!hidden))
            .col_expr(Column::Hidden, Expr::val(hidden))
            .filter(Column::AuthorId.eq(author_id))
    }
}

/// The id of a new state: 64 random bits.
pub fn new_state_id() -> i64 {
    // A UUID has six constant bits, none of them at the same place in both halves.
    let (high, low) = Uuid::new_v4().as_u64_pair();
    (high ^ low).cast_signed()
}
