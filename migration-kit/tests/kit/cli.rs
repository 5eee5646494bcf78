//! The command line, with the example's migrations.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpListener,
    time::{Duration, Instant},
};

use clap::Parser;
use migration_kit::{
    Error, Migrator, Options,
    catalogue::Schema,
    cli::{self, Failure, Settings, SourcePaths},
};

use crate::{
    bookshelf,
    support::{TestDatabase, migrator, sql},
};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: cli::Command,
}

/// The exit code of a command that writes to `out`.
async fn run_into(
    out: &mut impl Write,
    migrator: &Migrator,
    source: SourcePaths,
    url: &str,
    arguments: &[&str],
) -> Result<u8, Failure> {
    let command = Arguments::try_parse_from([&["bookshelf"], arguments].concat()).unwrap().command;
    let settings = Settings { database_url: url.to_owned(), production: false, source };
    cli::run(migrator, command, &settings, out).await
}

/// The exit code and the output of a command.
async fn run_from(source: SourcePaths, url: &str, arguments: &[&str]) -> Result<(u8, String), Failure> {
    let mut out = Vec::new();
    let code = run_into(&mut out, &bookshelf::migrator(), source, url, arguments).await?;
    Ok((code, String::from_utf8(out).unwrap()))
}

/// The error of a command with other migrations.
async fn failure(migrator: &Migrator, url: &str, arguments: &[&str]) -> String {
    let mut out = Vec::new();
    let result = run_into(&mut out, migrator, bookshelf::source(), url, arguments).await;
    result.unwrap_err().to_string()
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

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn details_of_postgres_are_printed_and_are_not_part_of_the_error_that_is_logged() {
    let database = TestDatabase::postgres().await;
    let first =
        sql("m1", &["CREATE TABLE a (x text)", "INSERT INTO a VALUES ('ann@x.de'), ('ann@x.de')"], &[]);
    for (statement, detail) in [
        ("CREATE UNIQUE INDEX a_x ON a (x)", "\nDETAIL: Key (x)=(ann@x.de) is duplicated."),
        ("SELECT y FROM a b WHERE b.z = 1", "\nHINT: "),
        ("SELECT a.x FROM a b", "\nHINT: Perhaps you meant to reference the table alias \"b\"."),
    ] {
        let all = migrator(&[&first, &sql("m2", &[statement], &[])]);
        let text = failure(&all, &database.url, &["up"]).await;
        let logged = all.up(&database.db, &Options::default()).await.unwrap_err().to_string();
        assert!(!logged.contains("ann@x.de") && !logged.contains("HINT"), "{logged}");
        assert!(text.starts_with(&logged), "{text}");
        if statement.contains("b.z") {
            assert_eq!(text, logged, "it has neither");
        } else {
            assert!(text.contains(detail), "{text}");
        }
    }
}

#[tokio::test]
async fn the_end_of_several_names_is_refused_with_the_candidates() {
    let all = migrator(&[&sql("m1_add_x", &[], &[]), &sql("m2_add_x", &[], &[]), &sql("m3_add_y", &[], &[])]);
    let database = TestDatabase::sqlite().await;
    for arguments in [&["show", "add_x"][..], &["up", "--to", "add_x"], &["adopt", "--at", "x"]] {
        let text = failure(&all, &database.url, arguments).await;
        assert!(text.ends_with("is the end of several names: m1_add_x, m2_add_x"), "{text}");
    }
    assert_eq!(all.by_name("y").unwrap().name(), "m3_add_y");
    assert!(matches!(all.by_name("add").map(|_| ()).unwrap_err(), Error::UnknownName { .. }));
}

#[tokio::test]
async fn a_database_without_applied_migrations_has_a_history_that_says_so() {
    for database in TestDatabase::on_each_engine().await {
        let none = "no migration was applied to this database\n";
        let history = run(&database.url, &["history"]).await.1;
        assert!(history.ends_with(none), "{history}");
        run(&database.url, &["up"]).await;
        run(&database.url, &["down", "-n", "9", "--yes"]).await;
        let history = run(&database.url, &["history"]).await.1;
        assert!(history.ends_with(none), "{history}");
        assert_eq!(run(&database.url, &["history", "--json"]).await.1, "[]\n");
    }
}

#[tokio::test]
async fn a_script_can_start_after_a_migration() {
    for database in TestDatabase::on_each_engine().await {
        run(&database.url, &["up", "--to", "shelves"]).await;
        let (_, script) = run(&database.url, &["up", "--sql", "--from", "shelves"]).await;
        assert!(!script.contains("CREATE TABLE \"shelves\""), "{script}");
        // Lines with a dot are for SQLite's shell.
        let statements: Vec<_> = script.lines().filter(|line| !line.starts_with('.')).collect();
        database.run(&statements.join("\n")).await;
        assert_eq!(run(&database.url, &["status"]).await.0, 0);

        let (_, part) = run(&database.url, &["up", "--sql", "--from", "shelves", "--to", "books"]).await;
        assert!(part.contains("CREATE TABLE \"books\"") && !part.contains("newest_first"), "{part}");
    }
    assert!(Arguments::try_parse_from(["bookshelf", "up", "--from", "shelves"]).is_err());
}

#[tokio::test]
async fn a_script_for_sqlites_shell_stops_at_the_first_error() {
    for arguments in [&["up", "--sql"][..], &["down", "--sql"]] {
        let (_, script) = run("sqlite://nowhere.db", arguments).await;
        assert!(script.starts_with(".bail on\n"), "{script}");
        let (_, script) = run("sqlite://nowhere.db", &[arguments, &["--engine", "postgres"]].concat()).await;
        assert!(script.starts_with("BEGIN;\n"), "{script}");
    }
}

/// An output whose reader has closed it.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Err(ErrorKind::BrokenPipe.into())
    }
}

#[tokio::test]
async fn a_command_whose_output_is_closed_ends_without_an_error() {
    let database = TestDatabase::sqlite().await;
    for arguments in [&["up", "--sql"][..], &["status"], &["show", "books", "--json"], &["up"]] {
        let all = bookshelf::migrator();
        let code = run_into(&mut Closed, &all, bookshelf::source(), &database.url, arguments).await.unwrap();
        assert_eq!(code, 141, "{arguments:?}");
    }
    assert_eq!(run(&database.url, &["status"]).await.0, 0, "`up` had done its work");
}

#[tokio::test]
async fn waiting_ends_at_its_timeout_also_if_the_server_does_not_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://ann@{}/shop", silent.local_addr().unwrap());
    for (timeout, most) in [("0", 2), ("2", 4)] {
        let started = Instant::now();
        let (code, text) = run(&url, &["wait", "--timeout", timeout]).await;
        assert_eq!(code, 3);
        assert!(text.starts_with("timed out: PostgreSQL at ") && text.ends_with(": no answer\n"), "{text}");
        assert!(started.elapsed() < Duration::from_secs(most), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn an_error_of_a_certificate_names_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    let (missing, empty) = (folder.path().join("missing.pem"), empty);
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    // A server that offers TLS and then says nothing that TLS knows.
    std::thread::spawn(move || {
        for connection in server.incoming() {
            let mut connection = connection.unwrap();
            let mut request = [0; 8];
            connection.read_exact(&mut request).unwrap();
            connection.write_all(b"Snonsense that is no handshake").unwrap();
        }
    });
    for (parameters, expected) in [
        (
            format!("sslrootcert={}", missing.display()),
            format!("sslrootcert {}: No such file", missing.display()),
        ),
        (format!("ssl-ca={}", missing.display()), format!("sslrootcert {}: No such file", missing.display())),
        (
            format!("sslcert={}&sslkey={}", missing.display(), empty.display()),
            format!("sslkey {}", empty.display()),
        ),
        (format!("sslrootcert={}", empty.display()), format!("(sslrootcert {})", empty.display())),
        (
            format!("sslrootcert={}", missing.display().to_string().replace('/', "%2F")),
            format!("sslrootcert {}: No such file", missing.display()),
        ),
    ] {
        let url = format!("postgres://ann:s3cret@{address}/shop?sslmode=verify-full&{parameters}");
        let text = failure(&bookshelf::migrator(), &url, &["status"]).await;
        assert!(text.contains(&expected) && !text.contains("s3cret"), "{parameters}: {text}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn connections_of_migrations_have_a_name() {
    let database = TestDatabase::postgres().await;
    let records = "CREATE TABLE names AS SELECT current_setting('application_name') AS name";
    let all = migrator(&[&sql("m1", &[records], &["DROP TABLE names"])]);
    let sign = if database.url.contains('?') { '&' } else { '?' };
    for (url, expected) in [
        (database.url.clone(), "tester migrate"),
        (format!("{}{sign}application_name=night%20run", database.url), "night run"),
    ] {
        let source = bookshelf::source;
        run_into(&mut Vec::new(), &all, source(), &url, &["up"]).await.unwrap();
        assert_eq!(database.texts("SELECT name FROM names").await, [expected]);
        run_into(&mut Vec::new(), &all, source(), &url, &["down", "--yes"]).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_read_only_database_says_which_commands_it_allows() {
    let database = TestDatabase::postgres().await;
    run(&database.url, &["up"]).await;
    let sign = if database.url.contains('?') { '&' } else { '?' };
    let url = format!("{}{sign}options=-c%20default_transaction_read_only%3Don", database.url);
    for command in ["check", "diff"] {
        let text = failure(&bookshelf::migrator(), &url, &[command]).await;
        assert!(text.contains("read-only (a standby") && text.contains("primary"), "{command}: {text}");
    }
    for command in ["status", "history", "wait", "up"] {
        assert_eq!(run(&url, &[command]).await.0, 0, "{command}");
    }
    let text = failure(&bookshelf::migrator(), &url, &["down", "--yes"]).await;
    assert!(text.contains("read-only transaction; connect to the primary"), "{text}");
}

#[tokio::test]
async fn a_changed_migration_is_listed_and_accepted_by_name() {
    for database in TestDatabase::on_each_engine().await {
        let url = &database.url;
        run(url, &["up"]).await;
        let forge = "UPDATE bookshelf_migrations SET checksum = 'old' WHERE name LIKE '%_books'";
        database.run(forge).await;
        let (code, text) = run(url, &["repair"]).await;
        assert_eq!(code, 3);
        assert!(text.contains("repair m20260101_000002_books --accept-checksum"), "{text}");
        assert_eq!(run(url, &["repair", "books", "--accept-checksum"]).await.0, 0);
        let (_, text) = run(url, &["show", "books"]).await;
        assert!(text.contains("checksum accepted ") && text.contains("in place of old\n"), "{text}");
        assert_eq!(run(url, &["repair"]).await, (0, "no migration is incomplete or changed\n".to_owned()));
        let refused = run_from(bookshelf::source(), url, &["repair", "books", "--accept-checksum"]).await;
        assert!(refused.unwrap_err().to_string().contains("has not changed"));
    }
}

#[tokio::test]
async fn nothing_is_touched_before_a_confirmation_that_cannot_be_given() {
    for database in TestDatabase::on_each_engine().await {
        run(&database.url, &["up"]).await;
        database.run("INSERT INTO shelves (id, name) VALUES (1, 'top')").await;
        for arguments in [&["fresh", "--confirm", "wrong"][..], &["reset", "--confirm", "wrong", "--yes"]] {
            let text = failure(&bookshelf::migrator(), &database.url, arguments).await;
            assert!(text.starts_with("nothing was changed"), "{text}");
        }
        assert_eq!(database.number("SELECT count(*) FROM shelves").await, 1);
        assert_eq!(run(&database.url, &["fresh", "--yes"]).await.0, 0);
        assert_eq!(database.number("SELECT count(*) FROM shelves").await, 0);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_unique_index_in_place_of_a_constraint_is_named() {
    let database = TestDatabase::postgres().await;
    run(&database.url, &["up"]).await;
    database.run("ALTER TABLE shelves DROP CONSTRAINT shelves_name_key").await;
    database.run("CREATE UNIQUE INDEX shelf_names ON shelves (name)").await;
    let (code, text) = run(&database.url, &["check"]).await;
    assert_eq!(code, 3);
    assert!(text.contains("constraint shelves_name_key UNIQUE (name) on shelves is missing"), "{text}");
    assert!(text.contains("shelf_names"), "{text}");

    database.run("DROP TABLE bookshelf_migrations, seaql_migrations").await;
    let text = failure(&bookshelf::migrator(), &database.url, &["up"]).await;
    assert!(text.contains("shelves_name_key") && text.contains("shelf_names"), "{text}");
}
