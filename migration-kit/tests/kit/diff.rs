//! The SQL of a difference turns one schema into the other, and back.

use migration_kit::{
    Difference, Engine,
    catalogue::{Schema, changes},
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::support::TestDatabase;

/// A table that both engines support.
#[derive(Clone, Debug)]
struct Model {
    columns: Vec<Field>,
    unique: bool,
    check: Option<u8>,
    parent: Option<&'static str>,
    indexes: Vec<(u8, bool, bool)>,
}

#[derive(Clone, Debug)]
struct Field {
    kind: (&'static str, &'static str),
    nullable: bool,
    default: bool,
}

/// Types, each with a default.
const KINDS: [(&str, &str); 6] = [
    ("integer", "7"),
    ("bigint", "-8"),
    ("text", "'it''s'"),
    ("varchar(40)", "'Plain'"),
    ("varchar(50)", "''"),
    ("boolean", "true"),
];
const ACTIONS: [&str; 3] = ["", " ON DELETE CASCADE", " ON DELETE SET NULL ON UPDATE CASCADE"];

fn field() -> impl Strategy<Value = Field> {
    (prop::sample::select(&KINDS[..]), any::<bool>(), any::<bool>())
        .prop_map(|(kind, nullable, default)| Field { kind, nullable, default })
}

fn model() -> impl Strategy<Value = Model> {
    (
        prop::collection::vec(field(), 1..4),
        any::<bool>(),
        prop::option::of(0..9_u8),
        prop::option::of(prop::sample::select(&ACTIONS[..])),
        prop::collection::vec((0..3_u8, any::<bool>(), any::<bool>()), 0..3),
    )
        .prop_map(|(columns, unique, check, parent, indexes)| Model {
            columns,
            unique,
            check,
            parent,
            indexes,
        })
}

/// Tables `a`, `b` and `c`, each of which may be missing. They may reference `root`, which always exists.
fn schema() -> impl Strategy<Value = Vec<Option<Model>>> {
    prop::collection::vec(prop::option::weighted(0.8, model()), 3)
}

fn build(engine: Engine, models: &[Option<Model>]) -> Vec<String> {
    let numbered = match engine {
        Engine::Postgres => "id serial PRIMARY KEY",
        Engine::Sqlite => "id integer NOT NULL PRIMARY KEY AUTOINCREMENT",
    };
    let mut statements = vec![format!("CREATE TABLE root ({numbered})")];
    for (name, model) in ["a", "b", "c"].iter().zip(models) {
        let Some(model) = model else { continue };
        let mut lines = vec![numbered.to_owned()];
        for (number, field) in model.columns.iter().enumerate() {
            let (kind, default) = field.kind;
            let null = if field.nullable { "" } else { " NOT NULL" };
            let default = if field.default { format!(" DEFAULT {default}") } else { String::new() };
            lines.push(format!("f{number} {kind}{null}{default}"));
        }
        if model.unique {
            lines.push("UNIQUE (f0)".to_owned());
        }
        if let Some(bound) = model.check {
            lines.push(format!("CHECK (id > {bound} OR id IN (1, 2))"));
        }
        if let Some(action) = model.parent {
            lines.push("root_id integer".to_owned());
            // Columns must come before constraints.
            lines.sort_by_key(|line| line.starts_with("UNIQUE") || line.starts_with("CHECK"));
            lines.push(format!("FOREIGN KEY (root_id) REFERENCES root (id){action}"));
        }
        statements.push(format!("CREATE TABLE {name} ({})", lines.join(", ")));
        for (number, (column, descending, partial)) in model.indexes.iter().enumerate() {
            let column = usize::from(*column).min(model.columns.len() - 1);
            let order = if *descending { " DESC" } else { "" };
            let filter = if *partial { " WHERE id > 10" } else { "" };
            statements.push(format!("CREATE INDEX {name}_{number} ON {name} (f{column}{order}, id){filter}"));
        }
    }
    statements
}

async fn run(database: &TestDatabase, statements: &[String]) {
    if database.engine == Engine::Sqlite {
        database.run("PRAGMA foreign_keys = OFF").await;
    }
    let txn = database.db.begin().await.unwrap();
    for sql in statements {
        let result = txn.execute_unprepared(sql).await;
        assert!(result.is_ok(), "{result:?}\n{sql}\nof\n{statements:#?}");
    }
    txn.commit().await.unwrap();
}

async fn empty(database: &TestDatabase) {
    let tables = Schema::load(&database.db).await.unwrap();
    let mut statements: Vec<_> = tables.tables.keys().map(|name| format!("DROP TABLE {name}")).collect();
    // `root` is referenced by the others and must be dropped last, where it is in the alphabet.
    statements.sort();
    run(database, &statements).await;
}

#[tokio::test]
async fn random_changes_leave_no_difference_and_can_be_reverted() {
    for database in TestDatabase::on_each_engine().await {
        let mut runner = TestRunner::new(Config::default());
        for _ in 0..40 {
            let tree = (schema(), schema()).new_tree(&mut runner).unwrap();
            let (old, new) = tree.current();
            run(&database, &build(database.engine, &new)).await;
            let want = Schema::load(&database.db).await.unwrap();
            empty(&database).await;
            run(&database, &build(database.engine, &old)).await;
            let have = Schema::load(&database.db).await.unwrap();

            let difference = Difference::between(database.engine, &have, &want);
            assert_eq!(difference.changes.is_empty(), difference.up.is_empty());
            run(&database, &difference.up).await;
            let changed = Schema::load(&database.db).await.unwrap();
            assert_eq!(changes(&changed, &want), [], "up {:#?}", difference.up);
            run(&database, &difference.down).await;
            let back = Schema::load(&database.db).await.unwrap();
            assert_eq!(changes(&back, &have), [], "down {:#?}", difference.down);
            empty(&database).await;
        }
    }
}

#[tokio::test]
async fn rebuilding_a_table_keeps_its_rows() {
    let database = TestDatabase::sqlite().await;
    run(&database, &["CREATE TABLE t (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, x integer)".into()])
        .await;
    let have = Schema::load(&database.db).await.unwrap();
    run(&database, &["INSERT INTO t (x) VALUES (1), (2)".into()]).await;
    let mut want = have.clone();
    want.tables.get_mut("t").unwrap().columns[1].data_type = "text".into();
    run(&database, &Difference::between(Engine::Sqlite, &have, &want).up).await;
    assert_eq!(database.texts("SELECT x FROM t ORDER BY id").await, ["1", "2"]);
    assert_eq!(changes(&Schema::load(&database.db).await.unwrap(), &want), []);
}

#[tokio::test]
async fn every_kind_of_difference_is_found() {
    let on = |engine: Engine, postgres: &'static str, sqlite: &'static str| match engine {
        Engine::Postgres => postgres,
        Engine::Sqlite => sqlite,
    };
    for database in TestDatabase::on_each_engine().await {
        let engine = database.engine;
        let base = [
            "CREATE TABLE p (id integer NOT NULL PRIMARY KEY, n text, b boolean NOT NULL DEFAULT false)",
            "CREATE TABLE c (id integer NOT NULL PRIMARY KEY, p integer REFERENCES p (id), v varchar(9) CHECK (v <> 'x'))",
            "CREATE INDEX i ON c (v DESC) WHERE p > 1",
        ];
        for (number, other) in [
            (0, "CREATE TABLE p (id integer NOT NULL PRIMARY KEY, n text, b boolean NOT NULL DEFAULT true)"),
            (
                0,
                "CREATE TABLE p (id integer NOT NULL PRIMARY KEY, n text NOT NULL, b boolean NOT NULL DEFAULT false)",
            ),
            (
                0,
                "CREATE TABLE p (id integer NOT NULL PRIMARY KEY, n text UNIQUE, b boolean NOT NULL DEFAULT false)",
            ),
            (0, "CREATE TABLE p (id bigint NOT NULL PRIMARY KEY, n text, b boolean NOT NULL DEFAULT false)"),
            (
                0,
                on(
                    engine,
                    "CREATE TABLE p (id serial PRIMARY KEY, n text, b boolean NOT NULL DEFAULT false)",
                    "CREATE TABLE p (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, n text, b boolean NOT NULL DEFAULT false)",
                ),
            ),
            (
                0,
                on(
                    engine,
                    "CREATE TABLE p (id integer NOT NULL PRIMARY KEY, n text COLLATE \"C\", b boolean NOT NULL DEFAULT false)",
                    "CREATE TABLE p (id integer NOT NULL PRIMARY KEY, n text COLLATE NOCASE, b boolean NOT NULL DEFAULT false)",
                ),
            ),
            (
                0,
                "CREATE TABLE p (id integer NOT NULL PRIMARY KEY, n text GENERATED ALWAYS AS ('a') STORED, b boolean NOT NULL DEFAULT false)",
            ),
            (
                1,
                "CREATE TABLE c (id integer NOT NULL PRIMARY KEY, p integer REFERENCES p (id) ON DELETE CASCADE, v varchar(9) CHECK (v <> 'x'))",
            ),
            (
                1,
                "CREATE TABLE c (id integer NOT NULL PRIMARY KEY, p integer REFERENCES p (id), v varchar(9) CHECK (v <> 'X'))",
            ),
            (1, "CREATE TABLE c (id integer NOT NULL PRIMARY KEY, p integer, v varchar(9) CHECK (v <> 'x'))"),
            (
                1,
                "CREATE TABLE c (id integer NOT NULL, p integer REFERENCES p (id), v varchar(9) CHECK (v <> 'x'))",
            ),
            (
                1,
                "CREATE TABLE c (id integer NOT NULL PRIMARY KEY, p integer REFERENCES p (id), v varchar(8) CHECK (v <> 'x'))",
            ),
            (2, "CREATE INDEX i ON c (v) WHERE p > 1"),
            (2, "CREATE INDEX i ON c (v DESC) WHERE p > 2"),
            (2, "CREATE INDEX i ON c (lower(v) DESC) WHERE p > 1"),
            (2, "CREATE UNIQUE INDEX i ON c (v DESC) WHERE p > 1"),
        ] {
            let mut others = base;
            others[number] = other;
            run(&database, &others.map(str::to_owned)).await;
            let want = Schema::load(&database.db).await.unwrap();
            run(&database, &["DROP TABLE c".into(), "DROP TABLE p".into()]).await;
            run(&database, &base.map(str::to_owned)).await;
            let have = Schema::load(&database.db).await.unwrap();
            let difference = Difference::between(engine, &have, &want);
            assert_eq!(changes(&have, &have), []);
            assert_ne!(difference.changes, [], "{}: {other}", engine.name());
            run(&database, &difference.up).await;
            assert_eq!(
                changes(&Schema::load(&database.db).await.unwrap(), &want),
                [],
                "{other}\n{:#?}",
                difference.up
            );
            run(&database, &difference.down).await;
            assert_eq!(
                changes(&Schema::load(&database.db).await.unwrap(), &have),
                [],
                "{other}\n{:#?}",
                difference.down
            );
            run(&database, &["DROP TABLE c".into(), "DROP TABLE p".into()]).await;
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn spellings_of_the_transactions_time_are_the_same_default() {
    let database = TestDatabase::postgres().await;
    let create = |default: &str| format!("CREATE TABLE t (at timestamptz DEFAULT {default})");
    let mut schemas = Vec::new();
    for default in ["now()", "CURRENT_TIMESTAMP", "transaction_timestamp()", "clock_timestamp()"] {
        run(&database, &[create(default)]).await;
        schemas.push(Schema::load(&database.db).await.unwrap());
        run(&database, &["DROP TABLE t".into()]).await;
    }
    assert_eq!(schemas[0], schemas[1]);
    assert_eq!(schemas[0], schemas[2]);
    assert_ne!(schemas[0], schemas[3], "the clock goes on in a transaction");
}
