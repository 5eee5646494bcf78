//! Comparisons of triggers, functions, rules, options and sequences, and the messages about differences.

use migration_kit::{
    Difference, Engine, Error, Migration, Migrator, Options,
    catalogue::{Schema, changes},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::support::{TestDatabase, connect, migrator};

/// A table whose trigger counts changes.
struct Counted;

const POSTGRES: [&str; 4] = [
    "CREATE TABLE t (id serial PRIMARY KEY, x integer NOT NULL DEFAULT 0, note text)",
    "CREATE FUNCTION t_count() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.x := OLD.x + 1; RETURN NEW; END $$",
    "CREATE TRIGGER t_counts BEFORE UPDATE ON t FOR EACH ROW WHEN (NEW.x = OLD.x) EXECUTE FUNCTION t_count()",
    "ALTER TABLE t ENABLE ALWAYS TRIGGER t_counts",
];
const SQLITE: [&str; 2] = [
    "CREATE TABLE t (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, x integer NOT NULL DEFAULT 0, note text)",
    "CREATE TRIGGER t_counts AFTER UPDATE ON t WHEN NEW.x = OLD.x BEGIN UPDATE t SET x = x + 1 WHERE id = NEW.id; END",
];

fn statements(engine: Engine) -> &'static [&'static str] {
    match engine {
        Engine::Postgres => &POSTGRES,
        Engine::Sqlite => &SQLITE,
    }
}

impl MigrationName for Counted {
    fn name(&self) -> &'static str {
        "m1"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Counted {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in statements(
            Engine::of(manager.get_connection()).map_err(|error| DbErr::Custom(error.to_string()))?,
        ) {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}

impl Migration for Counted {}

fn counted() -> Migrator {
    let wanted = |engine| statements(engine).iter().take(1).map(|sql| (*sql).to_owned()).collect();
    Migrator { migrations: vec![Box::new(Counted)], wanted, ..migrator(&[]) }
}

/// What an administrator did, and what must be said about it.
fn faults(engine: Engine) -> Vec<(&'static str, &'static str)> {
    match engine {
        Engine::Postgres => vec![
            ("DROP TRIGGER t_counts ON t", "trigger t_counts on t is missing"),
            ("ALTER TABLE t DISABLE TRIGGER t_counts", "trigger t_counts on t is disabled, expected enabled always"),
            ("ALTER TABLE t DISABLE TRIGGER ALL", "trigger t_counts on t is disabled"),
            ("ALTER TABLE t ENABLE TRIGGER t_counts", "trigger t_counts on t is enabled, expected enabled always"),
            ("ALTER TABLE t ENABLE REPLICA TRIGGER t_counts", "trigger t_counts on t is enabled on replicas only"),
            (
                "CREATE OR REPLACE FUNCTION t_count() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
                "trigger t_counts on t calls a function with another body than expected",
            ),
            (
                "CREATE OR REPLACE TRIGGER t_counts BEFORE UPDATE ON t FOR EACH ROW WHEN (NEW.x > OLD.x) EXECUTE FUNCTION t_count();
                 ALTER TABLE t ENABLE ALWAYS TRIGGER t_counts",
                "trigger t_counts on t is CREATE TRIGGER t_counts BEFORE UPDATE ON t FOR EACH ROW WHEN (new.x > old.x)",
            ),
            (
                "CREATE TRIGGER audit BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION t_count()",
                "trigger audit on t is not expected",
            ),
            ("CREATE RULE quiet AS ON DELETE TO t DO INSTEAD NOTHING", "rule quiet on t is not expected"),
            ("ALTER TABLE t ENABLE ROW LEVEL SECURITY", "row level security on t is not expected"),
            (
                "ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
                "row level security on t is not expected",
            ),
            ("ALTER TABLE t SET UNLOGGED", "UNLOGGED storage on t is not expected"),
            (
                "ALTER SEQUENCE t_id_seq MAXVALUE 1000",
                "the sequence of column id on t has AS integer INCREMENT 1 MINVALUE 1 MAXVALUE 1000 NO CYCLE, expected \
                 AS integer INCREMENT 1 MINVALUE 1 MAXVALUE 2147483647 NO CYCLE",
            ),
            ("ALTER SEQUENCE t_id_seq INCREMENT 10", "has AS integer INCREMENT 10 "),
            ("ALTER SEQUENCE t_id_seq CYCLE", "MAXVALUE 2147483647 CYCLE, expected"),
        ],
        Engine::Sqlite => vec![
            ("DROP TRIGGER t_counts", "trigger t_counts on t is missing"),
            (
                "DROP TRIGGER t_counts; CREATE TRIGGER t_counts AFTER UPDATE ON t WHEN NEW.x > OLD.x \
                 BEGIN UPDATE t SET x = x + 1 WHERE id = NEW.id; END",
                "trigger t_counts on t is CREATE TRIGGER t_counts AFTER UPDATE ON t WHEN NEW.x > OLD.x",
            ),
            (
                "CREATE TRIGGER audit AFTER DELETE ON t BEGIN SELECT 1; END",
                "trigger audit on t is not expected",
            ),
        ],
    }
}

async fn each_engine() -> Vec<TestDatabase> {
    TestDatabase::on_each_engine().await
}

#[tokio::test]
async fn check_finds_every_change_of_an_object_and_the_sql_of_diff_undoes_it() {
    for engine in each_engine().await.iter().map(|database| database.engine) {
        for (change, expected) in faults(engine) {
            let database = match engine {
                Engine::Postgres => TestDatabase::postgres().await,
                Engine::Sqlite => TestDatabase::sqlite().await,
            };
            let migrator = counted();
            migrator.up(&database.db, &Options::default()).await.unwrap();
            assert!(migrator.check(&database.db).await.unwrap().passed(), "{change}");
            let before = Schema::load(&database.db).await.unwrap();

            database.run(change).await;
            let check = migrator.check(&database.db).await.unwrap();
            assert!(!check.passed() && check.models.is_empty(), "{change}");
            assert_eq!(check.live.len(), 1, "{change}: {:?}", check.live);
            assert!(check.live[0].to_string().contains(expected), "{change}: {}", check.live[0]);

            let changed = Schema::load(&database.db).await.unwrap();
            let difference: Difference = migrator.diff(&database.db).await.unwrap();
            assert_eq!(difference.changes.len(), 1, "{change}: {:?}", difference.changes);
            database.run(&difference.up.join(";\n")).await;
            assert!(migrator.check(&database.db).await.unwrap().passed(), "{change}: {:?}", difference.up);
            let repaired = Schema::load(&database.db).await.unwrap();
            assert_eq!(changes(&repaired, &before), []);
            database.run(&difference.down.join(";\n")).await;
            let back = Schema::load(&database.db).await.unwrap();
            assert_eq!(changes(&back, &changed), [], "{change}: {:?}", difference.down);
        }
    }
}

#[tokio::test]
async fn adoption_refuses_every_such_change() {
    for engine in each_engine().await.iter().map(|database| database.engine) {
        for (change, expected) in faults(engine) {
            let database = match engine {
                Engine::Postgres => TestDatabase::postgres().await,
                Engine::Sqlite => TestDatabase::sqlite().await,
            };
            let migrator = counted();
            migrator.up(&database.db, &Options::default()).await.unwrap();
            database.run("DROP TABLE tester_migrations; DROP TABLE seaql_migrations").await;
            database.run(change).await;
            let before = Schema::load(&database.db).await.unwrap();
            let error = migrator.adopt(&database.db, None, &Options::default()).await.unwrap_err();
            assert!(matches!(error, Error::Mismatch { .. }), "{change}: {error}");
            assert!(error.to_string().contains(expected), "{change}: {error}");
            assert_eq!(Schema::load(&database.db).await.unwrap(), before);
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_disabled_trigger_of_somebody_else_is_no_difference() {
    let database = TestDatabase::postgres().await;
    let migrator = counted();
    migrator.up(&database.db, &Options::default()).await.unwrap();
    database
        .run(
            "CREATE TRIGGER audit BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION t_count();
             ALTER TABLE t DISABLE TRIGGER audit",
        )
        .await;
    let check = migrator.check(&database.db).await.unwrap();
    assert!(check.passed(), "{check:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_role_that_may_not_create_schemas_is_told_that_triggers_are_not_compared() {
    let database = TestDatabase::postgres().await;
    let migrator = counted();
    migrator.up(&database.db, &Options::default()).await.unwrap();
    let (role, lesser) = lesser_role(&database, "compares").await;
    database.run("DROP TRIGGER t_counts ON t").await;
    let check = migrator.check(&lesser).await.unwrap();
    assert!(check.passed(), "{check:?}");
    assert!(check.notes[0].contains("triggers were not compared"), "{check:?}");
    lesser.close().await.unwrap();
    database.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

/// A role that may read and write, and a connection of it.
async fn lesser_role(database: &TestDatabase, name: &str) -> (String, DatabaseConnection) {
    let role = format!("{name}_{}", std::process::id());
    database
        .run(&format!(
            "CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
        ))
        .await;
    let sign = if database.url.contains('?') { '&' } else { '?' };
    let db = connect(&format!("{}{sign}options=-c%20role%3D{role}", database.url)).await;
    (role, db)
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn row_level_security_on_the_records_is_an_error_and_not_pending_migrations() {
    for ledger in ["tester_migrations", "seaql_migrations"] {
        let database = TestDatabase::postgres().await;
        let migrator = counted();
        migrator.up(&database.db, &Options::default()).await.unwrap();
        let (role, lesser) = lesser_role(&database, &format!("reads_{ledger}")).await;
        database.run(&format!("ALTER TABLE {ledger} ENABLE ROW LEVEL SECURITY")).await;

        let error = migrator.state(&lesser).await.unwrap_err();
        assert!(matches!(&error, Error::RowSecurity(table) if table == ledger), "{error}");
        let error = migrator.up(&lesser, &Options::default()).await.unwrap_err();
        assert!(error.to_string().contains("row level security"), "{error}");
        // The owner sees all rows.
        assert!(migrator.up(&database.db, &Options::default()).await.unwrap().applied.is_empty());
        lesser.close().await.unwrap();
        database.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_sequence_behind_its_rows_is_named_with_the_statement_that_corrects_it() {
    for (rows, behind) in [
        ("INSERT INTO t (id) VALUES (7)", Some("it gives 1 next, but t.id is 7 already")),
        (
            "INSERT INTO t DEFAULT VALUES; INSERT INTO t (id) VALUES (2)",
            Some("it gives 2 next, but t.id is 2"),
        ),
        ("SELECT setval('t_id_seq', 9); INSERT INTO t (id) VALUES (3), (9)", None),
        ("SELECT setval('t_id_seq', 10, false); INSERT INTO t (id) VALUES (9)", None),
        ("INSERT INTO t DEFAULT VALUES; DELETE FROM t", None),
        ("SELECT setval('t_id_seq', 4, false); INSERT INTO t (id) VALUES (4)", Some("it gives 4 next")),
    ] {
        let database = TestDatabase::postgres().await;
        let migrator = counted();
        migrator.up(&database.db, &Options::default()).await.unwrap();
        database.run(rows).await;
        let check = migrator.check(&database.db).await.unwrap();
        let Some(behind) = behind else {
            assert!(check.passed(), "{rows}: {check:?}");
            continue;
        };
        assert!(!check.passed() && check.live.is_empty(), "{rows}");
        let [found] = check.sequences.as_slice() else { panic!("{rows}: {check:?}") };
        assert!(
            found.starts_with("sequence t_id_seq is behind") && found.contains(behind),
            "{rows}: {found}"
        );

        let correction = found.split_once("with ").unwrap().1;
        database.db.execute_unprepared(correction).await.unwrap();
        assert!(migrator.check(&database.db).await.unwrap().passed(), "{correction}");
        database.run("INSERT INTO t DEFAULT VALUES").await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn adoption_says_which_sequence_is_behind_and_leaves_it() {
    let database = TestDatabase::postgres().await;
    let migrator = counted();
    migrator.up(&database.db, &Options::default()).await.unwrap();
    database.run("INSERT INTO t (id) VALUES (12); DROP TABLE tester_migrations, seaql_migrations").await;
    let outcome = migrator.adopt(&database.db, None, &Options::default()).await.unwrap();
    let notice = outcome.notices.iter().find(|line| line.contains("t_id_seq is behind")).unwrap();
    assert!(notice.contains("SELECT setval('t_id_seq', 12)"), "{notice}");
    assert_eq!(database.number("SELECT last_value FROM t_id_seq").await, 1);
}

#[tokio::test]
async fn an_additional_unique_index_fails_the_check_and_another_is_a_note() {
    for database in each_engine().await {
        let migrator = counted();
        migrator.up(&database.db, &Options::default()).await.unwrap();
        database.run("CREATE INDEX by_x ON t (x)").await;
        let check = migrator.check(&database.db).await.unwrap();
        assert!(check.passed(), "{check:?}");
        assert!(check.notes[0].starts_with("note: index by_x"), "{check:?}");

        database.run("CREATE UNIQUE INDEX one_x ON t (x)").await;
        let check = migrator.check(&database.db).await.unwrap();
        assert!(!check.passed(), "{check:?}");
        assert!(check.live[0].to_string().contains("unique one_x"), "{check:?}");
        database.run("DROP TABLE tester_migrations; DROP TABLE seaql_migrations").await;
        let error = migrator.adopt(&database.db, None, &Options::default()).await.unwrap_err();
        assert!(error.to_string().contains("unique one_x"), "{error}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn an_additional_index_on_a_long_text_is_a_warning_with_the_reason() {
    let database = TestDatabase::postgres().await;
    let migrator = counted();
    migrator.up(&database.db, &Options::default()).await.unwrap();
    database.run("CREATE INDEX by_note ON t (lower(note), id)").await;
    let check = migrator.check(&database.db).await.unwrap();
    assert!(check.passed());
    let [warning] = check.notes.as_slice() else { panic!("{check:?}") };
    assert!(warning.starts_with("warning: index by_note") && warning.contains("t.note"), "{warning}");
    // The reason is true.
    let long = "INSERT INTO t (note) SELECT string_agg(md5(n::text), '') FROM generate_series(1, 125) n";
    let error = database.db.execute_unprepared(long).await.unwrap_err().to_string();
    assert!(error.contains("2704"), "{error}");
}

#[tokio::test]
async fn a_column_that_becomes_numbered_continues_after_its_highest_value() {
    for database in each_engine().await {
        database.run("CREATE TABLE n (id integer NOT NULL PRIMARY KEY, x text)").await;
        database.run("INSERT INTO n (id, x) VALUES (41, 'a')").await;
        let have = Schema::load(&database.db).await.unwrap();
        let kinds: &[&str] = match database.engine {
            Engine::Postgres => &["serial", "identity by default", "identity always"],
            Engine::Sqlite => &["autoincrement"],
        };
        for kind in kinds {
            let mut want = have.clone();
            let id = &mut want.tables.get_mut("n").unwrap().columns[0];
            assert_eq!(id.name, "id");
            id.auto_increment = Some((*kind).to_owned());
            let difference = Difference::between(database.engine, &have, &want);
            database.run(&difference.up.join(";\n")).await;
            database.run("INSERT INTO n (x) VALUES ('b')").await;
            assert_eq!(database.number("SELECT CAST(max(id) AS bigint) FROM n").await, 42, "{kind}");
            database.run("DELETE FROM n WHERE id = 42").await;
            database.run(&difference.down.join(";\n")).await;
        }
    }
}

#[tokio::test]
async fn a_rebuilt_table_keeps_its_triggers_and_does_not_give_numbers_again() {
    let database = TestDatabase::sqlite().await;
    let migrator = counted();
    migrator.up(&database.db, &Options::default()).await.unwrap();
    database.run("INSERT INTO t (x) VALUES (1), (1), (1); DELETE FROM t WHERE id > 1").await;
    let have = Schema::load(&database.db).await.unwrap();
    let mut want = have.clone();
    want.tables.get_mut("t").unwrap().columns[2].data_type = "varchar(9)".to_owned();
    let difference = Difference::between(Engine::Sqlite, &have, &want);
    database.run(&difference.up.join(";\n")).await;

    assert_eq!(changes(&Schema::load(&database.db).await.unwrap(), &want), []);
    database.run("UPDATE t SET note = 'n'; INSERT INTO t (x) VALUES (9)").await;
    assert_eq!(database.number("SELECT x FROM t WHERE id = 1").await, 2);
    assert_eq!(database.number("SELECT max(id) FROM t").await, 4);
}
