//! Tags of articles.

use sea_orm::entity::prelude::*;

/// One tag. Its row exists at least as long as an article has the tag.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tags")]
pub struct Model {
    /// Serial, 32 bits, never reused.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// The name in the form that is compared: NFKC with full case folding.
    #[sea_orm(unique, column_type = "String(StringLen::N(200))")]
    pub key: String,
    /// The name as its first author wrote it; 1 to 50 code points.
    #[sea_orm(column_type = "String(StringLen::N(50))")]
    pub name: String,
}

impl ActiveModelBehavior for ActiveModel {}
