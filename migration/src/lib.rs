//! Byline's migrations, and the command line that runs them.
//!
//! - `migrations`: one file each, oldest first.
//! - `wanted`: the schema that the entities want, which the migrations must build.
//! - [`mod@kit`]: what runs them, and their command line.

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, Statement};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

mod migrations;
mod wanted;

pub use migration_kit as kit;
pub use migration_kit::{Error, Options, Outcome, Standing, State, cli};

use kit::{Adoption, Kit};

/// Byline's migrations with what the kit must know of them.
pub fn kit() -> Kit {
    Kit {
        program: "byline",
        version: env!("CARGO_PKG_VERSION"),
        ledger: "byline_migrations",
        migrations: migrations::all(),
        wanted: wanted::statements,
        adoption: Box::new(HiddenDrafts),
    }
}

/// The FastAPI blog showed unpublished articles to everyone; whoever takes its database over should hear of the change.
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

/// The same migrations for SeaORM's own tools. They keep no ledger and take no lock; [`up`] does both.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        migrations::all().into_iter().map(|migration| -> Box<dyn MigrationTrait> { migration }).collect()
    }
}

/// Where the database stands; reads only, and needs no right to create anything.
pub async fn state(db: &DatabaseConnection) -> Result<State, Error> {
    kit().state(db).await
}

/// Applies what is pending, under the lock, all or nothing.
pub async fn up(db: &DatabaseConnection) -> Result<Outcome, Error> {
    kit().up(db, &Options::default()).await
}

/// Reverts everything, newest first.
pub async fn down(db: &DatabaseConnection) -> Result<Outcome, Error> {
    kit().down(db, &Options::default()).await
}
