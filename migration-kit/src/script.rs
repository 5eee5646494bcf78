//! The SQL of a migration, told by the migration itself to a connection that only listens.

use sea_orm::{DbErr, MockDatabase, MockExecResult, Statement};
use sea_orm_migration::SchemaManager;
use sha2::{Digest, Sha256};

use super::{Engine, Error, Migration, error::Cause};

/// Up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the newest schema.
    Up,
    /// Back.
    Down,
}

/// More statements than any migration has; the listening connection wants its answers counted beforehand.
const MOST_STATEMENTS: usize = 10_000;

/// The statements of `migration` on `engine`, in order, values written in.
///
/// # Errors
/// [`Error::NotStatic`] where the migration reads from the database.
pub async fn render(
    migration: &dyn Migration,
    engine: Engine,
    direction: Direction,
) -> Result<Vec<String>, Error> {
    let answers = vec![MockExecResult { last_insert_id: 0, rows_affected: 1 }; MOST_STATEMENTS];
    let listener = MockDatabase::new(engine.backend()).append_exec_results(answers).into_connection();
    let manager = SchemaManager::new(&listener);
    let told = match direction {
        Direction::Up => migration.up(&manager).await,
        Direction::Down => migration.down(&manager).await,
    };
    match told {
        Ok(()) => {}
        // A query finds no answer prepared for it.
        Err(DbErr::Query(_)) => return Err(Error::NotStatic(migration.name().to_owned())),
        Err(other) => {
            return Err(Error::Refused { migration: migration.name().to_owned(), source: Cause(other) });
        }
    }
    let log = listener.into_transaction_log();
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
