//! The entity of the table `books`.

#![expect(unreachable_pub, reason = "the entity macros generate public types")]

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "books")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    #[sea_orm(column_type = "Text")]
    pub title: String,
    pub year: i32,
    pub shelf_id: i32,
    #[sea_orm(belongs_to, from = "shelf_id", to = "id", on_delete = "Cascade")]
    pub shelf: HasOne<super::shelf::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
