//! Runs the statements of a migration one after the other, and ends the transaction of a run.

use sea_orm::{ConnectionTrait, DatabaseTransaction, Statement, TransactionTrait};
use sea_orm_migration::SchemaManager;

use super::{Direction, Engine, Error, Event, Migration, Options, error::Cause, render};

/// Runs the statements of one migration.
pub(crate) async fn run_migration<C>(
    db: &C,
    options: &Options<'_>,
    migration: &dyn Migration,
    direction: Direction,
) -> Result<(), Error>
where
    C: ConnectionTrait + TransactionTrait,
    for<'c> &'c C: sea_orm_migration::IntoSchemaManagerConnection<'c>,
{
    let failed = |number, error| Error::Statement {
        migration: migration.name().to_owned(),
        number,
        source: Cause(error),
    };
    match render(migration, Engine::of(db)?, direction).await {
        Ok(statements) => {
            for (number, sql) in (1..).zip(&statements) {
                run_statement(db, options, migration.name(), sql)
                    .await
                    .map_err(|error| failed(number, error))?;
            }
        }
        Err(Error::NotStatic(_)) => {
            let manager = SchemaManager::new(db);
            let run = match direction {
                Direction::Up => migration.up(&manager).await,
                Direction::Down => migration.down(&manager).await,
            };
            run.map_err(|error| failed(0, error))?;
        }
        Err(other) => return Err(other),
    }
    Ok(())
}

/// Emits the event and runs one statement.
pub(crate) async fn run_statement(
    db: &impl ConnectionTrait,
    options: &Options<'_>,
    migration: &str,
    sql: &str,
) -> Result<(), sea_orm::DbErr> {
    options.emit(Event::Statement { migration, sql });
    db.execute_unprepared(sql).await.map(drop)
}

/// Commits, or rolls back a rehearsal. `before` are the foreign key violations that existed when the run
/// started.
pub(crate) async fn commit_or_roll_back(
    txn: DatabaseTransaction,
    options: &Options<'_>,
    before: &[String],
) -> Result<(), Error> {
    let after = foreign_key_violations(&txn).await?;
    let new: Vec<_> = after.into_iter().filter(|violation| !before.contains(violation)).collect();
    if !new.is_empty() {
        return Err(Error::ForeignKeys(new.join(", ")));
    }
    if options.rehearse {
        return Ok(txn.rollback().await?);
    }
    options.emit(Event::Commit);
    Ok(txn.commit().await?)
}

/// The rows on SQLite whose foreign keys reference no row. PostgreSQL enforces foreign keys at all times.
pub(crate) async fn foreign_key_violations(txn: &DatabaseTransaction) -> Result<Vec<String>, Error> {
    let engine = Engine::of(txn)?;
    if engine == Engine::Postgres {
        return Ok(Vec::new());
    }
    let rows =
        txn.query_all_raw(Statement::from_string(engine.backend(), "PRAGMA foreign_key_check")).await?;
    rows.iter()
        .map(|row| {
            let (table, parent): (String, String) = (row.try_get("", "table")?, row.try_get("", "parent")?);
            let rowid: Option<i64> = row.try_get("", "rowid")?;
            Ok(format!("{table} row {} to {parent}", rowid.unwrap_or_default()))
        })
        .collect()
}
