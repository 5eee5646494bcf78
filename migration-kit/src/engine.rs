//! The two supported database engines, and how SQL literals and identifiers are quoted.

use sea_orm::{ConnectionTrait, DbBackend};

use super::Error;

/// A database engine that the kit supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
}

impl Engine {
    /// The engine of a connection; an error for unsupported engines.
    pub fn of(db: &impl ConnectionTrait) -> Result<Self, Error> {
        match db.get_database_backend() {
            DbBackend::Postgres => Ok(Self::Postgres),
            DbBackend::Sqlite => Ok(Self::Sqlite),
            other => Err(Error::UnsupportedEngine(other.as_str().to_owned())),
        }
    }

    /// The same engine as a SeaORM value.
    pub fn backend(self) -> DbBackend {
        match self {
            Self::Postgres => DbBackend::Postgres,
            Self::Sqlite => DbBackend::Sqlite,
        }
    }

    /// `postgres` or `sqlite`, as in command-line arguments and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }
}

/// `text` as an SQL string literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// `name` as a quoted SQL identifier.
pub(crate) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
