//! Byline's migrations, run by [`migration_kit`].
//!
//! - `migrations`: one file each, oldest first.
//! - `wanted`: the schema that the entities want and that the migrations must build.
//! - [`notify`]: the names that triggers and listening servers share.
//! - [`cli`]: `byline migrate …`, which is also this crate's own binary.

pub mod cli;
mod migrations;
pub mod notify;
mod wanted;

use migration_kit::{Adoption, Migrator};
pub use migration_kit::{DatabaseState, Error, Options, Outcome, SchemaStatus, close_pools_after, read_only};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, Statement};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// Byline's migrations and the names that it uses in the database.
pub fn migrator() -> Migrator {
    Migrator {
        program: "byline",
        version: env!("CARGO_PKG_VERSION"),
        ledger: "byline_migrations",
        lock_key: "byline_migrations",
        migrations: migrations::all(),
        wanted: wanted::statements,
        adoption: Box::new(HiddenDrafts),
    }
}

/// Reports how many articles become hidden. The FastAPI blog showed drafts to everyone, Byline does not.
struct HiddenDrafts;

#[async_trait::async_trait]
impl Adoption for HiddenDrafts {
    async fn notices(&self, txn: &DatabaseTransaction) -> Result<Vec<String>, DbErr> {
        let count = "SELECT count(*) AS drafts FROM articles WHERE NOT published";
        let row = txn.query_one_raw(Statement::from_string(txn.get_database_backend(), count)).await?;
        let drafts: i64 = row.map(|row| row.try_get("", "drafts")).transpose()?.unwrap_or(0);
        Ok(vec![match drafts {
            0 => "no drafts: every article stays public".to_owned(),
            1 => "1 draft becomes hidden: only its author sees it (PUBLIC_DRAFTS=true shows it to everyone)"
                .to_owned(),
            _ => format!(
                "{drafts} drafts become hidden: only their authors see them (PUBLIC_DRAFTS=true shows them to everyone)"
            ),
        }])
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
