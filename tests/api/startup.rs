//! What a start reports that fails because of a setting: its name, its value and the cause, at once.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, symlink},
    process::Command,
    time::{Duration, Instant},
};

use actix_web::http::StatusCode;
use sea_orm::{ConnectionTrait as _, Database, DbBackend, Statement};

use crate::support::{Installation, TestDatabase, stderr, wait_until};

/// Less than the time for which the pools of these tests wait for a connection.
const AT_ONCE: Duration = Duration::from_secs(30);

/// An installation on SQLite, in development.
fn on_sqlite() -> Installation {
    Installation::on(TestDatabase::sqlite()).set(&[("ACQUIRE_TIMEOUT_SECONDS", "60")])
}

/// A port that refuses connections.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs a command that must fail at once, in one line.
#[track_caller]
fn fail_at_once(installation: &Installation, arguments: &[&str]) -> String {
    let started = Instant::now();
    let message = installation.fail(arguments);
    assert!(started.elapsed() < AT_ONCE, "it took {:?}: {message}", started.elapsed());
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

#[test]
fn an_address_of_another_machine_is_reported_with_its_setting() {
    for host in ["203.0.113.7", "2001:db8::7", "x86_64-conda-linux-gnu"] {
        let message = on_sqlite().set(&[("HOST", host)]).fail(&[]);
        assert!(message.starts_with(&format!("byline: HOST: {host} is not an address")), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn a_database_that_refuses_connections_is_reported_at_once() {
    let url = format!("postgres://ann:s3cret@127.0.0.1:{}/blog", closed_port());
    for (mode, arguments) in
        [("development", &[][..]), ("production", &["serve"]), ("development", &["serve", "--migrate"])]
    {
        let installation = on_sqlite().set(&[
            ("DATABASE_URL", &url),
            ("APP_ENV", mode),
            ("SECRET_KEY", "f3b1c7d92e8a4f60b5d81c3e7a9260f4"),
        ]);
        let message = fail_at_once(&installation, arguments);
        assert!(message.starts_with("byline: DATABASE_URL: PostgreSQL at 127.0.0.1:"), "{message}");
        assert!(message.contains("database blog: ") && message.contains("refused"), "{message}");
        assert!(!message.contains("s3cret"), "{message}");
    }
}

#[test]
fn an_unknown_database_host_is_reported_by_every_command_that_connects() {
    let installation = on_sqlite().set(&[("DATABASE_URL", "postgresql://ann:s3@cret@db.invalid:5433/blog")]);
    for arguments in [&["serve"][..], &["migrate", "status"], &["seed", "--confirm", "blog"]] {
        let message = installation.fail(arguments);
        assert!(message.contains("PostgreSQL at db.invalid:5433, database blog: "), "{message}");
        assert!(!message.contains("s3") && !message.contains("cret"), "{message}");
    }
}

#[test]
fn a_malformed_database_url_shows_no_part_of_the_password() {
    for url in [
        "postgres://ann:s3@Cret/Phrase@host/blog",
        "postgres://ann:s3/Cret@host/blog",
        "postgres://ann:s3?Cret=Phrase@host/blog",
        "postgres://ann:s3@Cret?Phrase@host/blog",
        "s3Cret",
    ] {
        for arguments in [&["serve"][..], &["migrate", "up"], &["migrate", "status"], &["openapi"]] {
            let message = on_sqlite().set(&[("DATABASE_URL", url)]).fail(arguments);
            assert!(message.starts_with("byline: DATABASE_URL: "), "{message}");
            for part in ["s3", "Cret", "Phrase"] {
                assert!(!message.contains(part), "{url}: {message}");
            }
        }
    }
}

#[test]
fn a_data_directory_that_is_a_file_is_reported_with_its_setting() {
    let installation = on_sqlite().set(&[("DATA_DIR", "./here")]);
    installation.write("here", "");
    let message = fail_at_once(&installation, &[]);
    assert_eq!(message, "byline: DATA_DIR: ./here is not a directory\n");

    let with_key = installation.set(&[("SECRET_KEY", "f3b1c7d92e8a4f60b5d81c3e7a9260f4")]);
    for arguments in [&["serve"][..], &["seed", "--users", "1", "--articles", "1"]] {
        assert_eq!(fail_at_once(&with_key, arguments), message);
    }
    let below = with_key.set(&[("DATA_DIR", "./here/data")]);
    let message = fail_at_once(&below, &[]);
    assert!(
        message.starts_with("byline: DATA_DIR: the directory ./here/data cannot be created: "),
        "{message}"
    );
}

#[test]
fn a_sqlite_path_that_cannot_be_used_is_reported_with_its_setting() {
    let installation = on_sqlite();
    installation.write("file", "no database ".repeat(100).as_str());
    fs::create_dir(installation.path("directory")).unwrap();
    for (url, path) in [
        ("sqlite://file/byline.db", "file/byline.db"),
        ("sqlite:///proc/no/byline.db", "/proc/no/byline.db"),
        ("sqlite://./missing.db?mode=rw", "./missing.db"),
        ("sqlite://./directory", "./directory"),
        ("sqlite://./file", "./file"),
    ] {
        let installation = installation.another().set(&[("DATABASE_URL", url)]);
        let message = fail_at_once(&installation, &[]);
        assert!(message.starts_with("byline: DATABASE_URL: "), "{message}");
        assert!(message.contains(path), "{message}");
    }
}

#[test]
fn a_dotenv_that_cannot_be_read_fails_every_command() {
    let directory = on_sqlite();
    fs::create_dir(directory.path(".env")).unwrap();
    let not_text = on_sqlite();
    fs::write(not_text.path(".env"), b"\xff\xfeP\0").unwrap();
    let dangling = on_sqlite();
    symlink("missing", dangling.path(".env")).unwrap();
    for (installation, why) in [
        (directory, "is a directory"),
        (not_text, "is not UTF-8"),
        (dangling, "cannot be read: No such file"),
    ] {
        for arguments in [
            &["serve"][..],
            &["migrate", "up"],
            &["migrate", "status"],
            &["seed"],
            &["openapi"],
            &["healthcheck"],
        ] {
            let message = installation.fail(arguments);
            assert!(message.starts_with(&format!("byline: .env: {why}")), "{arguments:?}: {message}");
        }
        assert_eq!(installation.files(), [".env"]);
    }
}

#[test]
fn a_dotenv_that_is_a_pipe_is_read() {
    let installation = on_sqlite();
    let path = installation.path(".env");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let writer = std::thread::spawn(move || {
        fs::write(path, "\u{feff}DATABASE_URL=sqlite:///./from-pipe.db\nAPP_NAME=Piped\n").unwrap();
    });
    installation.succeed(&["migrate", "up"]);
    writer.join().unwrap();
    assert_eq!(installation.files(), [".env", "from-pipe.db"]);

    let started = Instant::now();
    let message = installation.fail(&["migrate", "status"]);
    assert!(message.contains(".env: is a pipe to which no program wrote within 5 seconds"), "{message}");
    assert!(started.elapsed() >= Duration::from_secs(5), "{:?}", started.elapsed());
}

#[actix_web::test]
async fn every_command_reports_a_line_that_cannot_be_read_and_reads_the_others() {
    let installation = Installation::new().await;
    installation.write(".env", "APP_NAME='My Blog\nREGISTRATION=closed\nSECRET_KEY\nDATABSE_URL=x\n");
    let expected = "\
        byline: warning: .env: line 1, which sets APP_NAME, cannot be read and is skipped\n\
        byline: warning: .env: SECRET_KEY has no value; write SECRET_KEY=VALUE\n\
        byline: warning: .env: DATABSE_URL is not a setting; did you mean DATABASE_URL?\n";
    for arguments in [
        &["migrate", "up"][..],
        &["migrate", "status"],
        &["migrate", "lint"],
        &["openapi"],
        &["seed", "--users", "1", "--articles", "1"],
    ] {
        let output = installation.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stderr(&output), expected, "{arguments:?}");
    }
    let create = ["user", "create", "--email", "ann@example.com", "--username", "ann"];
    assert_eq!(stderr(&installation.run_with_input(&create, "correct horse battery")), expected);
    assert!(installation.fail(&["healthcheck"]).starts_with(expected));

    let server = installation.serve(&[]);
    for line in expected.lines() {
        let warning = line.strip_prefix("byline: warning: ").unwrap();
        wait_until("the warning is logged", async || server.output().contains(warning)).await;
    }
    let closed = server.client().post("/auth/register", &crate::support::registration("eve")).await;
    closed.expect(StatusCode::FORBIDDEN);
}

#[actix_web::test]
async fn production_refuses_a_misspelt_name_in_dotenv_and_only_warns_in_the_environment() {
    let installation = Installation::production().await;
    installation.succeed(&["migrate", "up"]);
    let server = Installation::production().await.set(&[("DATABSE_URL", "x")]);
    let warning = "byline: warning: DATABSE_URL: is not a setting; did you mean DATABASE_URL?\n";
    assert_eq!(stderr(&server.run(&["migrate", "up"])), warning);

    installation.write(".env", "ACCESS_TOKEN_EXPIRE_MINUTE=5\n");
    for arguments in [&["serve"][..], &["migrate", "status"], &["seed"]] {
        let message = installation.fail(arguments);
        assert!(message.contains("did you mean ACCESS_TOKEN_EXPIRE_MINUTES?"), "{message}");
    }
}

#[actix_web::test]
async fn secrets_are_read_from_files() {
    let installation = Installation::production().await;
    let engine = installation.database.engine();
    let key = "f3b1c7d92e8a4f60b5d81c3e7a9260f4";
    installation.write("key", &format!("{key}\n"));
    installation.write("url", &format!("{}\n", installation.database.url()));
    let installation = installation
        .unset("SECRET_KEY")
        .unset("DATABASE_URL")
        .set(&[("SECRET_KEY_FILE", "key"), ("DATABASE_URL_FILE", "url")]);
    let server = installation.serve(&["serve", "--migrate"]);
    server.client().get("/articles/").await.expect(StatusCode::OK);
    if engine == DbBackend::Sqlite {
        assert!(!installation.path("data").exists(), "another database is used");
    }
    let both = installation.set(&[("SECRET_KEY", key)]);
    let message = both.fail(&[]);
    assert!(message.starts_with("byline: SECRET_KEY: is set, and so is SECRET_KEY_FILE"), "{message}");
    assert!(!message.contains(key), "{message}");
}

#[actix_web::test]
async fn files_that_everyone_can_change_are_refused_in_production_and_reported_in_development() {
    let installation = Installation::new().await;
    installation.serve(&[]).kill();
    for (file, setting) in [("data/secret_key", "SECRET_KEY"), (".env", ".env")] {
        installation.write(".env", "");
        let path = installation.path(file);
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let server = installation.serve(&[]);
        wait_until("it is logged", async || server.output().contains("chmod o-w")).await;
        drop(server);
        let production = installation.another().set(&[
            ("APP_ENV", "production"),
            ("SECRET_KEY", "f3b1c7d92e8a4f60b5d81c3e7a9260f4"),
            ("BCRYPT_COST", "10"),
        ]);
        let message = production.fail(&[]);
        assert!(message.starts_with(&format!("byline: {setting}: every user of this machine")), "{message}");
        fs::set_permissions(&path, before).unwrap();
        production.serve(&[]);
    }
}

#[actix_web::test]
async fn a_database_that_is_behind_is_named() {
    let installation = Installation::production().await;
    let message = installation.fail(&[]);
    let name = match installation.database.engine() {
        DbBackend::Sqlite => "SQLite file ./data/byline.db".to_owned(),
        _ => format!("database {}", installation.database.url().rsplit('/').next().unwrap()),
    };
    assert!(message.contains(&name), "{message}");
    assert!(!installation.path("data").exists(), "a start that was refused created a database");
    let status = String::from_utf8(installation.run(&["migrate", "status"]).stdout).unwrap();
    assert!(status.lines().next().unwrap().ends_with(&name), "{status}");
}

#[actix_web::test]
#[ignore = "needs PostgreSQL"]
async fn every_spelling_of_the_search_path_leads_server_and_migrations_to_its_schema() {
    for (number, parameter) in [
        "search_path=blog%20posts",
        "schema=blog%20posts",
        "options=-c%20search_path=blog%5C%20posts",
        "options[search_path]=blog%20posts",
    ]
    .into_iter()
    .enumerate()
    {
        let database = TestDatabase::postgres().await;
        let connection = Database::connect(database.url()).await.unwrap();
        connection.execute_unprepared("CREATE SCHEMA \"blog posts\"").await.unwrap();
        let sign = if database.url().contains('?') { '&' } else { '?' };
        let value = parameter
            .replace("blog%20posts", "%22blog%20posts%22")
            .replace("blog%5C%20posts", "%22blog%5C%20posts%22");
        let url = format!("{}{sign}{value}", database.url());
        let installation = Installation::on(database).set(&[("DATABASE_URL", &url), ("BCRYPT_COST", "4")]);
        installation.succeed(&["migrate", "up"]);
        let server = installation.serve(&[]);
        server.client().sign_up("ann").await;
        let count = Statement::from_string(
            DbBackend::Postgres,
            "SELECT count(*) FROM \"blog posts\".users WHERE to_regclass('public.users') IS NULL",
        );
        let row = connection.query_one_raw(count).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 1, "{number}: {parameter}");
    }
}
