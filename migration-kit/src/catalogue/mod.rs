//! Schemas as the database describes them in its catalogue.
//!
//! Two schemas are compared only after the same database engine has normalised both. Two spellings of a
//! default, a cast or a predicate therefore compare equal. Triggers are part of their table, and functions of the
//! triggers that call them. Views, other functions and privileges are not part of a schema here.

mod changes;
mod indexes;
mod objects;
mod postgres;
mod sqlite;
mod statements;

use std::collections::BTreeMap;

pub use changes::{Change, changes};
pub(crate) use indexes::{LONGEST_ENTRY, long_column};
pub use objects::{Firing, Object, ObjectKind};
pub(crate) use postgres::sequences_behind;
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, TransactionTrait};
pub use statements::statements;

use super::{Engine, Error};

/// The tables of one schema, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// The tables by name.
    pub tables: BTreeMap<String, Table>,
    /// The objects of the tables are not known, so they are not compared: models have none, and a role that
    /// may not create schemas cannot build them in a scratch schema.
    pub without_objects: bool,
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// In the order of their creation, which is not compared.
    pub columns: Vec<Column>,
    /// Primary key, unique, foreign and check constraints.
    pub constraints: Vec<Constraint>,
    /// Indexes that do not implement a constraint.
    pub indexes: Vec<Index>,
    /// SQLite's table options after the closing parenthesis (`strict`, `without rowid`).
    pub options: String,
    /// Triggers, rules, sequences and options of the table.
    pub objects: Vec<Object>,
}

/// One column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, with length or precision.
    pub data_type: String,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// The default's expression.
    pub default: Option<String>,
    /// The expression of a generated column, followed by `stored` or `virtual`.
    pub generated: Option<String>,
    /// How the database numbers new rows: `serial`, `identity always`, `identity by default`,
    /// `autoincrement`.
    pub auto_increment: Option<String>,
    /// A collation other than the type's own.
    pub collation: Option<String>,
}

/// The kind of a constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConstraintKind {
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
    /// Its name; empty on SQLite, which does not report it.
    pub name: String,
    /// Its kind.
    pub kind: ConstraintKind,
    /// Its definition as in CREATE TABLE: `UNIQUE (email)`.
    pub definition: String,
}

/// One index that does not implement a constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Whether it is unique.
    pub unique: bool,
    /// What follows the table's name: method, columns with order, predicate.
    pub definition: String,
}

impl Schema {
    /// The schema with only those tables whose name satisfies `predicate`.
    #[must_use]
    pub fn filter(mut self, predicate: impl Fn(&str) -> bool) -> Self {
        self.tables.retain(|name, _| predicate(name));
        self
    }

    /// The schema with the objects of `other`, for tables that both have.
    #[must_use]
    pub(crate) fn with_objects_of(mut self, other: &Self) -> Self {
        for (name, table) in &mut self.tables {
            if let Some(other) = other.tables.get(name) {
                table.objects.clone_from(&other.objects);
            }
        }
        self.without_objects = other.without_objects;
        self
    }

    /// Reads the current schema of the connection.
    pub async fn load(db: &DatabaseConnection) -> Result<Self, Error> {
        let txn = db.begin().await?;
        let schema = load(&txn).await?;
        txn.rollback().await?;
        Ok(schema)
    }
}

/// Reads the current schema. PostgreSQL omits the schema from a name only if the schema is on the search
/// path, so the path is reduced to the current schema while reading.
pub(crate) async fn load(txn: &DatabaseTransaction) -> Result<Schema, Error> {
    match Engine::of(txn)? {
        Engine::Postgres => {
            let inner = txn.begin().await?;
            inner
                .execute_unprepared("SELECT set_config('search_path', quote_ident(current_schema()), true)")
                .await?;
            let schema = postgres::load(&inner).await?;
            inner.rollback().await?;
            Ok(schema)
        }
        Engine::Sqlite => sqlite::load(txn).await,
    }
}
