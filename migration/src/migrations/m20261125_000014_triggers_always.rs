//! Lets every trigger fire in every session on PostgreSQL, also in those that apply changes of another server or
//! restore a dump with `session_replication_role = replica`. Otherwise such changes leave listening servers with
//! outdated responses and articles with an old version.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use migration_kit::{Attributes, Migration};

#[derive(DeriveMigrationName)]
pub(crate) struct TriggersAlways;

impl Migration for TriggersAlways {
    fn attributes(&self) -> Attributes {
        Attributes::ADDITIVE
    }
}

const TRIGGERS: [(&str, &str); 12] = [
    ("articles", "articles_inserted"),
    ("articles", "articles_updated"),
    ("articles", "articles_deleted"),
    ("articles", "articles_truncated"),
    ("articles", "articles_version_grows"),
    ("articles", "articles_time_inserted"),
    ("articles", "articles_time_updated"),
    ("users", "users_renamed"),
    ("users", "users_email_key_inserted"),
    ("users", "users_email_key_updated"),
    ("users", "users_time_inserted"),
    ("users", "users_time_updated"),
];

async fn enable(manager: &SchemaManager<'_>, words: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() == DbBackend::Postgres {
        for (table, trigger) in TRIGGERS {
            let statement = format!("ALTER TABLE {table} {words} TRIGGER {trigger}");
            manager.get_connection().execute_unprepared(&statement).await?;
        }
    }
    Ok(())
}

#[async_trait::async_trait]
impl MigrationTrait for TriggersAlways {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        enable(manager, "ENABLE ALWAYS").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        enable(manager, "ENABLE").await
    }
}
