//! The ways in which the records of applied migrations get lost, and the command that resolves each.

use migration_kit::{DatabaseState, Error, Migrator, Options};

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
    /// The migration has no statements on this engine, or only ones that can run twice.
    Repeats,
}

/// Every loss of whole tables and of single rows. `repeatable` are migrations that can run twice.
fn losses(migrator: &Migrator, repeatable: &[&str]) -> Vec<Loss> {
    let ledger = migrator.ledger;
    let drop = |table: &str| format!("DROP TABLE {table}");
    let empty = |table: &str| format!("DELETE FROM {table}");
    let loss = |up, sql: &[String]| Loss { sql: sql.to_vec(), up };
    let mut losses = vec![
        loss(Up::Adopts, &[drop(ledger), drop("seaql_migrations")]),
        loss(Up::Adopts, &[empty(ledger), empty("seaql_migrations")]),
        loss(Up::Adopts, &[empty(ledger), drop("seaql_migrations")]),
        loss(Up::IsCurrent, &[drop(ledger)]),
        loss(Up::IsCurrent, &[empty(ledger)]),
        loss(Up::Refuses, &[drop("seaql_migrations")]),
        loss(Up::Refuses, &[empty("seaql_migrations")]),
    ];
    for name in migrator.names() {
        let own = format!("DELETE FROM {ledger} WHERE name = '{name}'");
        let seaql = format!("DELETE FROM seaql_migrations WHERE version = '{name}'");
        losses.push(loss(Up::IsCurrent, std::slice::from_ref(&own)));
        losses.push(loss(Up::Refuses, std::slice::from_ref(&seaql)));
        let up = if repeatable.contains(&name) { Up::Repeats } else { Up::Refuses };
        losses.push(loss(up, &[own, seaql]));
    }
    losses
}

/// Each loss is resolved by `adopt`, which the refusal of `up` names, and `up` never makes it worse.
pub(crate) async fn assert_adopt_resolves_every_loss(
    migrator: Migrator,
    repeatable: &[&str],
    create: impl AsyncFn() -> TestDatabase,
) {
    let options = Options::default();
    for Loss { sql, up } in losses(&migrator, repeatable) {
        let database = create().await;
        migrator.up(&database.db, &options).await.unwrap();
        for sql in &sql {
            database.run(sql).await;
        }
        let context = format!("{} after {sql:?}", database.engine.name());
        let result = migrator.up(&database.db, &Options { rehearse: true, ..options }).await;
        match (up, result) {
            (Up::Refuses, Err(error)) => assert!(error.to_string().contains("`adopt`"), "{context}: {error}"),
            (Up::Adopts, Ok(outcome)) => assert!(!outcome.adopted.is_empty(), "{context}"),
            (Up::IsCurrent, Ok(outcome)) => assert!(outcome.applied.is_empty(), "{context}"),
            (Up::Repeats, Ok(outcome)) => assert_eq!(outcome.applied.len(), 1, "{context}"),
            (_, result) => panic!("{context}: {result:?}"),
        }

        match migrator.adopt(&database.db, None, &options).await {
            Ok(outcome) => assert!(!outcome.adopted.is_empty(), "{context}"),
            Err(Error::AlreadyManaged { .. }) => assert_eq!(up, Up::Repeats, "{context}"),
            Err(error) => panic!("{context}: {error}"),
        }
        // What the tables do not show is applied.
        let rest = migrator.up(&database.db, &options).await.unwrap();
        assert!(rest.applied.iter().all(|name| repeatable.contains(&name.as_str())), "{context}: {rest:?}");
        assert_complete(&migrator, &database, &context).await;
        let reverted = migrator.down(&database.db, &options).await.unwrap().applied;
        assert_eq!(reverted.len(), migrator.names().count(), "{context}");
        migrator.up(&database.db, &options).await.unwrap();
    }
}

/// Both tables have every migration, and the database passes the check.
pub(crate) async fn assert_complete(migrator: &Migrator, database: &TestDatabase, context: &str) {
    let DatabaseState::Managed(status) = migrator.state(&database.db).await.unwrap() else {
        panic!("{context}: not managed")
    };
    assert!(status.is_current(), "{context}: {:?}", status.explain());
    assert!(status.records.iter().all(|record| record.listed && record.in_ledger()), "{context}");
    let check = migrator.check(&database.db).await.unwrap();
    assert!(check.passed(), "{context}: {check:?}");
}
