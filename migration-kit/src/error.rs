//! The kit's errors: each is one line that says what to do. The command line adds PostgreSQL's details.

use std::time::Duration;

use sea_orm::{DbErr, RuntimeErr};
use sqlx::postgres::PgDatabaseError;

/// Why an operation failed. `Display` is one line and contains no password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is neither PostgreSQL nor SQLite.
    #[error("{0} is not supported, only PostgreSQL and SQLite are")]
    UnsupportedEngine(String),
    /// No migration has this name.
    #[error("{program} has no migration named {name:?}; `history` and `status` list the names")]
    UnknownName {
        /// The requested name.
        name: String,
        /// The program whose migrations were searched.
        program: &'static str,
    },
    /// The end of a name fits several migrations.
    #[error("{name:?} is the end of several names: {candidates}")]
    AmbiguousName {
        /// The requested name.
        name: String,
        /// The migrations that it may mean.
        candidates: String,
    },
    /// The database holds tables, and none of them are recorded as this program's.
    #[error("the database holds tables that {program} did not create ({tables}); nothing was changed")]
    Unmanaged {
        /// The program.
        program: &'static str,
        /// The tables found.
        tables: String,
    },
    /// The SQL of applied migrations differs from the SQL in this release.
    #[error(
        "changed since it was applied: {0}; run the intended release, or, if both versions build the same, \
         `repair NAME --accept-checksum`; nothing was changed"
    )]
    Changed(String),
    /// The database has migrations that this release does not know.
    #[error("the database is newer than {program} {version}: it has {names}")]
    Newer {
        /// The program.
        program: &'static str,
        /// The running release.
        version: &'static str,
        /// The unknown migrations.
        names: String,
    },
    /// Migrations that the ledger has and SeaORM's table has not.
    #[error(
        "{ledger} has {names}, seaql_migrations has not; `adopt` compares the tables and then completes or deletes \
         the records; nothing was changed"
    )]
    Unlisted {
        /// The migrations.
        names: String,
        /// The kit's table.
        ledger: &'static str,
    },
    /// A migration outside a transaction did not complete in an earlier run.
    #[error(
        "{0} is incomplete: it stopped outside a transaction; see its statements with `show {0}`, complete or undo \
         them, then run `repair {0}`"
    )]
    Incomplete(String),
    /// A migration outside a transaction failed in this run.
    #[error(
        "{migration}{}: {source}; the statements before it are not rolled back: see `repair`", location(*.number)
    )]
    Interrupted {
        /// The migration.
        migration: String,
        /// The statement, counted from 1; 0 if not known.
        number: usize,
        /// The database's error.
        source: Cause,
    },
    /// A destructive migration needs permission to run.
    #[error("{0} loses data: read `show {0}`, then pass --allow-destructive; nothing was changed")]
    Destructive(String),
    /// The tables differ from what the migrations build.
    #[error("the tables do not match {name}: {}; nothing was changed", .differences.join("; "))]
    Mismatch {
        /// The migration with the fewest differences.
        name: String,
        /// The differences.
        differences: Vec<String>,
    },
    /// Row level security hides records from this role.
    #[error(
        "row level security hides rows of {0} from this role, so the applied migrations are not known: connect as the \
         owner of the table, or run ALTER TABLE {0} DISABLE ROW LEVEL SECURITY; nothing was changed"
    )]
    RowSecurity(String),
    /// The search path names a schema that does not exist.
    #[error(
        "the search path is {path}, and there is no schema {missing}; correct the path or create the schema; nothing was \
         changed"
    )]
    NoSchema {
        /// The search path.
        path: String,
        /// The missing schema.
        missing: String,
    },
    /// The current schema has none of the program's tables, and another has.
    #[error(
        "schema {current} has no tables of {program}, but {schemas} has: the search path has changed. Set it in the \
         database URL or with ALTER ROLE … SET search_path. For a second installation, use another database, or a role \
         without access to that schema; nothing was changed"
    )]
    Elsewhere {
        /// The program.
        program: &'static str,
        /// The current schema.
        current: String,
        /// The schemas with its tables.
        schemas: String,
    },
    /// The database has no table to adopt.
    #[error("the database holds no table of {program}; nothing was changed")]
    NothingToAdopt {
        /// The program.
        program: &'static str,
    },
    /// The database was adopted or migrated before.
    #[error("the database already has the records of {program} that its tables match; `status` shows them")]
    AlreadyManaged {
        /// The program.
        program: &'static str,
    },
    /// `repair` was called for a migration that is not incomplete.
    #[error("{0} is not incomplete; `repair` without a name lists the migrations that are")]
    NotIncomplete(String),
    /// `repair --accept-checksum` was called for a migration whose checksum is the recorded one.
    #[error("{0} has not changed since it was applied; `status` lists the migrations that have")]
    NotChanged(String),
    /// Another runner held the lock for too long.
    #[error("another process is migrating this database; gave up after {} s (--lock-timeout)", .0.as_secs())]
    Busy(Duration),
    /// A writer, or another runner, held SQLite's only lock for too long.
    #[error(
        "another process is writing to this database: a server, or another run; gave up after {} s (--lock-timeout)",
        .0.as_secs()
    )]
    WriterBusy(Duration),
    /// A scratch schema can't be built.
    #[error(
        "the database is read-only (a standby, or default_transaction_read_only): a comparison builds schemas in a \
         transaction that is rolled back, which it does not allow; run this command on the primary. `status`, \
         `history`, `show` and `wait` work here"
    )]
    ReadOnly,
    /// A statement failed and the run was rolled back.
    #[error(
        "{migration}{}: {source}; the run was rolled back{}", location(*.number),
        if source.already_exists() { "; if only its record was lost, run `adopt`" } else { "" }
    )]
    Statement {
        /// The migration.
        migration: String,
        /// The statement, counted from 1; 0 if not known.
        number: usize,
        /// The database's error.
        source: Cause,
    },
    /// The tables could not be dropped.
    #[error("the tables can't be dropped: {0}; nothing was changed")]
    NotErased(Cause),
    /// The tables were dropped, and not all migrations were applied again.
    #[error("the tables were erased and created again, and then {source}")]
    Erased {
        /// What failed.
        source: Box<Error>,
    },
    /// The run would leave foreign keys without the row that they reference.
    #[error("the run would violate foreign keys: {0}; it was rolled back")]
    ForeignKeys(String),
    /// The migration queries the database, so its SQL depends on the answers.
    #[error("{0} reads from the database, so its SQL is not known in advance")]
    NotStatic(String),
    /// A migration returned an error instead of its SQL.
    #[error("{migration}: {source}; nothing was changed")]
    NotRendered {
        /// The migration.
        migration: String,
        /// The migration's error.
        source: Cause,
    },
    /// A snapshot file can't be read or written.
    #[error("{path}: {source}")]
    Snapshot {
        /// The file.
        path: String,
        /// The reason.
        source: std::io::Error,
    },
    /// The database, or the connection to it, failed.
    #[error("{0}")]
    Database(#[from] Cause),
}

impl Error {
    /// The DETAIL and HINT of the PostgreSQL error that caused it, a line each, for the administrator's
    /// terminal. They may hold values of rows.
    pub(crate) fn details(&self) -> String {
        match self {
            Self::Interrupted { source, .. }
            | Self::Statement { source, .. }
            | Self::NotRendered { source, .. }
            | Self::NotErased(source)
            | Self::Database(source) => source.details(),
            Self::Erased { source } => source.details(),
            _ => String::new(),
        }
    }
}

fn location(number: usize) -> String {
    if number == 0 { String::new() } else { format!(", statement {number}") }
}

/// A database error that displays only the database's own message, on one line.
#[derive(Debug)]
pub struct Cause(pub DbErr);

impl std::error::Error for Cause {}

impl Cause {
    /// The database's own error, if it answered.
    fn database_error(&self) -> Option<&dyn sqlx::error::DatabaseError> {
        match &self.0 {
            DbErr::Conn(RuntimeErr::SqlxError(error))
            | DbErr::Exec(RuntimeErr::SqlxError(error))
            | DbErr::Query(RuntimeErr::SqlxError(error)) => error.as_database_error(),
            _ => None,
        }
    }

    /// The DETAIL and HINT of PostgreSQL, a line each; empty if there are none. They may hold values of rows, so
    /// they are for the administrator's terminal and never for a log.
    fn details(&self) -> String {
        let error = self.database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
        let Some(error) = error else { return String::new() };
        // For dependent objects it advises CASCADE, which drops them.
        let hint = error.hint().filter(|_| error.code() != "2BP01");
        let line =
            |word, text: Option<&str>| text.map(|text| format!("\n{word}: {text}")).unwrap_or_default();
        line("DETAIL", error.detail()) + &line("HINT", hint)
    }

    /// Whether a statement would create what exists already.
    fn already_exists(&self) -> bool {
        let Some(error) = self.database_error() else { return false };
        match error.code().as_deref() {
            // duplicate_table (also an index), _column, _object (a constraint, a trigger), _function.
            Some("42P07" | "42701" | "42710" | "42723") => true,
            // SQLite has no code of its own for it.
            Some("1") => {
                error.message().contains("already exists")
                    || error.message().contains("duplicate column name")
            }
            _ => false,
        }
    }
}

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
                        Some("55P03") => "; another session holds a lock on the table (--table-lock-timeout)",
                        Some("2BP01") => "; drop or change those objects first",
                        Some("25006") => "; connect to the primary, as a role that may write",
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
