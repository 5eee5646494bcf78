//! The FastAPI blog's two tables, with its names and defaults: a database of the blog that is adopted must
//! already have them.

use sea_orm_migration::{
    prelude::*,
    schema::{boolean, integer, pk_auto, string_len, string_len_uniq, text, timestamp_with_time_zone},
};

use migration_kit::Migration;

#[derive(DeriveMigrationName)]
pub(crate) struct BlogTables;

impl Migration for BlogTables {}

#[async_trait::async_trait]
impl MigrationTrait for BlogTables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = manager.get_database_backend();
        manager
            .create_table(
                Table::create()
                    .table("users")
                    .col(pk_auto("id"))
                    .col(string_len_uniq("email", 255))
                    .col(string_len_uniq("username", 50))
                    .col(string_len("hashed_password", 255))
                    .col(time("created_at", engine))
                    .col(time("updated_at", engine))
                    .take(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("articles")
                    .col(pk_auto("id"))
                    .col(string_len("title", 200))
                    .col(text("content"))
                    .col(boolean("published"))
                    .col(integer("author_id"))
                    .col(time("created_at", engine))
                    .col(time("updated_at", engine))
                    .foreign_key(
                        ForeignKey::create()
                            .name("articles_author_id_fkey")
                            .from("articles", "author_id")
                            .to("users", "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("articles").take()).await?;
        manager.drop_table(Table::drop().table("users").take()).await
    }
}

/// On SQLite the column has no default: SQLite would write `2026-01-01 10:00:00`, the application writes
/// `2026-01-01T10:00:00…`, and text in two formats does not sort by time.
fn time(name: &'static str, engine: sea_orm::DbBackend) -> ColumnDef {
    let mut column = timestamp_with_time_zone(name);
    if engine == sea_orm::DbBackend::Postgres {
        column.default(Expr::cust("now()"));
    }
    column
}
