//! Each code of the linter is reported for its step, and for no other.

use migration_kit::Attributes;

use crate::support::{Sql, migrator, sql};

const BASE: &[&str] = &[
    "CREATE TABLE p (id integer NOT NULL PRIMARY KEY, n varchar(50))",
    "CREATE TABLE c (id integer NOT NULL PRIMARY KEY, p integer REFERENCES p (id))",
    "CREATE INDEX i ON c (p)",
];

/// The codes found in a migration after the base, and whether they are accepted.
async fn codes(second: &Sql) -> Vec<(&'static str, bool)> {
    let base = sql("m1", BASE, &["DROP TABLE c"]);
    let mut found: Vec<_> = migrator(&[&base, second])
        .lint()
        .await
        .unwrap()
        .into_iter()
        .filter(|finding| finding.migration == "m2")
        .map(|finding| (finding.code, finding.accepted))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[tokio::test]
async fn each_dangerous_step_has_its_code() {
    for (statements, expected) in [
        (&["DROP TABLE c"][..], &["DS102"][..]),
        (&["ALTER TABLE p DROP COLUMN n"], &["DS103"]),
        (&["CREATE UNIQUE INDEX u ON p (n)"], &["MF101", "PG101"]),
        (&["ALTER TABLE p ADD COLUMN x integer NOT NULL DEFAULT 1"], &[]),
        (&["ALTER TABLE p ADD COLUMN x integer"], &[]),
        (&["ALTER TABLE p RENAME TO q"], &["BC101", "CD101", "DS102"]),
        (&["ALTER TABLE p RENAME COLUMN n TO m"], &["BC102", "DS103"]),
        (&["CREATE INDEX j ON p (n)"], &["PG101"]),
        (&["DROP INDEX i"], &["PG102"]),
        (&["CREATE TABLE q (id integer)", "CREATE UNIQUE INDEX u ON q (id)"], &[]),
        (&["INSERT INTO p VALUES (1, 'DROP TABLE c')"], &[]),
    ] {
        let found = codes(&sql("m2", statements, &["SELECT 1"])).await;
        assert_eq!(found, expected.iter().map(|code| (*code, false)).collect::<Vec<_>>(), "{statements:?}");
    }
}

#[tokio::test]
async fn a_rebuilt_table_on_sqlite_is_judged_by_what_changed() {
    let rebuild = |columns: &str| {
        let create: &'static str = format!("CREATE TABLE new ({columns})").leak();
        let mut second = sql("m2", &[create, "DROP TABLE p", "ALTER TABLE new RENAME TO p"], &["SELECT 1"]);
        second.attributes = Attributes { accepts: &["DS102"], ..Attributes::NONE };
        second
    };
    for (columns, expected) in [
        ("id integer NOT NULL PRIMARY KEY, n varchar(50) NOT NULL", "MF104"),
        ("id integer NOT NULL PRIMARY KEY, n varchar(40)", "TY101"),
        ("id integer NOT NULL PRIMARY KEY, n varchar(50), x text NOT NULL", "MF103"),
        ("id integer NOT NULL PRIMARY KEY", "DS103"),
    ] {
        let found = codes(&rebuild(columns)).await;
        assert!(found.contains(&(expected, false)), "{columns}: {found:?}");
    }
    assert!(
        codes(&rebuild("id integer NOT NULL PRIMARY KEY, n varchar(60)"))
            .await
            .iter()
            .all(|(_, accepted)| *accepted)
    );
}

#[tokio::test]
async fn attributes_accept_the_codes_that_they_name_and_no_others() {
    let mut second = sql("m2", &["ALTER TABLE p DROP COLUMN n", "DROP INDEX i"], &["SELECT 1"]);
    second.attributes = Attributes { destructive: true, ..Attributes::NONE };
    assert_eq!(codes(&second).await, [("DS103", true), ("PG102", false)]);
    second.attributes = Attributes { destructive: true, accepts: &["PG102"], ..Attributes::NONE };
    assert_eq!(codes(&second).await, [("DS103", true), ("PG102", true)]);
    second.attributes = Attributes { additive: true, accepts: &["PG102"], ..Attributes::NONE };
    assert_eq!(codes(&second).await, [("AD101", false), ("DS103", false), ("PG102", true)]);
}
