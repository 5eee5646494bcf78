//! The SQL of a migration, recorded by running the migration on a mock connection, and its checksum.

use sea_orm::{DbErr, MockDatabase, MockExecResult, Statement};
use sea_orm_migration::SchemaManager;
use sha2::{Digest, Sha256};

use super::{Engine, Error, Migration, error::Cause};

/// Which half of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the newest schema.
    Up,
    /// Towards the empty schema.
    Down,
}

/// The mock connection needs its results prepared in advance. No migration has this many statements.
const MAX_STATEMENTS: usize = 10_000;

/// The statements of `migration` on `engine`, in order, with their values inlined.
///
/// # Errors
/// [`Error::NotStatic`] if the migration reads from the database.
pub async fn render(
    migration: &dyn Migration,
    engine: Engine,
    direction: Direction,
) -> Result<Vec<String>, Error> {
    let results = vec![MockExecResult { last_insert_id: 0, rows_affected: 1 }; MAX_STATEMENTS];
    let mock = MockDatabase::new(engine.backend()).append_exec_results(results).into_connection();
    let manager = SchemaManager::new(&mock);
    let result = match direction {
        Direction::Up => migration.up(&manager).await,
        Direction::Down => migration.down(&manager).await,
    };
    match result {
        Ok(()) => {}
        // The mock has no result prepared for a query.
        Err(DbErr::Query(_)) => return Err(Error::NotStatic(migration.name().to_owned())),
        Err(other) => {
            return Err(Error::NotRendered { migration: migration.name().to_owned(), source: Cause(other) });
        }
    }
    let log = mock.into_transaction_log();
    Ok(log.iter().flat_map(sea_orm::Transaction::statements).map(Statement::to_string).collect())
}

/// SHA-256 of the statements, in hexadecimal.
pub fn checksum(statements: &[String]) -> String {
    let mut digest = Sha256::new();
    for statement in statements {
        digest.update(statement.as_bytes());
        digest.update(b";\n");
    }
    format!("{:x}", digest.finalize())
}

/// The checksum of the statements of `up`; `None` if they are not known in advance.
pub(crate) async fn up_checksum(migration: &dyn Migration, engine: Engine) -> Result<Option<String>, Error> {
    match render(migration, engine, Direction::Up).await {
        Ok(statements) => Ok(Some(checksum(&statements))),
        Err(Error::NotStatic(_)) => Ok(None),
        Err(other) => Err(other),
    }
}
