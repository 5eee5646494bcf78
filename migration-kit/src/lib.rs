//! What SeaORM's migrator leaves to its caller: one runner at a time, all or nothing, checksums, adoption.
//!
//! A migration is still a [`MigrationTrait`]; [`Migration`] adds the few marks that
//! a runner must know. The kit asks each one for its SQL first ([`script`]) and then runs exactly that SQL, so what a
//! dry run prints, what a checksum covers and what happens are one thing. Nothing in here knows whose tables they are.

mod adopt;
pub mod catalogue;
pub mod cli;
mod compare;
mod engine;
mod error;
mod execute;
mod ledger;
pub mod lint;
mod plan;
mod print;
mod recover;
mod run;
mod scratch;
pub mod script;
mod session;
mod sql;
mod state;

pub use adopt::Adoption;
pub use compare::{Check, Difference};
pub use engine::Engine;
pub use error::Error;
pub use ledger::{Phase, Record};
pub use run::{Event, Limits, Options, Outcome};
use sea_orm_migration::MigrationTrait;
pub use state::{Standing, State, Unknown};

/// What a runner must know of a migration beside its statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Releases that don't know this migration go on working on the schema it leaves.
    pub additive: bool,
    /// It may lose data, and its author knows.
    pub destructive: bool,
    /// It rebuilds tables on SQLite: foreign keys must be off before the transaction starts, or the DROP cascades.
    pub rebuilds_tables: bool,
    /// Codes of [`lint`] that its author has weighed and accepts.
    pub accepts: &'static [&'static str],
    /// Checksums of earlier renderings of the same statements, still valid in databases that recorded them.
    pub accepted_checksums: &'static [&'static str],
}

impl Marks {
    /// No mark at all.
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

/// A migration with its marks. One that answers `Some(false)` to
/// [`use_transaction`](MigrationTrait::use_transaction) runs alone and outside of any transaction.
pub trait Migration: MigrationTrait {
    /// The marks; none unless said.
    fn marks(&self) -> Marks {
        Marks::NONE
    }
}

/// A program's migrations, and the names under which a database remembers them.
pub struct Kit {
    /// The program, for messages.
    pub program: &'static str,
    /// The release that is running, noted with each migration it applies.
    pub version: &'static str,
    /// The kit's own table, beside `seaql_migrations`.
    pub ledger: &'static str,
    /// All migrations, oldest first.
    pub migrations: Vec<Box<dyn Migration>>,
    /// The statements that build the schema which the program's models want, in an empty place.
    pub wanted: fn(Engine) -> Vec<String>,
    /// What to say about a database taken over.
    pub adoption: Box<dyn Adoption>,
}

impl Kit {
    /// The names of all migrations, oldest first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.migrations.iter().map(|migration| migration.name())
    }

    /// A migration by its name, or by the end of it behind the date where only one ends so.
    pub fn find(&self, name: &str) -> Result<&dyn Migration, Error> {
        let unknown = || Error::UnknownName { name: name.to_owned(), program: self.program };
        let position = self.position(name)?;
        self.migrations.get(position).map(AsRef::as_ref).ok_or_else(unknown)
    }

    pub(crate) fn position(&self, name: &str) -> Result<usize, Error> {
        if let Some(position) = self.names().position(|known| known == name) {
            return Ok(position);
        }
        let end = format!("_{name}");
        let mut ends = self.names().enumerate().filter(|(_, known)| known.ends_with(&end));
        match (ends.next(), ends.next()) {
            (Some((position, _)), None) => Ok(position),
            _ => Err(Error::UnknownName { name: name.to_owned(), program: self.program }),
        }
    }
}
