//! One runner, all or nothing, and what is said when it can't be.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use migration_kit::{
    Attributes, DatabaseState, Direction, Engine, Error, Options, Timeouts, catalogue::Schema, checksum,
    render,
};
use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::support::{Asking, Place, all, connect, kit, sql};

#[tokio::test]
async fn eight_processes_on_an_empty_database_all_succeed_and_each_migration_runs_once() {
    for place in Place::all().await {
        let children: Vec<_> = (0..8)
            .map(|_| {
                std::process::Command::new(env!("CARGO_BIN_EXE_migration"))
                    .args(["--database-url", &place.url, "up"])
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
            let text = String::from_utf8(output.stdout).unwrap();
            applied += text.lines().filter(|line| line.contains("applied") && line.contains("m2026")).count();
        }
        assert_eq!(applied, all(), "on {}", place.engine.name());
        for table in ["byline_migrations", "seaql_migrations"] {
            let records = place.number(&format!("SELECT count(*) FROM {table}")).await;
            assert_eq!(usize::try_from(records).unwrap(), all());
        }
    }
}

#[tokio::test]
async fn a_failure_in_the_middle_leaves_the_database_as_it_was() {
    for place in Place::all().await {
        let good = sql("m1", &["CREATE TABLE a (id integer PRIMARY KEY)"], &["DROP TABLE a"]);
        let bad =
            sql("m2", &["CREATE TABLE b (id integer PRIMARY KEY)", "INSERT INTO nowhere VALUES (1)"], &[]);
        let before = Schema::load(&place.db).await.unwrap();

        let error = kit(&[&good, &bad]).up(&place.db, &Options::default()).await.unwrap_err();
        assert!(
            matches!(&error, Error::Statement { migration, number: 2, .. } if migration == "m2"),
            "{error}"
        );
        assert!(error.to_string().contains("nowhere"), "{error}");
        assert_eq!(Schema::load(&place.db).await.unwrap(), before);

        let mended = sql("m2", &["CREATE TABLE b (id integer PRIMARY KEY)"], &["DROP TABLE b"]);
        let outcome = kit(&[&good, &mended]).up(&place.db, &Options::default()).await.unwrap();
        assert_eq!(outcome.applied, ["m1", "m2"]);
    }
}

#[tokio::test]
async fn a_rebuilt_table_keeps_the_rows_that_point_to_it() {
    let place = Place::sqlite().await;
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
    kit(&[&first]).up(&place.db, &Options::default()).await.unwrap();
    let error = kit(&[&first, &marked(losing)]).up(&place.db, &Options::default()).await.unwrap_err();
    assert!(matches!(error, Error::ForeignKeys(_)), "{error}");
    assert_eq!(place.number("SELECT count(*) FROM p").await, 2);

    kit(&[&first, &marked(rebuild)]).up(&place.db, &Options::default()).await.unwrap();
    assert_eq!(place.number("SELECT count(*) FROM c").await, 2);
    place.run("DELETE FROM p WHERE id = 1").await;
    assert_eq!(place.number("SELECT count(*) FROM c").await, 1, "foreign keys are on for everyone else");
}

#[tokio::test]
async fn nothing_pending_takes_no_lock_and_a_held_lock_is_waited_for_no_longer_than_said() {
    for place in Place::all().await {
        let first = sql("m1", &["CREATE TABLE a (id integer)"], &["DROP TABLE a"]);
        let second = sql("m2", &["CREATE TABLE b (id integer)"], &["DROP TABLE b"]);
        kit(&[&first]).up(&place.db, &Options::default()).await.unwrap();

        let other = connect(&place.url).await;
        let holder = other.begin().await.unwrap();
        let lock = match place.engine {
            Engine::Postgres => {
                "SELECT pg_advisory_xact_lock(hashtext('tester_migrations'), hashtext('public'))"
            }
            Engine::Sqlite => "INSERT INTO a VALUES (1)",
        };
        holder.execute_unprepared(lock).await.unwrap();

        let timeouts = Timeouts { lock: Duration::from_millis(300), ..Timeouts::default() };
        let options = Options { timeouts, ..Options::default() };
        kit(&[&first]).up(&place.db, &options).await.unwrap();

        let started = Instant::now();
        let error = kit(&[&first, &second]).up(&place.db, &options).await.unwrap_err();
        assert!(matches!(error, Error::Busy(_)), "{error}");
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
        holder.rollback().await.unwrap();
        kit(&[&first, &second]).up(&place.db, &options).await.unwrap();
    }
}

#[tokio::test]
async fn a_migration_gives_up_on_a_locked_table_instead_of_stalling_those_behind_it() {
    let Some(place) = Place::postgres().await else { return };
    let first = sql("m1", &["CREATE TABLE busy (id integer)"], &[]);
    kit(&[&first]).up(&place.db, &Options::default()).await.unwrap();
    let other = connect(&place.url).await;
    let holder = other.begin().await.unwrap();
    holder.execute_unprepared("SELECT count(*) FROM busy").await.unwrap();
    let kit = kit(&[&first, &sql("m2", &["ALTER TABLE busy ADD COLUMN x integer"], &[])]);
    let timeouts = Timeouts { table_lock: Duration::from_millis(200), ..Timeouts::default() };
    let error = kit.up(&place.db, &Options { timeouts, ..Options::default() }).await.unwrap_err();
    assert!(error.to_string().contains("lock timeout"), "{error}");
}

#[tokio::test]
async fn an_edited_migration_is_reported_and_stops_the_run_unless_its_old_checksum_is_accepted() {
    for place in Place::all().await {
        let old = sql("m1", &["CREATE TABLE a (id integer)"], &[]);
        kit(&[&old]).up(&place.db, &Options::default()).await.unwrap();
        let mut edited = sql("m1", &["CREATE TABLE a (id bigint)"], &[]);
        let next = sql("m2", &["CREATE TABLE b (id integer)"], &[]);

        let DatabaseState::Managed(status) = kit(&[&edited]).state(&place.db).await.unwrap() else {
            panic!()
        };
        assert_eq!(status.changed, ["m1"]);
        let error = kit(&[&edited, &next]).up(&place.db, &Options::default()).await.unwrap_err();
        assert!(matches!(error, Error::Changed(_)), "{error}");

        let sum = checksum(&render(&old, place.engine, Direction::Up).await.unwrap());
        edited.attributes = Attributes { accepted_checksums: vec![&*sum.leak()].leak(), ..Attributes::NONE };
        kit(&[&edited, &next]).up(&place.db, &Options::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_newer_database_is_said_as_such_and_tells_whether_this_release_can_live_with_it() {
    for place in Place::all().await {
        let first = sql("m1", &["CREATE TABLE a (id integer)"], &[]);
        let mut second = sql("m2", &["CREATE TABLE b (id integer)"], &[]);
        second.attributes = Attributes::ADDITIVE;
        let third = sql("m3", &["DROP TABLE b"], &[]);
        kit(&[&first, &second]).up(&place.db, &Options::default()).await.unwrap();

        let old = kit(&[&first]);
        let DatabaseState::Managed(status) = old.state(&place.db).await.unwrap() else { panic!() };
        assert_eq!(status.unknown.iter().map(|each| each.name.as_str()).collect::<Vec<_>>(), ["m2"]);
        assert!(status.only_additive_unknown() && !status.is_current());

        kit(&[&first, &second, &third]).up(&place.db, &Options::default()).await.unwrap();
        let DatabaseState::Managed(status) = old.state(&place.db).await.unwrap() else { panic!() };
        assert!(!status.only_additive_unknown());
        let behind = kit(&[&first, &sql("m0", &["SELECT 1"], &[])]);
        assert!(matches!(behind.up(&place.db, &Options::default()).await.unwrap_err(), Error::Newer { .. }));
    }
}

#[tokio::test]
async fn the_state_is_told_to_a_role_that_may_only_read() {
    let Some(place) = Place::postgres().await else { return };
    migration::up(&place.db).await.unwrap();
    let role = format!("reader_{}", std::process::id());
    place.run(&format!("CREATE ROLE {role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")).await;
    let reader = place.db.begin().await.unwrap();
    reader.execute_unprepared(&format!("SET LOCAL ROLE {role}")).await.unwrap();
    let DatabaseState::Managed(status) = migration::migrator().state(&reader).await.unwrap() else {
        panic!()
    };
    assert!(status.is_current());
    reader.rollback().await.unwrap();
    place.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn a_migration_outside_a_transaction_runs_alone_and_leaves_a_mark_when_it_fails() {
    for place in Place::all().await {
        let first = sql("m1", &["CREATE TABLE a (id integer)"], &[]);
        let mut second = match place.engine {
            Engine::Postgres => {
                sql("m2", &["CREATE INDEX CONCURRENTLY a_id ON a (id)", "SELECT nonsense"], &[])
            }
            Engine::Sqlite => sql("m2", &["CREATE INDEX a_id ON a (id)", "SELECT nonsense"], &[]),
        };
        second.transaction = Some(false);
        let third = sql("m3", &["CREATE TABLE c (id integer)"], &[]);
        let all = kit(&[&first, &second, &third]);

        let error = all.up(&place.db, &Options::default()).await.unwrap_err();
        assert!(matches!(&error, Error::Interrupted { number: 2, .. }), "{error}");
        let DatabaseState::Managed(status) = all.state(&place.db).await.unwrap() else { panic!() };
        assert_eq!(
            (status.incomplete, status.pending),
            (vec!["m2".to_owned()], vec!["m2".into(), "m3".into()])
        );
        assert!(matches!(all.up(&place.db, &Options::default()).await.unwrap_err(), Error::Incomplete(_)));

        place.run("DROP INDEX a_id").await;
        place.run("DELETE FROM tester_migrations WHERE name = 'm2'").await;
        second.up.pop();
        let outcome = kit(&[&first, &second, &third]).up(&place.db, &Options::default()).await.unwrap();
        assert_eq!(outcome.applied, ["m2", "m3"]);
        assert_eq!(place.number("SELECT count(*) FROM seaql_migrations").await, 3);
    }
}

#[tokio::test]
async fn a_rehearsal_runs_everything_on_the_live_data_and_changes_nothing() {
    for place in Place::all().await {
        let before = Schema::load(&place.db).await.unwrap();
        let rehearsal = Options { rehearse: true, ..Options::default() };
        assert_eq!(migration::migrator().up(&place.db, &rehearsal).await.unwrap().applied.len(), all());
        assert_eq!(Schema::load(&place.db).await.unwrap(), before);
    }
}

#[tokio::test]
async fn what_loses_data_wants_to_be_allowed() {
    for place in Place::all().await {
        let mut lossy = sql("m1", &["CREATE TABLE a (id integer)"], &[]);
        lossy.attributes = Attributes { destructive: true, ..Attributes::NONE };
        let kit = kit(&[&lossy]);
        let error = kit.up(&place.db, &Options::default()).await.unwrap_err();
        assert!(matches!(error, Error::Destructive(_)), "{error}");
        kit.up(&place.db, &Options { allow_destructive: true, ..Options::default() }).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_in_memory_is_migrated_in_the_connection_that_holds_it() {
    let mut options = sea_orm::ConnectOptions::new("sqlite::memory:");
    options.max_connections(1);
    let db = sea_orm::Database::connect(options).await.unwrap();
    migration::up(&db).await.unwrap();
    let DatabaseState::Managed(status) = migration::state(&db).await.unwrap() else { panic!() };
    assert!(status.is_current());
    assert!(migration::migrator().check(&db).await.unwrap().passed());
}

#[tokio::test]
async fn a_role_that_may_not_create_schemas_can_compare_and_adopt() {
    let Some(place) = Place::postgres().await else { return };
    let role = format!("owner_{}", std::process::id());
    place.run(&format!("CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA public TO {role}")).await;
    let sign = if place.url.contains('?') { '&' } else { '?' };
    let owner = connect(&format!("{}{sign}options=-c%20role%3D{role}", place.url)).await;
    let kit = migration::migrator();
    kit.up(&owner, &Options { to: Some("blog_tables"), ..Options::default() }).await.unwrap();
    owner.execute_unprepared("DROP TABLE byline_migrations, seaql_migrations").await.unwrap();

    assert_eq!(kit.up(&owner, &Options::default()).await.unwrap().adopted, ["m20261123_000001_blog_tables"]);
    let check = kit.check(&owner).await.unwrap();
    assert!(check.passed(), "{check:#?}");
    assert_eq!(
        place.texts("SELECT tableowner::text FROM pg_tables WHERE tablename = 'users'").await,
        [role.as_str()]
    );
    owner.close().await.unwrap();
    place.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn a_migration_that_asks_the_database_runs_without_a_checksum_and_is_said_to() {
    for place in Place::all().await {
        let mut kit = kit(&[&sql("m1", &["CREATE TABLE a (id integer)"], &["DROP TABLE a"])]);
        kit.migrations.push(Box::new(Asking));
        let told = render(&Asking, place.engine, Direction::Up).await;
        assert!(matches!(told, Err(Error::NotStatic(_))));
        assert!(kit.script_up(place.engine, None).await.is_err());

        kit.up(&place.db, &Options::default()).await.unwrap();
        assert!(Schema::load(&place.db).await.unwrap().tables.contains_key("asked"));
        let DatabaseState::Managed(status) = kit.state(&place.db).await.unwrap() else { panic!() };
        assert!(status.is_current());
        assert_eq!(status.records.iter().filter(|record| record.checksum.is_none()).count(), 1);
        assert_eq!(kit.check(&place.db).await.unwrap().live, []);

        let findings = kit.lint().await.unwrap();
        assert!(
            findings.iter().any(|finding| finding.code == "RV101" && finding.migration == "m2"),
            "{findings:?}"
        );
        assert!(kit.down(&place.db, &Options::default()).await.is_err());
        assert!(Schema::load(&place.db).await.unwrap().tables.contains_key("asked"));
    }
}
