//! A schema as the database itself describes it.
//!
//! Two schemas are compared only after the same database has read both, so it has normalised both: a default, a cast
//! or a predicate written in two ways compares equal when it is. Views, triggers, functions and rights are not seen.

mod changes;
mod postgres;
mod sqlite;
mod statements;

use std::collections::BTreeMap;

pub use changes::{Change, changes};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, TransactionTrait};
pub use statements::statements;

use super::{Engine, Error};

/// The tables of one schema, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// By name.
    pub tables: BTreeMap<String, Table>,
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// In the order in which they were made; the order is not compared.
    pub columns: Vec<Column>,
    /// Primary key, unique, foreign and check constraints.
    pub constraints: Vec<Constraint>,
    /// Indexes that belong to no constraint.
    pub indexes: Vec<Index>,
    /// SQLite's words behind the closing parenthesis (`strict`, `without rowid`).
    pub options: String,
}

/// One column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, with length or precision.
    pub kind: String,
    /// Whether it takes NULL.
    pub nullable: bool,
    /// The default's expression.
    pub default: Option<String>,
    /// The expression of a generated column, with `stored` or `virtual` behind it.
    pub generated: Option<String>,
    /// What gives it numbers by itself: `serial`, `identity always`, `identity by default`, `autoincrement`.
    pub numbering: Option<String>,
    /// A collation other than the type's own.
    pub collation: Option<String>,
}

/// What a constraint demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// PRIMARY KEY
    Primary,
    /// UNIQUE
    Unique,
    /// CHECK, and PostgreSQL's EXCLUDE
    Check,
    /// FOREIGN KEY
    Foreign,
}

/// One constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// Its name; empty on SQLite, which does not tell it.
    pub name: String,
    /// What it demands.
    pub kind: Kind,
    /// `UNIQUE (email)`, as it may stand in a CREATE TABLE.
    pub definition: String,
}

/// One index that belongs to no constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Whether it forbids twins.
    pub unique: bool,
    /// Everything behind the table's name: method, columns with order, predicate.
    pub definition: String,
}

impl Schema {
    /// The same without the tables that `keep` refuses.
    #[must_use]
    pub fn only(mut self, keep: impl Fn(&str) -> bool) -> Self {
        self.tables.retain(|name, _| keep(name));
        self
    }
}

impl Schema {
    /// The schema that unqualified names mean, at this moment.
    pub async fn of(db: &DatabaseConnection) -> Result<Self, Error> {
        let txn = db.begin().await?;
        let schema = read(&txn).await?;
        txn.rollback().await?;
        Ok(schema)
    }
}

/// Reads the schema that unqualified names mean. PostgreSQL writes a name without its schema only if that is the whole
/// search path, which is set for the time of the reading alone.
pub(crate) async fn read(txn: &DatabaseTransaction) -> Result<Schema, Error> {
    match Engine::of(txn)? {
        Engine::Postgres => {
            let inner = txn.begin().await?;
            inner
                .execute_unprepared("SELECT set_config('search_path', quote_ident(current_schema()), true)")
                .await?;
            let schema = postgres::read(&inner).await?;
            inner.rollback().await?;
            Ok(schema)
        }
        Engine::Sqlite => sqlite::read(txn).await,
    }
}
