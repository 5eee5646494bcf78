//! Byline's migrations, run by [`migration_kit`].
//!
//! - `migrations`: one file each, oldest first.
//! - `adoption`: checks and messages for the adoption of a FastAPI blog's database.
//! - `wanted`: the schema that the entities want and that the migrations must build.
//! - [`notify`]: the names that triggers and listening servers share.
//! - [`cli`]: `byline migrate …`, which is also this crate's own binary.

mod adoption;
pub mod cli;
mod migrations;
pub mod notify;
mod wanted;

use migration_kit::Migrator;
pub use migration_kit::{
    DatabaseState, DatabaseUrl, Engine, Error, InvalidDatabaseUrl, Options, Outcome, SchemaStatus,
    close_pools_after, read_only,
};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// Byline's migrations and the names that it uses in the database.
pub fn migrator() -> Migrator {
    migrator_with(Vec::new())
}

/// The same, with further messages when a database is adopted.
pub(crate) fn migrator_with(notices: Vec<String>) -> Migrator {
    Migrator {
        program: "byline",
        version: env!("CARGO_PKG_VERSION"),
        ledger: "byline_migrations",
        lock_key: "byline_migrations",
        migrations: migrations::all(),
        wanted: wanted::statements,
        adoption: Box::new(adoption::FastApiBlog { notices }),
    }
}

/// The same migrations for SeaORM's own tools. These write no checksums and take no lock; [`up`] does both.
pub struct SeaOrmMigrator;

impl MigratorTrait for SeaOrmMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        migrations::all().into_iter().map(|migration| -> Box<dyn MigrationTrait> { migration }).collect()
    }
}

/// The state of the database. Reads only, so the role needs no right to create anything.
pub async fn state(db: &impl ConnectionTrait) -> Result<DatabaseState, Error> {
    migrator().state(db).await
}

/// Applies pending migrations under the lock, all or nothing.
pub async fn up(db: &DatabaseConnection) -> Result<Outcome, Error> {
    migrator().up(db, &Options::default()).await
}

/// Reverts all migrations, newest first.
pub async fn down(db: &DatabaseConnection) -> Result<Outcome, Error> {
    migrator().down(db, &Options::default()).await
}
