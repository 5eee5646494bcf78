//! The program as a person or a pipeline meets it.

use std::process::{Command, Output};

use migration_kit::{Engine, catalogue::Schema};

use crate::support::{Place, all, connect};

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
async fn a_database_lives_its_life() {
    for place in Place::all().await {
        let url = place.url.as_str();
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
            all() - 1
        );
        assert_eq!(run(url, &["up"]).code, 0);
        assert_eq!(run(url, &["fresh", "--yes"]).code, 0);
        assert_eq!(run(url, &["reset", "--yes"]).code, 0);
        let left = Schema::load(&place.db).await.unwrap();
        assert!(left.tables.keys().all(|name| name == "seaql_migrations"), "{:?}", left.tables.keys());
    }
}

#[tokio::test]
async fn in_production_nothing_is_erased_without_the_name() {
    for place in Place::all().await {
        let url = place.url.as_str();
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

#[tokio::test]
async fn the_printed_script_builds_what_the_runner_builds() {
    for (place, twin) in Place::all().await.into_iter().zip(Place::all().await) {
        run(&place.url, &["up"]);
        let engine = place.engine.name();
        let script = run("sqlite://nowhere.db", &["up", "--sql", "--engine", engine]);
        assert_eq!(script.code, 0, "{}", script.err);
        twin.run(&script.out).await;
        assert_eq!(Schema::load(&place.db).await.unwrap(), Schema::load(&twin.db).await.unwrap());
        assert_eq!(run(&twin.url, &["status"]).code, 0);

        let back = run("sqlite://nowhere.db", &["down", "--sql", "-n", "99", "--engine", engine]);
        twin.run(&back.out).await;
        assert_eq!(run(&twin.url, &["status"]).out.matches("pending").count(), all());
    }
    assert!(!std::path::Path::new("nowhere.db").exists());
}

#[tokio::test]
async fn drift_is_told_and_a_further_index_is_no_drift() {
    for mut place in Place::all().await {
        run(&place.url, &["up"]);
        place.run("CREATE INDEX by_title ON articles (title)").await;
        let check = run(&place.url, &["check"]);
        assert_eq!(check.code, 0, "{}", check.out);
        assert!(check.out.contains("by_title"));

        place.run("ALTER TABLE users ADD COLUMN website text").await;
        place.run("DROP INDEX articles_created_at_id_idx").await;
        let check = run(&place.url, &["check"]);
        assert_eq!(check.code, 3);
        assert!(check.out.contains("users.website (text) is not expected"), "{}", check.out);
        assert!(check.out.contains("articles_created_at_id_idx"), "{}", check.out);
        let diff = run(&place.url, &["diff"]).out;
        assert!(diff.contains("- column users.website") && diff.contains("may lose data"), "{diff}");
        let sql = run(&place.url, &["diff", "--sql"]).out;
        place.db = connect(&place.url).await;
        if place.engine == Engine::Sqlite {
            place.run("PRAGMA foreign_keys = OFF").await;
        }
        place.run(&sql).await;
        assert_eq!(run(&place.url, &["diff"]).out, "no difference\n");
        assert_eq!(run(&place.url, &["check"]).code, 0);
    }
}

#[test]
fn bad_input_gets_one_clear_line_and_no_password() {
    let folder = tempfile::tempdir().unwrap();
    let junk = folder.path().join("junk.db");
    std::fs::write(&junk, "no database ".repeat(100)).unwrap();
    let junk = format!("sqlite://{}", junk.display());
    for (url, arguments, told) in [
        ("postgres://ann:s3cret@127.0.0.1:1/blog", &["status"][..], "127.0.0.1:1"),
        ("mysql://ann:s3cret@localhost/blog", &["up"], "postgres://"),
        ("postgres://ann:s3cret@localhost:port/blog", &["status"], "ann:***@localhost:port"),
        ("sqlite://nowhere.db", &["up", "--to", "nope"], "no migration named \"nope\""),
        ("sqlite://nowhere.db", &["show", "nope"], "history"),
        ("sqlite://nowhere.db", &["repair", "blog_tables"], "--done or --undone"),
        ("sqlite://nowhere.db", &["adopt"], "holds no table of byline"),
        ("sqlite://nowhere.db", &["new", "Bad-Name"], "lower-case letters"),
        (junk.as_str(), &["status"], "not a database"),
    ] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_migration"));
        let answer = run_with(program.current_dir(folder.path()), url, arguments);
        assert_eq!(answer.code, 1, "{arguments:?}");
        assert_eq!(answer.err.lines().count(), 1, "{}", answer.err);
        assert!(answer.err.contains(told), "{}", answer.err);
        assert!(!format!("{}{}", answer.out, answer.err).contains("s3cret"), "{}", answer.err);
    }
}

#[tokio::test]
async fn a_half_way_migration_is_repaired_as_said() {
    for place in Place::all().await {
        run(&place.url, &["up", "--to", "articles_by_author"]);
        let mark = "INSERT INTO byline_migrations VALUES \
                    ('m20261123_000005_articles_published', 'running', NULL, true, '9', '2026-01-01T00:00:00Z', 0)";
        place.run(mark).await;
        let repair = run(&place.url, &["repair"]);
        assert_eq!(repair.code, 3);
        assert!(repair.out.contains("articles_published --done"), "{}", repair.out);
        assert!(run(&place.url, &["status"]).out.contains("incomplete"));
        assert!(run(&place.url, &["up"]).err.contains("is incomplete"));
        assert_eq!(run(&place.url, &["repair", "articles_published", "--undone"]).code, 0);
        assert_eq!(run(&place.url, &["up", "--to", "articles_published"]).out.matches("applied").count(), 1);

        run(&place.url, &["down", "--yes"]);
        place.run(mark).await;
        place.run("CREATE INDEX articles_published_created_at_id_idx ON articles (created_at DESC, id DESC) WHERE published").await;
        assert_eq!(run(&place.url, &["repair", "articles_published", "--done"]).code, 0);
        assert_eq!(run(&place.url, &["up"]).code, 0);
        assert_eq!(run(&place.url, &["check"]).code, 0);
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
    assert!(folder.join(format!("{module}.rs")).exists());
}
