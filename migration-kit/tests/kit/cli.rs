//! The command line, with the example's migrations.

use clap::Parser;
use migration_kit::{
    catalogue::Schema,
    cli::{self, Failure, Settings, SourcePaths},
};

use crate::{bookshelf, support::TestDatabase};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: cli::Command,
}

/// The exit code and the output of a command.
async fn run_from(source: SourcePaths, url: &str, arguments: &[&str]) -> Result<(u8, String), Failure> {
    let command = Arguments::try_parse_from([&["bookshelf"], arguments].concat()).unwrap().command;
    let settings = Settings { database_url: url.to_owned(), production: false, source };
    let mut out = Vec::new();
    let code = cli::run(&bookshelf::migrator(), command, &settings, &mut out).await?;
    Ok((code, String::from_utf8(out).unwrap()))
}

async fn run(url: &str, arguments: &[&str]) -> (u8, String) {
    run_from(bookshelf::source(), url, arguments).await.unwrap()
}

#[tokio::test]
async fn the_example_is_migrated_checked_and_reset() {
    for database in TestDatabase::on_each_engine().await {
        let url = &database.url;
        assert_eq!(run(url, &["status"]).await.0, 3);
        let (code, text) = run(url, &["up"]).await;
        assert_eq!((code, text.matches("applied").count()), (0, 3), "{text}");
        for command in ["status", "check", "lint", "history", "wait"] {
            let (code, text) = run(url, &[command]).await;
            assert_eq!(code, 0, "{command}: {text}");
        }
        assert_eq!(run(url, &["diff"]).await.1, "no difference\n");
        assert_eq!(run(url, &["down", "--to", "shelves", "--yes"]).await.1.matches("reverted").count(), 2);
        assert_eq!(run(url, &["check"]).await.0, 3);
        assert_eq!(run(url, &["reset", "--yes"]).await.0, 0);
        let left = Schema::load(&database.db).await.unwrap();
        assert_eq!(left.tables.keys().collect::<Vec<_>>(), ["seaql_migrations"]);
    }
}

#[tokio::test]
async fn a_migration_is_shown_with_its_attributes_and_its_sql_for_both_engines() {
    let database = TestDatabase::sqlite().await;
    let (_, text) = run(&database.url, &["show", "newest_first"]).await;
    assert!(text.contains("m20260301_000001_newest_first: pending\nadditive, PG101\n"), "{text}");
    assert_eq!(text.matches("CREATE INDEX \"books_newest_first\"").count(), 2, "{text}");
    let (_, json) = run(&database.url, &["show", "newest_first", "--json"]).await;
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["attributes"]["accepts"][0], "PG101");
    assert_eq!(value["sql"]["sqlite"]["up"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_new_migration_is_written_to_the_given_paths_and_registered() {
    let directory = tempfile::tempdir().unwrap();
    let list = include_str!("../../examples/bookshelf/schema/migrations/mod.rs");
    std::fs::create_dir(directory.path().join("steps")).unwrap();
    std::fs::write(directory.path().join("steps/mod.rs"), list).unwrap();
    let source =
        || SourcePaths { crate_directory: directory.path().to_path_buf(), migrations: "steps".into() };

    run_from(source(), "sqlite::memory:", &["new", "add_isbn"]).await.unwrap();

    let list = std::fs::read_to_string(directory.path().join("steps/mod.rs")).unwrap();
    let line = list.lines().find(|line| line.ends_with("_add_isbn;")).unwrap();
    let module = line.trim_start_matches("mod ").trim_end_matches(';');
    assert!(list.contains(&format!("        Box::new({module}::AddIsbn),\n    ]")), "{list}");
    assert!(directory.path().join(format!("steps/{module}.rs")).exists());

    let refused = run_from(source(), "sqlite::memory:", &["new", "Bad-Name"]).await.unwrap_err();
    assert!(matches!(refused, Failure::Refused(_)), "{refused}");
}
