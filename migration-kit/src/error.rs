//! Everything that can stop the kit, each in one line that says what to do.

use std::time::Duration;

use sea_orm::{DbErr, RuntimeErr};

/// Why the kit stopped. `Display` is one line and holds no password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is neither PostgreSQL nor SQLite.
    #[error("{0} is not supported: PostgreSQL and SQLite are")]
    Engine(String),
    /// No migration has this name.
    #[error("{program} has no migration named {name:?}; `history` lists them")]
    UnknownName {
        /// What was asked for.
        name: String,
        /// Whose migrations were searched.
        program: &'static str,
    },
    /// The database holds tables, and none of them are recorded as this program's.
    #[error("the database holds tables that {program} did not make ({tables}); nothing was changed")]
    Foreign {
        /// Whose tables were expected.
        program: &'static str,
        /// The first few found.
        tables: String,
    },
    /// Applied migrations whose SQL is another today.
    #[error("changed since it was applied: {0}; nothing was changed")]
    Changed(String),
    /// The database knows migrations that this program does not.
    #[error("the database is newer than this {program} {version}: it has {names}")]
    Newer {
        /// Which program is too old.
        program: &'static str,
        /// Its release.
        version: &'static str,
        /// The unknown migrations.
        names: String,
    },
    /// A migration outside a transaction stopped half-way, now or in an earlier run.
    #[error(
        "{0} stopped half-way outside a transaction; look at `show {0}`, put the schema right, then `repair`"
    )]
    Dirty(String),
    /// A migration outside a transaction stopped half-way just now.
    #[error("{migration}{}: {source}; what ran before it stays: `repair` shows the way", at(*.number))]
    HalfWay {
        /// The migration.
        migration: String,
        /// Counted from 1; 0 where it is not known.
        number: usize,
        /// What the database said.
        source: Cause,
    },
    /// A migration that loses data wants to be allowed.
    #[error("{0} loses data: read `show {0}`, then say --allow-destructive; nothing was changed")]
    Destructive(String),
    /// The tables are not what the migrations build.
    #[error("the tables are not those of {name}: {}; nothing was changed", .misfits.join("; "))]
    Misfit {
        /// The migration that came closest.
        name: String,
        /// What does not fit.
        misfits: Vec<String>,
    },
    /// There is nothing to take over.
    #[error("the database holds no table of {program}; nothing was changed")]
    NothingToAdopt {
        /// Whose tables were looked for.
        program: &'static str,
    },
    /// It has been taken over already.
    #[error("{program} keeps records in this database already; `status` shows them")]
    AlreadyOurs {
        /// Whose records.
        program: &'static str,
    },
    /// Repairing what is not broken.
    #[error("{0} did not stop half-way; `repair` without a name shows what did")]
    NotDirty(String),
    /// Another runner kept the lock.
    #[error("another process is migrating this database; gave up after {} s (--lock-timeout)", .0.as_secs())]
    Busy(Duration),
    /// One statement failed; the run was rolled back.
    #[error("{migration}{}: {source}; rolled back, nothing of it stays", at(*.number))]
    Statement {
        /// The migration.
        migration: String,
        /// Counted from 1; 0 where it is not known.
        number: usize,
        /// What the database said.
        source: Cause,
    },
    /// A rebuilt table left rows that point nowhere.
    #[error("foreign keys would be broken in {0}; rolled back, the database is as before")]
    ForeignKeys(String),
    /// The migration asks the database questions, so its SQL can't be told beforehand.
    #[error("{0} reads from the database, so its SQL can't be written down beforehand")]
    NotStatic(String),
    /// A migration stopped before it had told its SQL.
    #[error("{migration}: {source}; nothing was changed")]
    Refused {
        /// The migration.
        migration: String,
        /// What it said.
        source: Cause,
    },
    /// The database or the way to it failed.
    #[error("{0}")]
    Database(#[from] Cause),
}

/// Where in a migration, if that is known.
fn at(number: usize) -> String {
    if number == 0 { String::new() } else { format!(", statement {number}") }
}

/// What a database said, without the layers around it.
#[derive(Debug)]
pub struct Cause(pub DbErr);

impl std::error::Error for Cause {}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inner = match &self.0 {
            DbErr::Conn(inner) | DbErr::Exec(inner) | DbErr::Query(inner) => inner,
            DbErr::Migration(text) => return write!(f, "{}", one_line(text)),
            other => return write!(f, "{}", one_line(&other.to_string())),
        };
        match inner {
            RuntimeErr::SqlxError(error) => match error.as_ref() {
                sqlx::Error::Database(error) => {
                    let hint = match error.code().as_deref() {
                        Some("55P03") => "; another session keeps the table busy (--table-lock-timeout)",
                        _ => "",
                    };
                    write!(f, "{}{hint}", one_line(error.message()))
                }
                other => write!(f, "{}", one_line(&other.to_string())),
            },
            RuntimeErr::Internal(text) => write!(f, "{}", one_line(text)),
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Self::Database(Cause(error))
    }
}
