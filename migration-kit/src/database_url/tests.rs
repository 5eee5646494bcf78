use std::{
    fs::{Permissions, metadata, set_permissions, write},
    os::unix::fs::PermissionsExt as _,
};

use sqlx::ConnectOptions as _;
use tempfile::tempdir;

use super::*;

fn read(text: &str) -> DatabaseUrl {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn for_sqlx(text: &str) -> PgConnectOptions {
    let url = read(text);
    assert_eq!(url.engine(), Engine::Postgres);
    assert!(url.expose().starts_with("postgres://"), "{}", url.expose());
    url.expose().parse().unwrap()
}

/// sqlx exposes the password only as part of a URL, in which it does not escape the other parts.
fn password(options: &PgConnectOptions) -> Option<String> {
    options.clone().host("h").username("u").database("d").to_url_lossy().password().map(decode)
}

#[test]
fn user_password_host_port_and_database_reach_sqlx() {
    for (text, user, secret, host, port, database) in [
        ("postgresql+asyncpg://blog:pw@db.example:5433/blog", "blog", "pw", "db.example", 5433, "blog"),
        ("postgresql+psycopg2://blog:pw@db/blog", "blog", "pw", "db", 5432, "blog"),
        ("postgresql+psycopg://blog:pw@db/blog", "blog", "pw", "db", 5432, "blog"),
        ("postgres://blog:pw@10.0.0.7/blog", "blog", "pw", "10.0.0.7", 5432, "blog"),
        ("postgresql://b:a$e f%40g+h:i@db/my blog", "b", "a$e f@g+h:i", "db", 5432, "my blog"),
        ("postgresql://b:%23%3F%2F@db/d", "b", "#?/", "db", 5432, "d"),
        ("postgresql+asyncpg://b:p@ss@db/d", "b", "p@ss", "db", 5432, "d"),
        ("postgresql://b@realm:p@@w@rd:@db:5433/d", "b@realm", "p@@w@rd:", "db", 5433, "d"),
        ("postgresql://b:p@ss@[::1]:5433/d", "b", "p@ss", "::1", 5433, "d"),
        ("  PostgreSQL://b:pw@db/d\n", "b", "pw", "db", 5432, "d"),
        ("postgresql://u%3Aa:50%off%zz%25@h/d%40b", "u:a", "50%off%zz%", "h", 5432, "d@b"),
        ("postgresql://user@realm:pw@h/db", "user@realm", "pw", "h", 5432, "db"),
        ("postgresql://jörg:größe&=[]{}|\\^`<>\"@h/d%23b", "jörg", "größe&=[]{}|\\^`<>\"", "h", 5432, "d#b"),
        ("postgresql://u:p@[::1]:5433/db", "u", "p", "::1", 5433, "db"),
        ("postgresql://u:p@[2001:db8::1]/db?ssl=require", "u", "p", "2001:db8::1", 5432, "db"),
        ("postgresql://u:p@h:/db", "u", "p", "h", 5432, "db"),
        ("postgresql://u:p@h/db?host=other:5434", "u", "p", "other", 5434, "db"),
        ("postgresql://h/db?user=u&password=p%26q&port=5435&dbname=x", "u", "p&q", "h", 5435, "x"),
        ("postgresql:///db?host=h&user=u&password=p+q", "u", "p q", "h", 5432, "db"),
    ] {
        let options = for_sqlx(text);
        assert_eq!(options.get_username(), user, "{text}");
        assert_eq!(password(&options).as_deref(), Some(secret), "{text}");
        assert_eq!(options.get_host(), host, "{text}");
        assert_eq!(options.get_port(), port, "{text}");
        assert_eq!(options.get_database(), Some(database), "{text}");
    }
}

#[test]
fn a_unix_socket_is_named_by_a_parameter_or_an_escaped_host() {
    for text in [
        "postgresql://u:p@/db?host=/var/run/postgresql",
        "postgresql+asyncpg://u:p@h/db?host=/var/run/postgresql",
        "postgres://u:p@%2Fvar%2Frun%2Fpostgresql/db",
        "postgresql://u:p@ss@/db?host=/var/run/postgresql&application_name=a@b",
        "postgresql://u:p@:5433/db?host=/var/run/postgresql",
        "postgresql:///db?host=/var/run/postgresql&user=u&password=p@ss",
    ] {
        let options = for_sqlx(text);
        let socket = options.get_socket().unwrap().to_str().unwrap();
        assert_eq!(socket.trim_end_matches('/'), "/var/run/postgresql", "{text}");
        assert_eq!((options.get_username(), options.get_database()), ("u", Some("db")), "{text}");
    }
}

#[test]
fn a_password_may_be_missing_or_empty() {
    let options = for_sqlx("postgresql://u@h:1/d");
    assert_eq!((options.get_username(), options.get_host(), options.get_port()), ("u", "h", 1));
    assert_eq!(read("postgresql://u@h:1/d").to_string(), "postgres://u@h:1/d");
    assert_eq!(for_sqlx("postgresql://u:@h/d").get_host(), "h");
    assert_eq!(for_sqlx("postgresql://h/db?application_name=a@b").get_host(), "h");
}

#[test]
fn asyncpgs_ssl_becomes_sslmode() {
    for (written, mode) in [
        ("ssl=require", "require"),
        ("ssl=true", "require"),
        ("ssl=True", "require"),
        ("ssl=disable", "disable"),
        ("ssl=false", "disable"),
        ("ssl=prefer", "prefer"),
        ("ssl=allow", "allow"),
        ("ssl=verify-ca", "verify-ca"),
        ("ssl=verify-full", "verify-full"),
        ("ssl=verify_full", "verify-full"),
        ("sslmode=verify-full", "verify-full"),
    ] {
        let text = format!("postgresql+asyncpg://u:p@h/d?{written}");
        assert!(read(&text).expose().ends_with(&format!("&sslmode={mode}")), "{written}");
        for_sqlx(&text);
    }
}

#[test]
fn parameters_of_other_drivers_are_ignored_and_reported() {
    let url = read(
        "postgresql+asyncpg://u:p@h/d?prepared_statement_cache_size=0&command_timeout=5&ssl=require\
         &server_settings={}&application_name=my+blog&options=-c%20geqo%3Doff&blank=&sslrootcert=/a%20b.pem",
    );
    assert_eq!(
        url.ignored().collect::<Vec<_>>(),
        ["command_timeout", "prepared_statement_cache_size", "server_settings"]
    );
    assert!(!url.expose().contains("timeout"), "{}", url.expose());
    let options = for_sqlx(url.expose());
    assert_eq!(options.get_application_name(), Some("my blog"));
    assert_eq!(options.get_options(), Some("-c geqo=off"));
    assert!(url.expose().contains("sslrootcert=%2Fa+b.pem"), "{}", url.expose());
}

#[test]
fn a_normalised_url_does_not_change_when_it_is_read_again() {
    for text in [
        "postgresql+asyncpg://b:a@b%2Fc$d e+f@db:5433/my blog?ssl=disable",
        "postgresql://u:p@/db?host=/run/postgresql",
        "postgresql://u:p@[::1]:5/db",
        "sqlite://data/byline.db",
    ] {
        let once = read(text);
        assert_eq!(read(once.expose()).expose(), once.expose());
    }
}

#[test]
fn a_missing_sqlite_file_is_created_unless_the_url_sets_a_mode() {
    for (text, url) in [
        ("sqlite://data/byline.db", "sqlite://data/byline.db?mode=rwc"),
        ("sqlite:///var/lib/byline.db", "sqlite:///var/lib/byline.db?mode=rwc"),
        ("sqlite:byline.db?cache=private", "sqlite:byline.db?cache=private&mode=rwc"),
        ("sqlite://byline.db?mode=ro", "sqlite://byline.db?mode=ro"),
        ("sqlite::memory:", "sqlite::memory:"),
        ("sqlite:///./data/byline.db", "sqlite://./data/byline.db?mode=rwc"),
        ("sqlite:///../byline.db?mode=rw", "sqlite://../byline.db?mode=rw"),
        ("sqlite:///.hidden/byline.db", "sqlite:///.hidden/byline.db?mode=rwc"),
        ("sqlite:///a/../b.db", "sqlite:///a/../b.db?mode=rwc"),
        ("sqlite:///:memory:", "sqlite::memory:"),
    ] {
        assert_eq!(read(text).expose(), url);
        assert_eq!(read(text).engine(), Engine::Sqlite);
    }
}

#[test]
fn a_sqlite_file_may_be_in_any_directory() {
    let url = DatabaseUrl::sqlite_file("/tmp/50% off?/a b#c/größe.db");
    let options = SqliteConnectOptions::from_str(url.expose()).unwrap();
    assert_eq!(options.get_filename().to_str(), Some("/tmp/50% off?/a b#c/größe.db"));
}

#[test]
fn the_error_for_an_invalid_url_does_not_contain_the_password() {
    for (text, why) in [
        ("", "must start with"),
        ("hunter2", "must start with"),
        ("mysql://u:hunter2@h/d", "must start with"),
        ("hunter2://u:hunter2@h/d", "must start with"),
        ("postgresql+asyncpg:u:hunter2@h/d", "must start with"),
        ("postgresql://u:hunter2", "port"),
        ("postgresql://u:hun/ter2@h/d", "port"),
        ("postgresql://u:hun?ter2@h/d", "port"),
        ("postgresql://u:hun#ter2@h/d", "port"),
        ("postgresql://u:hun@ter2/x@h/d", "%2F"),
        ("postgresql://u:hun@Super/ter2@h", "%2F"),
        ("postgresql://u:hun@Super?ter2@h/d", "%3F"),
        ("postgresql://u:hun@Super?ter2=x@h/d", "%3F"),
        ("postgresql://u:hun@Super#ter2@h/d", "%23"),
        ("postgresql://u:hunter2@h/d?host=ter2@x", "%2F"),
        ("postgresql://u:5/hunter2@h/d", "%2F"),
        ("postgresql://u:5?hunter2@h/d", "%3F"),
        ("postgresql://u:5#hunter2@h/d", "%23"),
        ("postgresql://u/hunter2:x@h:hunter2/d", "%2F"),
        ("postgresql://u:hunter2@h er/d", "malformed"),
        ("postgresql://u:hunter2@[::zz]/d", "malformed"),
        ("postgresql://hunter2@:x/d", "port"),
        ("postgresql://u:hunter2@h:0/d", "port"),
        ("postgresql://u:hunter2@h:65536/d", "port"),
        ("postgresql://u:hunter2@[::1]x/d", "malformed"),
        ("postgresql://u:hunter2@a,b/d", "several hosts"),
        ("postgresql://u:hunter2@/d?host=a:1,b:2", "several hosts"),
        ("postgresql://u:hunter2@h/d?ssl=hunter2", "ssl mode"),
        ("postgresql://u:hunter2@h/d?statement-cache-capacity=hunter2", "cannot be used"),
        ("postgresql://u:hunter2@h/d?hostaddr=hunter2", "cannot be used"),
        ("sqlite://", "names no file"),
        ("sqlite+aiosqlite:///./hunter2.db", "sqlite://PATH"),
        ("sqlite://a.db?mode=x", "cannot be used"),
    ] {
        let error = text.parse::<DatabaseUrl>().expect_err(text).to_string();
        assert!(error.contains(why), "{text}: {error}");
        assert!(!error.contains("hun") && !error.contains("ter2"), "{text}: {error}");
    }
}

#[test]
fn neither_display_nor_debug_shows_a_password() {
    let url = read("postgresql+asyncpg://blog:hunter2@[::1]:5433/blog?password=hunter2&options=hunter2");
    assert_eq!(url.to_string(), "postgres://blog:[redacted]@[::1]:5433/blog");
    assert_eq!(format!("{url:?}"), "DatabaseUrl(postgres://blog:[redacted]@[::1]:5433/blog)");
    assert!(url.expose().contains("hunter2"));
}

#[test]
fn a_sqlite_file_is_created_for_its_owner_only() {
    let home = tempdir().unwrap();
    let file = home.path().join("a b/c/byline.db");
    let url = DatabaseUrl::sqlite_file(file.to_str().unwrap());
    url.create_file().unwrap();
    let mode = |path: &Path| metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));

    set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    url.create_file().unwrap();
    assert_eq!(mode(&file), 0o640, "an existing file is changed");
}

#[test]
fn a_sqlite_file_is_created_only_if_the_url_allows_it() {
    let home = tempdir().unwrap();
    let path = home.path().join("byline.db");
    for query in ["mode=ro", "mode=rw", "mode=memory", "cache=private&mode=rw"] {
        read(&format!("sqlite://{}?{query}", path.display())).create_file().unwrap();
        assert!(!path.exists(), "{query}");
    }
    read(&format!("sqlite://{}?cache=private", path.display())).create_file().unwrap();
    assert!(path.exists());
    for url in ["sqlite::memory:", "sqlite:///:memory:", "postgresql://h/d"] {
        assert_eq!(read(url).file(), None, "{url}");
    }
}

#[test]
fn a_directory_that_cannot_be_created_is_an_error() {
    let home = tempdir().unwrap();
    write(home.path().join("file"), "").unwrap();
    let url = read(&format!("sqlite://{}/file/byline.db", home.path().display()));
    url.create_file().unwrap_err();
}
