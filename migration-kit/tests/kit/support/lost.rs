//! The ways in which the records of applied migrations get lost, and the command that resolves each.

use migration_kit::{DatabaseState, Error, Migrator, Options, SchemaStatus};

use super::database::TestDatabase;

/// What loses records.
struct Loss {
    /// The statements that lose them.
    sql: Vec<String>,
    /// What `up` does before the loss is resolved.
    up: Up,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Up {
    /// It refuses and names `adopt`.
    Refuses,
    /// It resolves the loss itself.
    Adopts,
    /// It has nothing to do: SeaORM's table is complete.
    IsCurrent,
    /// It refuses and names `adopt`, or, if the migration can run twice, runs it.
    RefusesOrRepeats,
}

fn loss(up: Up, sql: &[String]) -> Loss {
    Loss { sql: sql.to_vec(), up }
}

/// Every loss of whole tables.
fn lost_tables(ledger: &str) -> Vec<Loss> {
    let drop = |table: &str| format!("DROP TABLE {table}");
    let empty = |table: &str| format!("DELETE FROM {table}");
    vec![
        loss(Up::Adopts, &[drop(ledger), drop("seaql_migrations")]),
        loss(Up::Adopts, &[empty(ledger), empty("seaql_migrations")]),
        loss(Up::Adopts, &[empty(ledger), drop("seaql_migrations")]),
        loss(Up::IsCurrent, &[drop(ledger)]),
        loss(Up::IsCurrent, &[empty(ledger)]),
        loss(Up::Refuses, &[drop("seaql_migrations")]),
        loss(Up::Refuses, &[empty("seaql_migrations")]),
    ]
}

/// Every loss of the rows of one migration.
fn lost_rows(migrator: &Migrator) -> Vec<Loss> {
    let ledger = migrator.ledger;
    let mut losses = Vec::new();
    for name in migrator.names() {
        let own = format!("DELETE FROM {ledger} WHERE name = '{name}'");
        let seaql = format!("DELETE FROM seaql_migrations WHERE version = '{name}'");
        losses.push(loss(Up::IsCurrent, std::slice::from_ref(&own)));
        losses.push(loss(Up::Refuses, std::slice::from_ref(&seaql)));
        losses.push(loss(Up::RefusesOrRepeats, &[own, seaql]));
    }
    losses
}

/// Each loss is resolved by `adopt`, which the refusal of `up` names, and `up` never makes it worse.
pub(crate) async fn assert_adopt_resolves_every_loss(
    migrator: Migrator,
    create: impl AsyncFn() -> TestDatabase,
) {
    let options = Options::default();
    let database = create().await;
    let migrations = migrator.names().count();
    for loss in lost_tables(migrator.ledger) {
        migrator.up(&database.db, &options).await.unwrap();
        assert_adopt_resolves(&migrator, &database, &loss).await;
        // What was restored can be reverted.
        assert_eq!(migrator.down(&database.db, &options).await.unwrap().applied.len(), migrations);
    }
    migrator.up(&database.db, &options).await.unwrap();
    for loss in lost_rows(&migrator) {
        assert_adopt_resolves(&migrator, &database, &loss).await;
    }
    assert_eq!(migrator.down(&database.db, &options).await.unwrap().applied.len(), migrations);
}

async fn assert_adopt_resolves(migrator: &Migrator, database: &TestDatabase, Loss { sql, up }: &Loss) {
    let options = Options::default();
    for sql in sql {
        database.run(sql).await;
    }
    let context = format!("{} after {sql:?}", database.engine.name());
    let result = migrator.up(&database.db, &Options { rehearse: true, ..options }).await;
    let repeats = *up == Up::RefusesOrRepeats && result.is_ok();
    match (up, result) {
        (Up::Refuses | Up::RefusesOrRepeats, Err(error)) => {
            assert!(error.to_string().contains("`adopt`"), "{context}: {error}");
        }
        (Up::Refuses, Ok(outcome)) => assert_eq!(outcome.applied, ["a refusal"], "{context}"),
        (Up::RefusesOrRepeats, Ok(outcome)) => assert_eq!(outcome.applied.len(), 1, "{context}"),
        (Up::Adopts, result) => assert!(!result.expect(&context).adopted.is_empty(), "{context}"),
        (Up::IsCurrent, result) => assert!(result.expect(&context).applied.is_empty(), "{context}"),
    }

    match migrator.adopt(&database.db, None, &options).await {
        // The tables do not show whether the migration ran, and it can run again.
        Err(Error::AlreadyManaged { .. }) => assert!(repeats, "{context}"),
        result => assert!(!result.expect(&context).adopted.is_empty(), "{context}"),
    }
    migrator.up(&database.db, &options).await.unwrap();
    assert_complete(migrator, database, &context).await;
}

/// Both tables have every migration, and the database passes the check.
pub(crate) async fn assert_complete(migrator: &Migrator, database: &TestDatabase, context: &str) {
    let status = match migrator.state(&database.db).await.unwrap() {
        DatabaseState::Managed(status) => status,
        DatabaseState::Empty | DatabaseState::Unmanaged { .. } => SchemaStatus::default(),
    };
    assert_eq!(status.records.len(), migrator.names().count(), "{context}");
    assert!(status.is_current(), "{context}: {:?}", status.explain());
    assert!(status.records.iter().all(|record| record.listed && record.in_ledger()), "{context}");
    let check = migrator.check(&database.db).await.unwrap();
    assert!(check.passed(), "{context}: {check:?}");
}
