//! One runner at a time, all or nothing, and an error when that is not possible.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use migration_kit::{
    Attributes, DatabaseState, Direction, Engine, Error, Options, Timeouts, catalogue::Schema, checksum,
    render,
};
use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::{
    bookshelf,
    support::{ReadsDatabase, TestDatabase, connect, migrator, sql},
};

#[tokio::test]
async fn eight_processes_on_an_empty_database_all_succeed_and_each_migration_runs_once() {
    // The processes are this test again, with the database's URL.
    if let Ok(url) = std::env::var("RUNNER_URL") {
        let db = connect(&url).await;
        for name in bookshelf::migrator().up(&db, &Options::default()).await.unwrap().applied {
            println!("applied {name}");
        }
        return;
    }
    let name = "guarantees::eight_processes_on_an_empty_database_all_succeed_and_each_migration_runs_once";
    let all = bookshelf::migrator().names().count();
    for database in TestDatabase::on_each_engine().await {
        let children: Vec<_> = (0..8)
            .map(|_| {
                std::process::Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", name, "--nocapture"])
                    .env("RUNNER_URL", &database.url)
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let mut applied = 0;
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            applied += String::from_utf8(output.stdout).unwrap().matches("applied m2026").count();
        }
        assert_eq!(applied, all, "on {}", database.engine.name());
        for table in ["bookshelf_migrations", "seaql_migrations"] {
            let records = database.number(&format!("SELECT count(*) FROM {table}")).await;
            assert_eq!(usize::try_from(records).unwrap(), all);
        }
    }
}

#[tokio::test]
async fn a_failure_in_the_middle_leaves_the_database_as_it_was() {
    for database in TestDatabase::on_each_engine().await {
        let good = sql("m1", &["CREATE TABLE a (id integer PRIMARY KEY)"], &["DROP TABLE a"]);
        let bad =
            sql("m2", &["CREATE TABLE b (id integer PRIMARY KEY)", "INSERT INTO nowhere VALUES (1)"], &[]);
        let before = Schema::load(&database.db).await.unwrap();

        let error = migrator(&[&good, &bad]).up(&database.db, &Options::default()).await.unwrap_err();
        assert!(
            matches!(&error, Error::Statement { migration, number: 2, .. } if migration == "m2"),
            "{error}"
        );
        assert!(error.to_string().contains("nowhere"), "{error}");
        assert_eq!(Schema::load(&database.db).await.unwrap(), before);

        let corrected = sql("m2", &["CREATE TABLE b (id integer PRIMARY KEY)"], &["DROP TABLE b"]);
        let outcome = migrator(&[&good, &corrected]).up(&database.db, &Options::default()).await.unwrap();
        assert_eq!(outcome.applied, ["m1", "m2"]);
    }
}

#[tokio::test]
async fn rebuilding_a_table_keeps_the_rows_that_reference_it() {
    let database = TestDatabase::sqlite().await;
    let first = sql(
        "m1",
        &[
            "CREATE TABLE p (id integer PRIMARY KEY)",
            "CREATE TABLE c (p integer REFERENCES p (id) ON DELETE CASCADE)",
            "INSERT INTO p VALUES (1), (2)",
            "INSERT INTO c VALUES (1), (2)",
        ],
        &[],
    );
    let steps = [
        "CREATE TABLE new (id integer PRIMARY KEY, x text)",
        "INSERT INTO new (id) SELECT id FROM p",
        "DROP TABLE p",
        "ALTER TABLE new RENAME TO p",
    ];
    let rebuild = sql("m2", &steps, &[]);
    let marked = |mut migration: crate::support::Sql| {
        migration.attributes = Attributes { rebuilds_tables: true, ..Attributes::NONE };
        migration
    };

    let losing = sql("m2", &[steps[0], steps[2], steps[3]], &[]);
    migrator(&[&first]).up(&database.db, &Options::default()).await.unwrap();
    let error = migrator(&[&first, &marked(losing)]).up(&database.db, &Options::default()).await.unwrap_err();
    assert!(matches!(error, Error::ForeignKeys(_)), "{error}");
    assert_eq!(database.number("SELECT count(*) FROM p").await, 2);

    migrator(&[&first, &marked(rebuild)]).up(&database.db, &Options::default()).await.unwrap();
    assert_eq!(database.number("SELECT count(*) FROM c").await, 2);
    database.run("DELETE FROM p WHERE id = 1").await;
    assert_eq!(
        database.number("SELECT count(*) FROM c").await,
        1,
        "foreign keys are on for other connections"
    );
}

#[tokio::test]
async fn nothing_pending_takes_no_lock_and_waiting_for_a_lock_ends_after_its_timeout() {
    for database in TestDatabase::on_each_engine().await {
        let first = sql("m1", &["CREATE TABLE a (id integer)"], &["DROP TABLE a"]);
        let second = sql("m2", &["CREATE TABLE b (id integer)"], &["DROP TABLE b"]);
        migrator(&[&first]).up(&database.db, &Options::default()).await.unwrap();

        let other = connect(&database.url).await;
        let holder = other.begin().await.unwrap();
        let lock = match database.engine {
            Engine::Postgres => {
                "SELECT pg_advisory_xact_lock(hashtext('tester_migrations'), hashtext('public'))"
            }
            Engine::Sqlite => "INSERT INTO a VALUES (1)",
        };
        holder.execute_unprepared(lock).await.unwrap();

        let timeouts = Timeouts { lock: Duration::from_millis(300), ..Timeouts::default() };
        let options = Options { timeouts, ..Options::default() };
        migrator(&[&first]).up(&database.db, &options).await.unwrap();

        let started = Instant::now();
        let error = migrator(&[&first, &second]).up(&database.db, &options).await.unwrap_err();
        match database.engine {
            Engine::Postgres => assert!(matches!(error, Error::Busy(_)), "{error}"),
            // SQLite has one lock for all writers, so the holder may be any of them.
            Engine::Sqlite => assert!(matches!(error, Error::WriterBusy(_)), "{error}"),
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
        holder.rollback().await.unwrap();
        migrator(&[&first, &second]).up(&database.db, &options).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_migration_fails_on_a_locked_table_instead_of_blocking_later_queries() {
    let database = TestDatabase::postgres().await;
    let first = sql("m1", &["CREATE TABLE busy (id integer)"], &[]);
    migrator(&[&first]).up(&database.db, &Options::default()).await.unwrap();
    let other = connect(&database.url).await;
    let holder = other.begin().await.unwrap();
    holder.execute_unprepared("SELECT count(*) FROM busy").await.unwrap();
    let migrator = migrator(&[&first, &sql("m2", &["ALTER TABLE busy ADD COLUMN x integer"], &[])]);
    let timeouts = Timeouts { table_lock: Duration::from_millis(200), ..Timeouts::default() };
    let error = migrator.up(&database.db, &Options { timeouts, ..Options::default() }).await.unwrap_err();
    assert!(error.to_string().contains("lock timeout"), "{error}");
}

#[tokio::test]
async fn an_edited_migration_is_reported_and_stops_the_run_unless_its_old_checksum_is_accepted() {
    for database in TestDatabase::on_each_engine().await {
        let old = sql("m1", &["CREATE TABLE a (id integer)"], &[]);
        migrator(&[&old]).up(&database.db, &Options::default()).await.unwrap();
        let mut edited = sql("m1", &["CREATE TABLE a (id bigint)"], &[]);
        let next = sql("m2", &["CREATE TABLE b (id integer)"], &[]);

        let DatabaseState::Managed(status) = migrator(&[&edited]).state(&database.db).await.unwrap() else {
            panic!()
        };
        assert_eq!(status.changed, ["m1"]);
        let error = migrator(&[&edited, &next]).up(&database.db, &Options::default()).await.unwrap_err();
        assert!(matches!(error, Error::Changed(_)), "{error}");

        let sum = checksum(&render(&old, database.engine, Direction::Up).await.unwrap());
        edited.attributes = Attributes { accepted_checksums: vec![&*sum.leak()].leak(), ..Attributes::NONE };
        migrator(&[&edited, &next]).up(&database.db, &Options::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_newer_database_is_reported_with_whether_this_release_is_compatible() {
    for database in TestDatabase::on_each_engine().await {
        let first = sql("m1", &["CREATE TABLE a (id integer)"], &[]);
        let mut second = sql("m2", &["CREATE TABLE b (id integer)"], &[]);
        second.attributes = Attributes::ADDITIVE;
        let third = sql("m3", &["DROP TABLE b"], &[]);
        migrator(&[&first, &second]).up(&database.db, &Options::default()).await.unwrap();

        let old = migrator(&[&first]);
        let DatabaseState::Managed(status) = old.state(&database.db).await.unwrap() else { panic!() };
        assert_eq!(status.unknown.iter().map(|each| each.name.as_str()).collect::<Vec<_>>(), ["m2"]);
        assert!(status.only_additive_unknown() && !status.is_current());

        migrator(&[&first, &second, &third]).up(&database.db, &Options::default()).await.unwrap();
        let DatabaseState::Managed(status) = old.state(&database.db).await.unwrap() else { panic!() };
        assert!(!status.only_additive_unknown());
        let behind = migrator(&[&first, &sql("m0", &["SELECT 1"], &[])]);
        assert!(matches!(
            behind.up(&database.db, &Options::default()).await.unwrap_err(),
            Error::Newer { .. }
        ));
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_role_that_may_only_read_gets_the_state() {
    let database = TestDatabase::postgres().await;
    bookshelf::migrator().up(&database.db, &Options::default()).await.unwrap();
    let role = format!("reader_{}", std::process::id());
    database.run(&format!("CREATE ROLE {role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")).await;
    let reader = database.db.begin().await.unwrap();
    reader.execute_unprepared(&format!("SET LOCAL ROLE {role}")).await.unwrap();
    let DatabaseState::Managed(status) = bookshelf::migrator().state(&reader).await.unwrap() else {
        panic!()
    };
    assert!(status.is_current());
    reader.rollback().await.unwrap();
    database.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn a_migration_outside_a_transaction_runs_alone_and_is_recorded_as_incomplete_when_it_fails() {
    for database in TestDatabase::on_each_engine().await {
        let first = sql("m1", &["CREATE TABLE a (id integer)"], &[]);
        let mut second = match database.engine {
            Engine::Postgres => {
                sql("m2", &["CREATE INDEX CONCURRENTLY a_id ON a (id)", "SELECT nonsense"], &[])
            }
            Engine::Sqlite => sql("m2", &["CREATE INDEX a_id ON a (id)", "SELECT nonsense"], &[]),
        };
        second.transaction = Some(false);
        let third = sql("m3", &["CREATE TABLE c (id integer)"], &[]);
        let all = migrator(&[&first, &second, &third]);

        let error = all.up(&database.db, &Options::default()).await.unwrap_err();
        assert!(matches!(&error, Error::Interrupted { number: 2, .. }), "{error}");
        let DatabaseState::Managed(status) = all.state(&database.db).await.unwrap() else { panic!() };
        assert_eq!(
            (status.incomplete, status.pending),
            (vec!["m2".to_owned()], vec!["m2".into(), "m3".into()])
        );
        assert!(matches!(all.up(&database.db, &Options::default()).await.unwrap_err(), Error::Incomplete(_)));

        database.run("DROP INDEX a_id").await;
        database.run("DELETE FROM tester_migrations WHERE name = 'm2'").await;
        second.up.pop();
        let outcome =
            migrator(&[&first, &second, &third]).up(&database.db, &Options::default()).await.unwrap();
        assert_eq!(outcome.applied, ["m2", "m3"]);
        assert_eq!(database.number("SELECT count(*) FROM seaql_migrations").await, 3);
    }
}

#[tokio::test]
async fn a_rehearsal_runs_everything_on_the_live_data_and_changes_nothing() {
    for database in TestDatabase::on_each_engine().await {
        let before = Schema::load(&database.db).await.unwrap();
        let rehearsal = Options { rehearse: true, ..Options::default() };
        assert_eq!(bookshelf::migrator().up(&database.db, &rehearsal).await.unwrap().applied.len(), 3);
        assert_eq!(Schema::load(&database.db).await.unwrap(), before);
    }
}

#[tokio::test]
async fn a_destructive_migration_needs_permission() {
    for database in TestDatabase::on_each_engine().await {
        let mut lossy = sql("m1", &["CREATE TABLE a (id integer)"], &[]);
        lossy.attributes = Attributes { destructive: true, ..Attributes::NONE };
        let migrator = migrator(&[&lossy]);
        let error = migrator.up(&database.db, &Options::default()).await.unwrap_err();
        assert!(matches!(error, Error::Destructive(_)), "{error}");
        migrator.up(&database.db, &Options { allow_destructive: true, ..Options::default() }).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_in_memory_is_migrated_in_the_connection_that_holds_it() {
    let mut options = sea_orm::ConnectOptions::new("sqlite::memory:");
    options.max_connections(1);
    let db = sea_orm::Database::connect(options).await.unwrap();
    bookshelf::migrator().up(&db, &Options::default()).await.unwrap();
    let DatabaseState::Managed(status) = bookshelf::migrator().state(&db).await.unwrap() else { panic!() };
    assert!(status.is_current());
    assert!(bookshelf::migrator().check(&db).await.unwrap().passed());
}

#[tokio::test]
async fn a_migration_that_reads_from_the_database_runs_without_a_checksum() {
    for database in TestDatabase::on_each_engine().await {
        let mut migrator = migrator(&[&sql("m1", &["CREATE TABLE a (id integer)"], &["DROP TABLE a"])]);
        migrator.migrations.push(Box::new(ReadsDatabase));
        let rendered = render(&ReadsDatabase, database.engine, Direction::Up).await;
        assert!(matches!(rendered, Err(Error::NotStatic(_))));
        assert!(migrator.script_up(database.engine, None, None).await.is_err());

        migrator.up(&database.db, &Options::default()).await.unwrap();
        assert!(Schema::load(&database.db).await.unwrap().tables.contains_key("found"));
        let DatabaseState::Managed(status) = migrator.state(&database.db).await.unwrap() else { panic!() };
        assert!(status.is_current());
        assert_eq!(status.records.iter().filter(|record| record.checksum.is_none()).count(), 1);
        assert_eq!(migrator.check(&database.db).await.unwrap().live, []);

        let findings = migrator.lint().await.unwrap();
        assert!(
            findings.iter().any(|finding| finding.code == "RV101" && finding.migration == "m2"),
            "{findings:?}"
        );
        assert!(migrator.down(&database.db, &Options::default()).await.is_err());
        assert!(Schema::load(&database.db).await.unwrap().tables.contains_key("found"));
    }
}
