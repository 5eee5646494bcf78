//! Lost and changed records have one way out each, and no way makes them worse.

use migration_kit::{
    Attributes, DatabaseState, Error, Options, Outcome, Repair, catalogue::Schema, checksum, render,
};

use crate::{
    bookshelf,
    support::{
        TestDatabase,
        lost::{assert_adopt_resolves_every_loss, assert_complete},
        migrator, sql,
    },
};

#[tokio::test]
async fn adopt_resolves_every_loss_of_records_on_sqlite() {
    assert_adopt_resolves_every_loss(bookshelf::migrator(), TestDatabase::sqlite).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn adopt_resolves_every_loss_of_records_on_postgres() {
    assert_adopt_resolves_every_loss(bookshelf::migrator(), TestDatabase::postgres).await;
}

#[tokio::test]
async fn what_seaorms_own_tool_applied_can_be_reverted() {
    for database in TestDatabase::on_each_engine().await {
        let migrator = bookshelf::migrator();
        migrator.up(&database.db, &Options::default()).await.unwrap();
        database.run("DROP TABLE bookshelf_migrations").await;
        assert_eq!(migrator.down(&database.db, &Options::default()).await.unwrap().applied.len(), 3);
    }
}

#[tokio::test]
async fn what_seaorms_own_tool_reverted_becomes_pending_again() {
    for database in TestDatabase::on_each_engine().await {
        let migrator = bookshelf::migrator();
        migrator.up(&database.db, &Options::default()).await.unwrap();
        database.run("DROP INDEX books_newest_first").await;
        database.run("DELETE FROM seaql_migrations WHERE version LIKE '%newest_first'").await;

        let outcome = migrator.adopt(&database.db, None, &Options::default()).await.unwrap();
        assert!(outcome.adopted.is_empty());
        assert!(outcome.notices[0].starts_with("m20260301_000001_newest_first is pending"), "{outcome:?}");
        let outcome = migrator.up(&database.db, &Options::default()).await.unwrap();
        assert_eq!(outcome.applied, ["m20260301_000001_newest_first"]);
        assert_complete(&migrator, &database, "after SeaORM's down").await;
    }
}

#[tokio::test]
async fn check_compares_the_tables_although_the_records_of_several_migrations_are_lost() {
    for database in TestDatabase::on_each_engine().await {
        let migrator = bookshelf::migrator();
        let names: Vec<_> = migrator.names().collect();
        migrator.up(&database.db, &Options::default()).await.unwrap();
        for lost in [&names[..1], &names[1..2], &names[..2], &names[1..], &names[..]] {
            for name in lost {
                database.run(&format!("DELETE FROM bookshelf_migrations WHERE name = '{name}'")).await;
                database.run(&format!("DELETE FROM seaql_migrations WHERE version = '{name}'")).await;
            }
            let check = migrator.check(&database.db).await.unwrap();
            let missing: Vec<_> = lost.iter().map(|name| format!("{name} is not applied")).collect();
            assert_eq!(check.history, missing);
            assert_eq!(check.models, [], "{lost:?}");
            if lost.last() == names.last() {
                // The records do not show that the newest migrations ran.
                assert!(!check.live.is_empty(), "{lost:?}");
            } else {
                assert_eq!(check.live, [], "{lost:?}");
                assert!(check.notes[0].contains("run `adopt`"), "{lost:?}: {:?}", check.notes);
                database.run("DROP INDEX books_newest_first").await;
                let check = migrator.check(&database.db).await.unwrap();
                let [missing] = check.live.as_slice() else { panic!("{lost:?}: {:?}", check.live) };
                assert!(missing.to_string().contains("books_newest_first"), "{lost:?}: {missing}");
                database.run(&migrator.diff(&database.db).await.unwrap().up.join(";\n")).await;
            }
            migrator.adopt(&database.db, None, &Options::default()).await.unwrap();
            migrator.up(&database.db, &Options::default()).await.unwrap();
            assert_complete(&migrator, &database, &format!("{lost:?}")).await;
        }
    }
}

/// The rows of both tables.
async fn rows(database: &TestDatabase) -> Vec<String> {
    let mut rows = database.texts("SELECT name || phase FROM tester_migrations ORDER BY name").await;
    rows.extend(database.texts("SELECT version FROM seaql_migrations ORDER BY version").await);
    rows
}

#[tokio::test]
async fn adopt_refuses_and_changes_nothing_where_it_would_make_things_worse() {
    let first = sql("m1", &["CREATE TABLE a (id integer)"], &["DROP TABLE a"]);
    let values = sql("m2", &["INSERT INTO a VALUES (1)"], &["DELETE FROM a"]);
    let third = sql("m3", &["CREATE TABLE c (id integer)"], &["DROP TABLE c"]);
    let all = migrator(&[&first, &values, &third]);
    for database in TestDatabase::on_each_engine().await {
        // m2 came later, from another branch: nothing shows whether it ran, so it must run.
        migrator(&[&first, &third]).up(&database.db, &Options::default()).await.unwrap();
        let before = rows(&database).await;
        let refused = all.adopt(&database.db, None, &Options::default()).await.unwrap_err();
        assert!(matches!(refused, Error::AlreadyManaged { .. }), "{refused}");
        assert_eq!(rows(&database).await, before);
        assert_eq!(all.up(&database.db, &Options::default()).await.unwrap().applied, ["m2"]);
        assert_eq!(database.number("SELECT count(*) FROM a").await, 1);

        let before = rows(&database).await;
        for (damage, undo) in [
            // The tables are not those of any migration that may be the newest one.
            ("ALTER TABLE c ADD COLUMN x integer", "ALTER TABLE c DROP COLUMN x"),
            ("DROP TABLE c", "CREATE TABLE c (id integer)"),
            // A newer release was here.
            (
                "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9', 0)",
                "DELETE FROM seaql_migrations WHERE version = 'm9'",
            ),
        ] {
            database.run("DELETE FROM tester_migrations WHERE name = 'm1'").await;
            database.run(damage).await;
            let damaged = rows(&database).await;
            let refused = all.adopt(&database.db, None, &Options::default()).await.unwrap_err();
            assert!(matches!(refused, Error::Mismatch { .. } | Error::Newer { .. }), "{damage}: {refused}");
            assert_eq!(rows(&database).await, damaged, "{damage}");
            database.run(undo).await;
            all.adopt(&database.db, None, &Options::default()).await.unwrap();
        }
        let restored: Vec<_> =
            rows(&database).await.iter().map(|row| row.replace("adopted", "applied")).collect();
        assert_eq!(restored, before);

        database.run("UPDATE tester_migrations SET phase = 'running' WHERE name = 'm3'").await;
        let refused = all.adopt(&database.db, None, &Options::default()).await.unwrap_err();
        assert!(matches!(refused, Error::Incomplete(_)), "{refused}");
    }
}

#[tokio::test]
async fn adopt_at_a_name_records_what_the_tables_do_not_show() {
    let first = sql("m1", &["CREATE TABLE a (id integer)"], &["DROP TABLE a"]);
    let values = sql("m2", &["INSERT INTO a VALUES (1)"], &["DELETE FROM a"]);
    let all = migrator(&[&first, &values]);
    for database in TestDatabase::on_each_engine().await {
        all.up(&database.db, &Options::default()).await.unwrap();
        database.run("DROP TABLE tester_migrations").await;
        database.run("DROP TABLE seaql_migrations").await;
        let outcome = all.adopt(&database.db, None, &Options::default()).await.unwrap();
        assert_eq!(outcome.adopted, ["m1"], "m2 may not have run");
        let outcome = all.adopt(&database.db, Some("m2"), &Options::default()).await.unwrap();
        assert_eq!(outcome.adopted, ["m2"]);
        assert_eq!(all.up(&database.db, &Options::default()).await.unwrap(), Outcome::default());
        let refused = all.adopt(&database.db, Some("m1"), &Options::default()).await.unwrap_err();
        assert!(matches!(refused, Error::AlreadyManaged { .. }), "{refused}");
    }
}

#[tokio::test]
async fn an_incomplete_migration_is_repaired_although_seaorms_table_is_lost() {
    for database in TestDatabase::on_each_engine().await {
        let first = sql("m1", &["CREATE TABLE a (id integer)"], &[]);
        let mut outside = sql("m2", &["CREATE INDEX a_id ON a (id)", "SELECT nonsense"], &[]);
        outside.transaction = Some(false);
        migrator(&[&first, &outside]).up(&database.db, &Options::default()).await.unwrap_err();
        outside.up.pop();
        let all = migrator(&[&first, &outside]);
        database.run("DROP TABLE seaql_migrations").await;
        all.repair(&database.db, "m2", Repair::Done, &Options::default()).await.unwrap();
        all.adopt(&database.db, None, &Options::default()).await.unwrap();
        let DatabaseState::Managed(status) = all.state(&database.db).await.unwrap() else { panic!() };
        assert!(status.is_current(), "{:?}", status.explain());
    }
}

#[tokio::test]
async fn an_incomplete_migration_is_repaired_although_seaorms_table_has_it() {
    for database in TestDatabase::on_each_engine().await {
        let all = migrator(&[&sql("m1", &["CREATE TABLE a (id integer)"], &["DROP TABLE a"])]);
        for repair in [Repair::Done, Repair::Undone] {
            all.up(&database.db, &Options::default()).await.unwrap();
            database.run("UPDATE tester_migrations SET phase = 'running'").await;
            all.repair(&database.db, "m1", repair, &Options::default()).await.unwrap();
            let DatabaseState::Managed(status) = all.state(&database.db).await.unwrap() else { panic!() };
            assert_eq!(status.is_current(), repair == Repair::Done);
            assert_eq!(status.incomplete, [""; 0]);
        }
    }
}

#[tokio::test]
async fn a_changed_checksum_is_accepted_once_and_that_is_recorded() {
    for database in TestDatabase::on_each_engine().await {
        let old = sql("m1", &["CREATE TABLE a (id integer)"], &["DROP TABLE a"]);
        let edited = sql("m1", &["CREATE TABLE a (id  integer)"], &["DROP TABLE a"]);
        let again = sql("m1", &["CREATE TABLE  a (id integer)"], &["DROP TABLE a"]);
        let next = sql("m2", &["CREATE TABLE b (id integer)"], &["DROP TABLE b"]);
        let sum = async |migration| {
            checksum(&render(migration, database.engine, migration_kit::Direction::Up).await.unwrap())
        };
        migrator(&[&old]).up(&database.db, &Options::default()).await.unwrap();
        let mut previous = sum(&old).await;
        for version in [&edited, &again] {
            let all = migrator(&[version, &next]);
            let error = all.up(&database.db, &Options::default()).await.unwrap_err();
            assert!(error.to_string().contains("`repair NAME --accept-checksum`"), "{error}");
            all.repair(&database.db, "m1", Repair::AcceptChecksum, &Options::default()).await.unwrap();
            let DatabaseState::Managed(status) = all.state(&database.db).await.unwrap() else { panic!() };
            assert_eq!(status.changed, [""; 0]);
            assert_eq!(status.records[0].checksum, Some(sum(version).await));
            let accepted = status.records[0].accepted.clone().unwrap();
            assert!(accepted.ends_with(&format!("Z by release 1.2.3 in place of {previous}")), "{accepted}");
            previous = sum(version).await;
            let refused = all.repair(&database.db, "m1", Repair::AcceptChecksum, &Options::default()).await;
            assert!(matches!(refused.unwrap_err(), Error::NotChanged(_)));
        }
        assert_eq!(
            migrator(&[&again, &next]).up(&database.db, &Options::default()).await.unwrap().applied,
            ["m2"]
        );
        // A later change is reported again.
        let DatabaseState::Managed(status) = migrator(&[&old, &next]).state(&database.db).await.unwrap()
        else {
            panic!()
        };
        assert_eq!(status.changed, ["m1"]);
    }
}

#[tokio::test]
async fn emptied_tables_of_records_do_not_adopt_tables_that_differ() {
    let first = sql("m1", &["CREATE TABLE a (id integer)"], &["DROP TABLE a"]);
    for database in TestDatabase::on_each_engine().await {
        migrator(&[&first]).up(&database.db, &Options::default()).await.unwrap();
        database.run("DELETE FROM tester_migrations").await;
        database.run("DELETE FROM seaql_migrations").await;
        database.run("ALTER TABLE a ADD COLUMN x integer").await;
        let before = Schema::load(&database.db).await.unwrap();
        let mut renamed = first.clone();
        renamed.attributes = Attributes::ADDITIVE;
        let refused = migrator(&[&renamed]).up(&database.db, &Options::default()).await.unwrap_err();
        assert!(matches!(refused, Error::Mismatch { .. }), "{refused}");
        assert_eq!(Schema::load(&database.db).await.unwrap(), before);
        assert_eq!(rows(&database).await, [""; 0]);
    }
}
