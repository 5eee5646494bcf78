//! The articles whose search index is to be updated. Triggers add them, a task removes them.

use sea_orm::entity::prelude::*;

/// One article, until it is indexed. Search does not find it meanwhile.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "search_queue")]
pub struct Model {
    /// The article; it may have been deleted.
    #[sea_orm(primary_key, auto_increment = false)]
    pub article_id: i32,
}

impl ActiveModelBehavior for ActiveModel {}
