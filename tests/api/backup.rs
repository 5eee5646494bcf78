//! `byline backup` and `byline restore`, and the files that commands leave next to a SQLite database.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use actix_web::http::StatusCode;
use sea_orm::{ConnectionTrait as _, Database};
use serde_json::Value;

use crate::support::{Installation, PASSWORD, Published, ServerProcess, TestDatabase, stderr};

/// What a directory with data contains while no process uses it.
const AT_REST: [&str; 1] = ["byline.db"];

/// The same after a server has run, which generates a key if none is set.
const AFTER_A_SERVER: [&str; 2] = ["byline.db", "secret_key"];

fn installation() -> Installation {
    Installation::on(TestDatabase::sqlite()).set(&[("BCRYPT_COST", "4")])
}

fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn titles(server: &ServerProcess) -> Vec<String> {
    let articles = server.client().get("/articles/?limit=1000").await.expect(StatusCode::OK);
    let articles: &Vec<Value> = articles.as_array().unwrap();
    articles.iter().map(|article| article["title"].as_str().unwrap().to_owned()).collect()
}

/// A blog with this many articles, and no process that uses it.
fn seeded(articles: &str) -> Installation {
    let installation = installation();
    installation.succeed(&["seed", "--users", "1", "--articles", articles, "--drafts", "0"]);
    installation
}

async fn stop(mut server: ServerProcess) {
    server.terminate();
    assert!(server.wait().await.success(), "{}", server.output());
}

#[actix_web::test]
async fn no_command_leaves_a_file_next_to_the_database() {
    let installation = seeded("5");
    let user = ["user", "create", "--email", "ann@example.com", "--username", "ann"];
    for (password, succeeds) in [(PASSWORD, true), (PASSWORD, false), ("short", false)] {
        let output = installation.run_with_input(&user, password);
        assert_eq!(output.status.success(), succeeds, "{}", stderr(&output));
        assert_eq!(files(&installation.path("data")), AT_REST, "user create with {password}");
    }
    let commands = [
        "migrate status",
        "migrate history",
        "migrate show blog_tables",
        "migrate up",
        "migrate up --dry-run",
        "migrate up --sql",
        "migrate check",
        "migrate diff",
        "migrate lint",
        "migrate adopt",
        "migrate repair",
        "migrate repair blog_tables --done",
        "migrate wait --timeout 1",
        "migrate down --yes",
        "migrate wait --timeout 1",
        "migrate up --rehearse",
        "migrate up --to no_such_migration",
        "migrate up",
        "migrate reset --yes",
        "migrate fresh --yes",
        "seed --articles 1",
        "openapi",
        "healthcheck",
        "backup copy.db",
        "backup copy.db",
        "restore copy.db",
        "restore no.db",
    ];
    for command in commands {
        let arguments: Vec<_> = command.split(' ').collect();
        let output = installation.run(&arguments);
        assert_ne!(output.status.code(), None, "{command}");
        assert_eq!(files(&installation.path("data")), AT_REST, "{command}: {}", stderr(&output));
    }
    let installation = installation.set(&[("HOST", "203.0.113.1")]);
    let message = installation.fail(&["serve"]);
    assert_eq!(files(&installation.path("data")), AFTER_A_SERVER, "{message}");
}

#[actix_web::test]
async fn a_command_that_only_reads_works_in_a_read_only_directory() {
    let installation = seeded("1");
    let data = installation.path("data");
    for (path, mode) in [(data.join("byline.db"), 0o444), (data.clone(), 0o555)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    for command in ["status", "history", "check", "wait"] {
        installation.succeed(&["migrate", command]);
        assert_eq!(files(&data), AT_REST, "{command}");
    }
    installation.succeed(&["backup", "copy.db"]);
    assert_eq!(files(&data), AT_REST);
    fs::set_permissions(data, Permissions::from_mode(0o755)).unwrap();
}

#[actix_web::test]
async fn a_command_of_another_user_reads_and_does_not_disturb_the_server() {
    let installation = seeded("1");
    let data = installation.path("data");
    let set_mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    // The other user may read, and with write access to the directory could create files of its own.
    set_mode(installation.database.directory(), 0o755);
    let readable = || {
        for file in files(&data).iter().filter(|file| file.starts_with("byline.db")) {
            set_mode(&data.join(file), 0o644);
        }
    };
    let read = |context: &str| {
        for command in ["status", "history", "wait"] {
            let before = files(&data);
            let output = installation.run_as_another_user(&["migrate", command]);
            assert!(output.status.success(), "{command} {context}: {}", stderr(&output));
            assert_eq!(files(&data), before, "{command} {context}");
        }
    };
    for mode in [0o555, 0o777] {
        set_mode(&data, mode);
        readable();
        read("at rest");
        assert_eq!(files(&data), AT_REST);
    }

    let server = installation.serve(&[]);
    let ann = server.client().sign_up("ann").await;
    ann.write(Published::Yes).await;
    readable();
    for mode in [0o555, 0o777] {
        set_mode(&data, mode);
        read("while a server runs");
        ann.write(Published::Yes).await;
    }
    server.kill();
    readable();
    for mode in [0o555, 0o777] {
        set_mode(&data, mode);
        read("after a crash");
    }
    // The index of the log may be lost, for instance in a copy of the directory.
    fs::remove_file(data.join("byline.db-shm")).unwrap();
    set_mode(&data, 0o777);
    let refused = installation.run_as_another_user(&["migrate", "status"]);
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(!data.join("byline.db-shm").exists());
    fs::write(data.join("byline.db-wal"), "").unwrap();
    read("with an empty log");

    set_mode(&data, 0o755);
    let mut server = installation.serve(&[]);
    server.client().sign_up("bob").await.write(Published::Yes).await;
    server.terminate();
    assert!(server.wait().await.success());
    assert_eq!(files(&data), AFTER_A_SERVER);
}

#[actix_web::test]
async fn a_command_that_reads_sees_what_a_running_server_has_written() {
    let installation = installation();
    let _server = installation.serve(&[]);
    // The tables are in the log only.
    assert!(installation.path("data/byline.db-wal").exists());
    installation.succeed(&["migrate", "status"]);
}

#[actix_web::test]
async fn a_backup_under_load_is_the_state_at_one_moment() {
    let installation = installation();
    let server = installation.serve(&[]);
    let ann = server.client().sign_up("ann").await;
    for _ in 0..20 {
        ann.write(Published::Yes).await;
    }
    let mut backup = installation.spawn(&["backup", "copy.db"]);
    let mut written = 20;
    while backup.try_wait().unwrap().is_none() {
        ann.write(Published::Yes).await;
        written += 1;
    }
    assert!(backup.wait().unwrap().success());

    let other = self::installation();
    fs::copy(installation.path("copy.db"), other.path("copy.db")).unwrap();
    other.succeed(&["restore", "copy.db"]);
    let copied = other.serve(&[]).client().get("/articles/?limit=1000").await.expect(StatusCode::OK);
    let mut ids: Vec<_> = copied.as_array().unwrap().iter().map(|article| article["id"].as_i64()).collect();
    ids.reverse();
    assert!((20..=written).contains(&ids.len()), "{} of {written}", ids.len());
    let expected: Vec<_> = (1..).take(ids.len()).map(Some).collect();
    assert_eq!(ids, expected);
}

#[actix_web::test]
async fn a_backup_is_one_private_file_that_says_what_it_lacks() {
    let installation = seeded("3");
    let output = installation.succeed(&["backup", "copy.db"]);
    assert!(output.contains("copy.db") && output.contains("secret key is not included"), "{output}");
    let mode = fs::metadata(installation.path("copy.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(files(installation.database.directory()), ["copy.db", "data"]);
}

#[actix_web::test]
async fn a_backup_overwrites_nothing_and_leaves_nothing_if_it_fails() {
    let installation = seeded("1");
    fs::write(installation.path("copy.db"), "a letter").unwrap();
    for (file, word) in
        [("copy.db", "exists"), ("data/byline.db", "exists"), ("no/such/directory/copy.db", "no/such")]
    {
        let message = installation.fail(&["backup", file]);
        assert!(message.contains(word) && message.lines().count() == 1, "{file}: {message}");
    }
    assert_eq!(fs::read_to_string(installation.path("copy.db")).unwrap(), "a letter");
    assert_eq!(files(installation.database.directory()), ["copy.db", "data"]);
    let empty = self::installation().fail(&["backup", "copy.db"]);
    assert!(empty.contains("byline.db") && empty.lines().count() == 1, "{empty}");
}

#[actix_web::test]
async fn a_restore_brings_back_the_rows_of_the_backup_and_no_others() {
    let installation = installation();
    let server = installation.serve(&[]);
    let ann = server.client().sign_up("ann").await;
    let before = ann.write(Published::Yes).await;
    installation.succeed(&["backup", "copy.db"]);
    ann.delete(&before.path()).await.expect(StatusCode::NO_CONTENT);
    ann.write(Published::Yes).await;
    stop(server).await;

    let output = installation.succeed(&["restore", "copy.db"]);
    assert!(output.contains("secret key is not included"), "{output}");
    let server = installation.serve(&[]);
    let list = server.client().get("/articles/").await.expect(StatusCode::OK);
    assert_eq!(list, Value::Array(vec![before.json]));
}

/// The log of a killed server contains newer pages than the database.
#[actix_web::test]
async fn the_log_of_the_replaced_database_does_not_undo_a_restore() {
    let installation = installation();
    let server = installation.serve(&[]);
    server.client().sign_up("ann").await.write(Published::Yes).await;
    installation.succeed(&["backup", "copy.db"]);
    let ann = server.client().sign_in("ann", PASSWORD).await;
    for _ in 0..5 {
        ann.write(Published::Yes).await;
    }
    server.kill();
    assert!(installation.path("data/byline.db-wal").exists());

    installation.succeed(&["restore", "copy.db"]);
    assert_eq!(files(&installation.path("data")), AFTER_A_SERVER);
    assert_eq!(titles(&installation.serve(&[])).await.len(), 1);
}

#[actix_web::test]
async fn a_restore_is_refused_while_a_server_runs_even_if_it_is_idle() {
    for cache in ["0", "1000000"] {
        let installation = seeded("2").set(&[("CACHE_BYTES", cache)]);
        installation.succeed(&["backup", "copy.db"]);
        installation.succeed(&["seed", "--users", "1", "--articles", "1", "--drafts", "0"]);
        let server = installation.serve(&[]);
        let message = installation.fail(&["restore", "copy.db"]);
        assert!(message.contains("in use") && message.lines().count() == 1, "{message}");
        assert_eq!(titles(&server).await.len(), 3);
        stop(server).await;
        assert_eq!(files(&installation.path("data")), AFTER_A_SERVER);
        installation.succeed(&["restore", "copy.db"]);
        assert_eq!(titles(&installation.serve(&[])).await.len(), 2);
    }
}

#[actix_web::test]
async fn what_is_not_an_intact_database_of_byline_is_not_restored() {
    let installation = seeded("200");
    installation.succeed(&["backup", "copy.db"]);
    let good = fs::read(installation.path("copy.db")).unwrap();
    fs::write(installation.path("text.db"), "a letter").unwrap();
    fs::write(installation.path("empty.db"), "").unwrap();
    fs::write(installation.path("half.db"), &good[..good.len() / 2]).unwrap();
    let mut damaged = good.clone();
    damaged[good.len() / 2..good.len() / 2 + 8192].fill(0xff);
    fs::write(installation.path("damaged.db"), damaged).unwrap();
    let url = format!("sqlite://{}?mode=rwc", installation.path("other.db").display());
    let other = Database::connect(url).await.unwrap();
    other.execute_unprepared("CREATE TABLE invoices (number integer PRIMARY KEY)").await.unwrap();
    other.close().await.unwrap();

    let before = fs::read(installation.path("data/byline.db")).unwrap();
    for file in ["text.db", "empty.db", "half.db", "damaged.db", "other.db", "missing.db", "data"] {
        let message = installation.fail(&["restore", file]);
        assert_eq!(message.lines().count(), 1, "{file}: {message}");
        assert_eq!(fs::read(installation.path("data/byline.db")).unwrap(), before, "{file}");
        assert_eq!(files(&installation.path("data")), AT_REST, "{file}");
    }
}

#[actix_web::test]
async fn a_damaged_database_can_be_replaced() {
    let installation = seeded("3");
    installation.succeed(&["backup", "copy.db"]);
    fs::write(installation.path("data/byline.db"), "overwritten by an editor").unwrap();
    installation.succeed(&["restore", "copy.db"]);
    assert_eq!(titles(&installation.serve(&[])).await.len(), 3);
}

#[actix_web::test]
async fn a_restore_keeps_the_mode_of_the_replaced_file_and_is_private_otherwise() {
    let installation = seeded("1");
    installation.succeed(&["backup", "copy.db"]);
    let database = installation.path("data/byline.db");
    let mode = || fs::metadata(&database).unwrap().permissions().mode() & 0o777;
    fs::set_permissions(&database, Permissions::from_mode(0o640)).unwrap();
    installation.succeed(&["restore", "copy.db"]);
    assert_eq!(mode(), 0o640);
    fs::remove_dir_all(installation.path("data")).unwrap();
    installation.succeed(&["restore", "copy.db"]);
    assert_eq!(mode(), 0o600);
    assert_eq!(titles(&installation.serve(&[])).await.len(), 1);
}

#[actix_web::test]
async fn on_postgresql_both_commands_name_the_tool_and_not_the_password() {
    let url = "postgresql://blog:s3cr3t@db.example:5433/blog?sslmode=require";
    let installation = installation().set(&[("DATABASE_URL", url)]);
    let message = installation.fail(&["backup", "it's.dump"]);
    let url = "postgres://blog@db.example:5433/blog";
    let line = format!(r"pg_dump --format=custom --file='it'\''s.dump' --dbname={url}");
    assert!(message.contains(&line) && !message.contains("s3cr3t"), "{message}");
    let message = installation.fail(&["restore", "a.dump"]);
    let line = format!("pg_restore --clean --if-exists --single-transaction --dbname={url} a.dump");
    assert!(message.contains(&line) && !message.contains("s3cr3t"), "{message}");
}
