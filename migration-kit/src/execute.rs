//! The statements of a run, one after the other.

use sea_orm::{ConnectionTrait, DatabaseTransaction, Statement, TransactionTrait};
use sea_orm_migration::SchemaManager;

use super::{
    Engine, Error, Event, Migration, Options,
    error::Cause,
    script::{Direction, checksum, render},
};

/// Runs one migration's statements.
pub(crate) async fn execute<C>(
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
                step(db, options, migration.name(), sql).await.map_err(|error| failed(number, error))?;
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

/// The checksum of what `up` runs; none where it can't be told beforehand.
pub(crate) async fn sum(migration: &dyn Migration, engine: Engine) -> Result<Option<String>, Error> {
    match render(migration, engine, Direction::Up).await {
        Ok(statements) => Ok(Some(checksum(&statements))),
        Err(Error::NotStatic(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Runs one statement, told to the observer before.
pub(crate) async fn step(
    db: &impl ConnectionTrait,
    options: &Options<'_>,
    migration: &str,
    sql: &str,
) -> Result<(), sea_orm::DbErr> {
    options.tell(Event::Statement { migration, sql });
    db.execute_unprepared(sql).await.map(drop)
}

/// Commits, or rolls back a rehearsal. `before` are the foreign keys that were broken when the run started.
pub(crate) async fn finish(
    txn: DatabaseTransaction,
    options: &Options<'_>,
    before: &[String],
) -> Result<(), Error> {
    let broken: Vec<_> = broken_keys(&txn).await?.into_iter().filter(|row| !before.contains(row)).collect();
    if !broken.is_empty() {
        return Err(Error::ForeignKeys(broken.join(", ")));
    }
    if options.rehearse {
        return Ok(txn.rollback().await?);
    }
    options.tell(Event::Commit);
    Ok(txn.commit().await?)
}

/// On SQLite, the rows whose foreign keys point nowhere; PostgreSQL lets none come to be.
pub(crate) async fn broken_keys(txn: &DatabaseTransaction) -> Result<Vec<String>, Error> {
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
