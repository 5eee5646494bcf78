//! Runs, compares and lints SeaORM migrations: one runner at a time, all or nothing, with checksums and a
//! command line.
//!
//! A migration is still a [`MigrationTrait`]; [`Migration`] adds the [`Attributes`] that a runner needs. The
//! kit first asks each migration for its SQL ([`render()`]) and then runs exactly that SQL. What a dry run
//! prints, what a checksum covers and what runs are therefore the same. The kit knows nothing of a program's
//! tables.
//!
//! - [`Migrator`]: a program's migrations and names. Its methods are spread over the modules:
//!   [`state`](Migrator::state), [`up`](Migrator::up), [`down`](Migrator::down), [`adopt`](Migrator::adopt),
//!   [`check`](Migrator::check), [`diff`](Migrator::diff), [`lint`](Migrator::lint),
//!   [`repair`](Migrator::repair).
//! - [`catalogue`]: schemas as the database describes them, and what separates two of them.
//! - [`cli`]: the command line.
//! - [`DatabaseUrl`]: the URL of a database, also as SQLAlchemy and asyncpg write it.
//! - [`snapshots`]: the SQL of every migration as files under review.

mod adopt;
pub mod catalogue;
pub mod cli;
mod compare;
mod database_url;
mod engine;
mod erase;
mod error;
mod execute;
mod ledger;
pub mod lint;
mod plan;
mod pools;
mod read_only;
mod recover;
mod render;
mod run;
mod scratch;
mod script;
mod search_path;
mod session;
pub mod snapshots;
mod sql;
mod status;

pub use adopt::Adoption;
pub use compare::{Check, Difference};
pub use database_url::{DatabaseUrl, InvalidDatabaseUrl};
pub use engine::Engine;
pub use error::{Cause, Error};
pub use ledger::{Phase, Record};
pub use pools::close_pools_after;
pub use read_only::read_only;
pub use recover::Repair;
pub use render::{Direction, checksum, render};
pub use run::{Event, Options, Outcome, Timeouts};
use sea_orm_migration::MigrationTrait;
pub use status::{DatabaseState, SchemaStatus, UnknownMigration};

/// What a runner must know about a migration in addition to its statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Releases that do not know this migration can work on the schema that it leaves.
    pub additive: bool,
    /// The migration may lose data, and its author intends that.
    pub destructive: bool,
    /// The migration rebuilds tables on SQLite. Foreign keys must be off before the transaction starts:
    /// otherwise DROP TABLE cascades.
    pub rebuilds_tables: bool,
    /// Codes of [`lint`] findings that the author accepts.
    pub accepts: &'static [&'static str],
    /// Checksums of earlier renderings of the same statements. They stay valid in databases that recorded
    /// them.
    pub accepted_checksums: &'static [&'static str],
}

impl Attributes {
    /// No attribute set.
    pub const NONE: Self = Self {
        additive: false,
        destructive: false,
        rebuilds_tables: false,
        accepts: &[],
        accepted_checksums: &[],
    };
    /// Additive, and nothing else.
    pub const ADDITIVE: Self = Self { additive: true, ..Self::NONE };
}

/// A migration with its attributes. If [`use_transaction`](MigrationTrait::use_transaction) returns
/// `Some(false)`, the migration runs alone and outside a transaction.
pub trait Migration: MigrationTrait {
    /// The attributes; none by default.
    fn attributes(&self) -> Attributes {
        Attributes::NONE
    }
}

/// A program's migrations, and the names that it uses in the database.
pub struct Migrator {
    /// The program's name, for messages.
    pub program: &'static str,
    /// The running release. It is recorded with each migration that it applies.
    pub version: &'static str,
    /// The kit's own table, next to `seaql_migrations`.
    pub ledger: &'static str,
    /// What the advisory lock on PostgreSQL is derived from. All releases of a program must use the same key.
    pub lock_key: &'static str,
    /// All migrations, oldest first.
    pub migrations: Vec<Box<dyn Migration>>,
    /// The statements that build the schema that the program's models want, in an empty schema.
    pub wanted: fn(Engine) -> Vec<String>,
    /// Messages about an adopted database.
    pub adoption: Box<dyn Adoption>,
}

impl Migrator {
    /// The names of all migrations, oldest first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.migrations.iter().map(|migration| migration.name())
    }

    /// The migration with this name, or the only one whose name ends with `_` and this name.
    pub fn by_name(&self, name: &str) -> Result<&dyn Migration, Error> {
        let unknown = || self.unknown_name(name);
        let position = self.position(name)?;
        self.migrations.get(position).map(AsRef::as_ref).ok_or_else(unknown)
    }

    pub(crate) fn position(&self, name: &str) -> Result<usize, Error> {
        if let Some(position) = self.names().position(|known| known == name) {
            return Ok(position);
        }
        let suffix = format!("_{name}");
        let matches: Vec<_> =
            self.names().enumerate().filter(|(_, known)| known.ends_with(&suffix)).collect();
        match matches.as_slice() {
            [] => Err(self.unknown_name(name)),
            [(position, _)] => Ok(*position),
            several => Err(Error::AmbiguousName {
                name: name.to_owned(),
                candidates: several.iter().map(|(_, known)| *known).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    fn unknown_name(&self, name: &str) -> Error {
        Error::UnknownName { name: name.to_owned(), program: self.program }
    }
}
