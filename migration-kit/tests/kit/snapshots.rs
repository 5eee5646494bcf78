//! Snapshot files show every change of the rendered SQL.

use migration_kit::snapshots::{update, verify};

use crate::support::{migrator, sql};

#[tokio::test]
async fn a_changed_a_missing_and_an_obsolete_file_are_reported_until_the_files_are_updated() {
    let directory = tempfile::tempdir().unwrap();
    let first = sql("m1", &["CREATE TABLE a (id integer)"], &["DROP TABLE a"]);
    let second = sql("m2", &["CREATE TABLE b (id integer)"], &["DROP TABLE b"]);
    update(&migrator(&[&first]), directory.path()).await.unwrap();
    assert_eq!(verify(&migrator(&[&first]), directory.path()).await.unwrap(), [""; 0]);

    let changed = sql("m1", &["CREATE TABLE a (id bigint)"], &["DROP TABLE a"]);
    let differences = verify(&migrator(&[&changed, &second]), directory.path()).await.unwrap();
    for (engine, file, reason) in [
        ("postgres", "m1.sql", "differs from the migration"),
        ("postgres", "m2.sql", "is missing"),
        ("sqlite", "m1.sql", "differs from the migration"),
        ("sqlite", "m2.sql", "is missing"),
    ] {
        let line = format!("{} {reason}", directory.path().join(engine).join(file).display());
        assert!(differences.contains(&line), "{differences:?}");
    }

    let differences = verify(&migrator(&[&second]), directory.path()).await.unwrap();
    assert_eq!(differences.iter().filter(|line| line.ends_with("m1.sql belongs to no migration")).count(), 2);
    update(&migrator(&[&second]), directory.path()).await.unwrap();
    assert_eq!(verify(&migrator(&[&second]), directory.path()).await.unwrap(), [""; 0]);
    assert!(!directory.path().join("sqlite/m1.sql").exists());
}
