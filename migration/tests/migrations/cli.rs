//! The command line as administrators and pipelines use it.

use std::{
    os::unix::fs::PermissionsExt as _,
    process::{Command, Output},
};

use migration_kit::{Engine, catalogue::Schema};

use crate::support::{TestDatabase, connect, migration_count};

struct Answer {
    code: i32,
    out: String,
    err: String,
}

fn run(url: &str, arguments: &[&str]) -> Answer {
    run_with(Command::new(env!("CARGO_BIN_EXE_migration")).env_remove("APP_ENV"), url, arguments)
}

fn run_with(command: &mut Command, url: &str, arguments: &[&str]) -> Answer {
    let output: Output =
        command.env("DATABASE_URL", url).args(arguments).stdin(std::process::Stdio::null()).output().unwrap();
    Answer {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test]
async fn a_database_is_migrated_reverted_and_reset() {
    for database in TestDatabase::on_each_engine().await {
        let url = database.url.as_str();
        let status = run(url, &["status", "--json"]);
        assert_eq!(status.code, 3);
        let value: serde_json::Value = serde_json::from_str(&status.out).unwrap();
        assert_eq!((value["database"].as_str(), value["current"].as_bool()), (Some("empty"), Some(false)));
        assert!(!status.out.contains('\u{1b}'));

        assert!(run(url, &["up", "--dry-run"]).out.contains("would apply"));
        assert!(run(url, &["up", "--rehearse"]).out.contains("rolled back"));
        assert_eq!(run(url, &["status"]).code, 3);

        assert_eq!(run(url, &["up", "--to", "users_email_key"]).code, 0);
        assert_eq!(run(url, &["check"]).code, 3);
        assert_eq!(run(url, &["wait", "--timeout", "0"]).code, 3);
        assert_eq!(run(url, &["up"]).code, 0);
        assert_eq!(run(url, &["up"]).out, "nothing to do\n");
        for command in ["status", "check", "wait", "lint", "history"] {
            let answer = run(url, &[command]);
            assert_eq!(answer.code, 0, "{command}: {}{}", answer.out, answer.err);
        }
        assert_eq!(run(url, &["diff"]).out, "no difference\n");

        let refused = run(url, &["down"]);
        assert_eq!(refused.code, 1);
        assert!(refused.err.contains("--yes"), "{}", refused.err);
        assert_eq!(
            run(url, &["down", "--to", "blog_tables", "--yes"]).out.matches("reverted").count(),
            migration_count() - 1
        );
        assert_eq!(run(url, &["up"]).code, 0);
        assert_eq!(run(url, &["fresh", "--yes"]).code, 0);
        assert_eq!(run(url, &["reset", "--yes"]).code, 0);
        let left = Schema::load(&database.db).await.unwrap();
        assert!(left.tables.keys().all(|name| name == "seaql_migrations"), "{:?}", left.tables.keys());
    }
}

#[test]
fn help_has_bylines_texts_and_examples() {
    let help = run("sqlite://nowhere.db", &["up", "--help"]).out;
    assert!(help.contains("FastAPI blog") && help.contains("up --rehearse"), "{help}");
}

#[tokio::test]
async fn in_production_nothing_is_erased_without_the_name() {
    for database in TestDatabase::on_each_engine().await {
        let url = database.url.as_str();
        run(url, &["up"]);
        for command in ["fresh", "reset"] {
            let mut program = Command::new(env!("CARGO_BIN_EXE_migration"));
            let refused = run_with(program.env("APP_ENV", "production"), url, &[command, "--yes"]);
            assert_eq!(refused.code, 1);
            assert!(refused.err.contains("--confirm"), "{}", refused.err);
        }
        assert_eq!(run(url, &["status"]).code, 0);
    }
}

/// A script without the lines for SQLite's shell.
fn without_shell_commands(script: &str) -> String {
    script.lines().filter(|line| !line.starts_with('.')).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_printed_script_builds_what_the_runner_builds() {
    for (database, twin) in
        TestDatabase::on_each_engine().await.into_iter().zip(TestDatabase::on_each_engine().await)
    {
        run(&database.url, &["up"]);
        let engine = database.engine.name();
        let script = run("sqlite://nowhere.db", &["up", "--sql", "--engine", engine]);
        assert_eq!(script.code, 0, "{}", script.err);
        twin.run(&without_shell_commands(&script.out)).await;
        assert_eq!(Schema::load(&database.db).await.unwrap(), Schema::load(&twin.db).await.unwrap());
        assert_eq!(run(&twin.url, &["status"]).code, 0);

        let back = run("sqlite://nowhere.db", &["down", "--sql", "-n", "99", "--engine", engine]);
        twin.run(&without_shell_commands(&back.out)).await;
        assert_eq!(run(&twin.url, &["status"]).out.matches("pending").count(), migration_count());
    }
    assert!(!std::path::Path::new("nowhere.db").exists());
}

#[tokio::test]
async fn drift_is_reported_and_an_extra_index_is_not_drift() {
    for mut database in TestDatabase::on_each_engine().await {
        run(&database.url, &["up"]);
        database.run("CREATE INDEX by_title ON articles (title)").await;
        let check = run(&database.url, &["check"]);
        assert_eq!(check.code, 0, "{}", check.out);
        assert!(check.out.contains("by_title"));

        database.run("ALTER TABLE users ADD COLUMN website text").await;
        database.run("DROP INDEX articles_created_at_id_idx").await;
        let check = run(&database.url, &["check"]);
        assert_eq!(check.code, 3);
        assert!(check.out.contains("users.website (text) is not expected"), "{}", check.out);
        assert!(check.out.contains("articles_created_at_id_idx"), "{}", check.out);
        let diff = run(&database.url, &["diff"]).out;
        assert!(diff.contains("- column users.website") && diff.contains("may lose data"), "{diff}");
        let sql = run(&database.url, &["diff", "--sql"]).out;
        database.db = connect(&database.url).await;
        if database.engine == Engine::Sqlite {
            database.run("PRAGMA foreign_keys = OFF").await;
        }
        database.run(&sql).await;
        assert_eq!(run(&database.url, &["diff"]).out, "no difference\n");
        assert_eq!(run(&database.url, &["check"]).code, 0);
    }
}

#[test]
fn bad_input_gets_one_clear_line_and_no_password() {
    let folder = tempfile::tempdir().unwrap();
    let junk = folder.path().join("junk.db");
    std::fs::write(&junk, "no database ".repeat(100)).unwrap();
    let junk = format!("sqlite://{}", junk.display());
    for (url, arguments, expected) in [
        ("postgres://ann:s3cret@127.0.0.1:1/blog", &["status"][..], "127.0.0.1:1"),
        ("mysql://ann:s3cret@localhost/blog", &["up"], "postgres://"),
        ("postgres://ann:s3cret@127.0.0.1:1/blog", &["status"], "database blog"),
        ("postgres://ann:s3cret@localhost:port/blog", &["status"], "no port from 1 to 65535"),
        ("postgres://ann:s3cret", &["status"], "no port from 1 to 65535"),
        ("postgres://ann:x@s3cret/s3cret@localhost/blog", &["up"], "%2F"),
        ("postgres://ann:x@s3cret?s3cret@localhost/blog", &["wait", "--timeout", "0"], "%3F"),
        ("s3cret", &["status"], "postgres://"),
        ("sqlite://nowhere.db", &["up", "--to", "nope"], "no migration named \"nope\""),
        ("sqlite://nowhere.db", &["show", "nope"], "history"),
        ("sqlite://nowhere.db", &["repair", "blog_tables"], "--done or --undone"),
        ("sqlite://nowhere.db", &["adopt"], "SQLite file nowhere.db: the database holds no table of byline"),
        ("sqlite://nowhere.db", &["new", "Bad-Name"], "lower-case letters"),
        (junk.as_str(), &["status"], "not a database"),
    ] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_migration"));
        let answer = run_with(program.current_dir(folder.path()), url, arguments);
        assert_eq!(answer.code, 1, "{arguments:?}");
        assert_eq!(answer.err.lines().count(), 1, "{}", answer.err);
        assert!(answer.err.contains(expected), "{}", answer.err);
        assert!(!format!("{}{}", answer.out, answer.err).contains("s3cret"), "{}", answer.err);
    }
}

#[tokio::test]
async fn an_incomplete_migration_is_repaired() {
    for database in TestDatabase::on_each_engine().await {
        run(&database.url, &["up", "--to", "articles_by_author"]);
        let incomplete = "INSERT INTO byline_migrations VALUES \
                    ('m20261123_000005_articles_published', 'running', NULL, true, '9', '2026-01-01T00:00:00Z', 0)";
        database.run(incomplete).await;
        let repair = run(&database.url, &["repair"]);
        assert_eq!(repair.code, 3);
        assert!(repair.out.contains("articles_published --done"), "{}", repair.out);
        assert!(run(&database.url, &["status"]).out.contains("incomplete"));
        assert!(run(&database.url, &["up"]).err.contains("is incomplete"));
        assert_eq!(run(&database.url, &["repair", "articles_published", "--undone"]).code, 0);
        assert_eq!(
            run(&database.url, &["up", "--to", "articles_published"]).out.matches("applied").count(),
            1
        );

        run(&database.url, &["down", "--yes"]);
        database.run(incomplete).await;
        database.run("CREATE INDEX articles_published_created_at_id_idx ON articles (created_at DESC, id DESC) WHERE published").await;
        assert_eq!(run(&database.url, &["repair", "articles_published", "--done"]).code, 0);
        assert_eq!(run(&database.url, &["up"]).code, 0);
        assert_eq!(run(&database.url, &["check"]).code, 0);
    }
}

#[test]
fn a_new_migration_is_written_and_registered() {
    let tree = tempfile::tempdir().unwrap();
    let folder = tree.path().join("src/migrations");
    std::fs::create_dir_all(&folder).unwrap();
    let register = include_str!("../../src/migrations/mod.rs");
    std::fs::write(folder.join("mod.rs"), register).unwrap();
    let source = tree.path().to_str().unwrap();
    let answer = run("sqlite://nowhere.db", &["new", "add_slugs", "--source", source]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let text = std::fs::read_to_string(folder.join("mod.rs")).unwrap();
    let line = text.lines().find(|line| line.starts_with("mod m") && line.ends_with("_add_slugs;")).unwrap();
    let module = line.trim_start_matches("mod ").trim_end_matches(';');
    assert!(text.contains(&format!("        Box::new({module}::AddSlugs),\n    ]")), "{text}");
    // The crate need not re-export anything for the file to compile.
    let migration = std::fs::read_to_string(folder.join(format!("{module}.rs"))).unwrap();
    assert!(migration.contains("use migration_kit::Migration;"), "{migration}");
}

#[test]
fn parameters_of_other_drivers_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let url = "postgresql+asyncpg://ann:s3cret@127.0.0.1:1/blog?command_timeout=5&statement_cache_size=0";
    let mut program = Command::new(env!("CARGO_BIN_EXE_migration"));
    let answer = run_with(program.current_dir(folder.path()), url, &["status"]);
    assert_eq!(answer.code, 1);
    let lines: Vec<&str> = answer.err.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("warning: the parameter command_timeout "), "{lines:?}");
    assert!(lines[1].starts_with("warning: the parameter statement_cache_size "), "{lines:?}");
    assert!(lines[2].starts_with("error: PostgreSQL at 127.0.0.1:1, database blog: "), "{lines:?}");
    assert!(!answer.err.contains("s3cret"), "{lines:?}");
}

#[test]
fn a_sqlite_file_is_created_by_up_only_and_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/blog.db");
    let url = format!("sqlite://{}", file.display());
    for arguments in [&["status"][..], &["check"], &["lint"], &["history"], &["diff"], &["up", "--dry-run"]] {
        run(&url, arguments);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{arguments:?}");
    }
    assert_eq!(run(&url, &["up"]).code, 0);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for arguments in [&["status"][..], &["check"], &["history"], &["diff"]] {
        run(&url, arguments);
        let files = std::fs::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(files, 1, "{arguments:?} leaves a file");
    }
}

#[test]
fn a_relative_path_of_sqlalchemy_is_relative() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("work")).unwrap();
    for (url, file) in
        [("sqlite:///./a.db", "work/a.db"), ("sqlite:///../b.db", "b.db"), ("sqlite://c/d.db", "work/c/d.db")]
    {
        let mut program = Command::new(env!("CARGO_BIN_EXE_migration"));
        let answer = run_with(program.current_dir(folder.path().join("work")), url, &["up"]);
        assert_eq!(answer.code, 0, "{url}: {}", answer.err);
        assert!(folder.path().join(file).exists(), "{url}");
    }
}
