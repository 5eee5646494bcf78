//! Migrations for tests.

use migration_kit::{Attributes, Migration, Migrator};
use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// A migration that reads from the database and can't be reverted.
pub(crate) struct ReadsDatabase;

impl MigrationName for ReadsDatabase {
    fn name(&self) -> &'static str {
        "m2"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for ReadsDatabase {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_table("a").await? {
            manager.get_connection().execute_unprepared("CREATE TABLE found (id integer)").await?;
        }
        Ok(())
    }
}

impl Migration for ReadsDatabase {}

/// A migration written as SQL.
#[derive(Clone)]
pub(crate) struct Sql {
    pub(crate) name: &'static str,
    pub(crate) up: Vec<&'static str>,
    pub(crate) down: Vec<&'static str>,
    pub(crate) attributes: Attributes,
    pub(crate) transaction: Option<bool>,
}

/// A migration without attributes.
pub(crate) fn sql(name: &'static str, up: &[&'static str], down: &[&'static str]) -> Sql {
    Sql { name, up: up.to_vec(), down: down.to_vec(), attributes: Attributes::NONE, transaction: None }
}

impl MigrationName for Sql {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Sql {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in &self.up {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in &self.down {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        self.transaction
    }
}

impl Migration for Sql {
    fn attributes(&self) -> Attributes {
        self.attributes
    }
}

/// A migrator with these migrations and no models.
pub(crate) fn migrator(migrations: &[&Sql]) -> Migrator {
    Migrator {
        program: "tester",
        version: "1.2.3",
        ledger: "tester_migrations",
        lock_key: "tester_migrations",
        migrations: migrations
            .iter()
            .map(|each| -> Box<dyn Migration> { Box::new((*each).clone()) })
            .collect(),
        wanted: |_| Vec::new(),
        adoption: Box::new(()),
    }
}
