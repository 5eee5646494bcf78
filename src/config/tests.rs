use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use chrono::TimeDelta;
use secrecy::ExposeSecret;
use tempfile::{TempDir, tempdir};

use super::reader::{RawSettings, names, variable};
use super::*;

mod flags;
mod keys;
mod sources;

const GOOD_KEY: &str = "f3b1c7d92e8a4f60b5d81c3e7a9260f4";

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// With a key, so that none is generated.
fn from_environment(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::from_parts(variables(&[&[("SECRET_KEY", GOOD_KEY)], pairs].concat()), None)
}

fn from_dotenv(text: &str) -> Result<Settings, SettingsError> {
    Settings::from_parts(variables(&[("SECRET_KEY", GOOD_KEY)]), Some(text))
}

fn data_dir() -> (TempDir, Vec<(String, String)>) {
    let dir = tempdir().unwrap();
    let environment = variables(&[("DATA_DIR", dir.path().to_str().unwrap())]);
    (dir, environment)
}

#[test]
fn nothing_needs_to_be_set() {
    let (dir, environment) = data_dir();
    let settings = Settings::from_parts(environment, None).unwrap();

    assert_eq!(settings.app.environment, Environment::Development);
    assert_eq!(settings.app.name, "Byline");
    assert!(!settings.log.debug);
    assert_eq!((settings.http.host.to_string().as_str(), settings.http.port), ("127.0.0.1", 8000));
    assert_eq!(settings.app.data_dir, dir.path());
    assert_eq!(settings.database.url.engine(), Engine::Sqlite);
    assert_eq!(
        settings.database.url.expose(),
        format!("sqlite://{}/byline.db?mode=rwc", dir.path().display())
    );
    assert_eq!(settings.auth.algorithm, Algorithm::HS256);
    assert_eq!(settings.auth.access_token_lifetime, TimeDelta::minutes(30));
    assert!(settings.auth.previous_secret_key.is_none());
    assert_eq!([settings.auth.session_idle, settings.auth.session_max], [30, 365].map(TimeDelta::days));
    assert_eq!((settings.auth.login_limit, settings.auth.check_passwords), (10, true));
    assert_eq!(settings.http.cors_origins, listed(&["http://localhost:3000"]));
    assert_eq!(settings.http.root_path, "");
    assert!(!settings.publishing.public_drafts);
    let article_url = settings.publishing.article_url.as_ref().unwrap();
    assert_eq!(article_url.fill("a", 1), "http://localhost:3000/posts/a");
    assert_eq!(settings.http.max_page_size, Some(1000));
    assert_eq!(settings.http.max_body_bytes, 2 * 1024 * 1024);
    assert_eq!(settings.auth.bcrypt_cost, 12);
    assert_eq!(settings.auth.registration, Registration::Auto);
    assert_eq!(settings.http.request_timeout, Duration::from_secs(30));
    assert_eq!(settings.database.statement_timeout, Duration::from_secs(10));
    assert_eq!(settings.database.acquire_timeout, Duration::from_secs(5));
    assert_eq!(settings.http.shutdown_timeout, Duration::from_secs(30));
    assert!(settings.http.workers >= 1);
    assert_eq!(settings.database.connections, 16);
    assert_eq!(settings.log.filter, "info");
    assert_eq!(settings.log.format, LogFormat::Text);
    assert_eq!(settings.warnings(), Vec::<String>::new());
}

#[test]
fn a_data_directory_that_cannot_be_used_is_an_error() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let problems = Settings::from_parts(variables(&[("DATA_DIR", file.to_str().unwrap())]), None)
        .unwrap_err()
        .to_string();
    assert_eq!(problems, format!("DATA_DIR: {} is not a directory", file.display()));
}

#[test]
fn the_old_blogs_file_starts_byline() {
    let dotenv = r#"# The FastAPI blog
APP_NAME=My $mall Blog   # shown in the documentation
DEBUG=True
DB_PASSWORD='p@ss w$rd%40%23'
DATABASE_URL=postgresql+asyncpg://blog:${DB_PASSWORD}@db.internal:5433/blog?ssl=disable&prepared_statement_cache_size=0

export SECRET_KEY="s3cr#t $igning k\"y \\ of the old blog"
ALGORITHM=HS256
access_token_expire_minutes= 60
BACKEND_CORS_ORIGINS=["http://localhost:3000", "https://blog.example"]
POSTGRES_USER=blog
SMTP_PASSWORD
"#;
    let settings = Settings::from_parts(None, Some(dotenv)).unwrap();

    assert_eq!(settings.app.name, "My $mall Blog");
    assert!(settings.log.debug);
    assert_eq!(settings.auth.secret_key.expose_secret(), r#"s3cr#t $igning k"y \ of the old blog"#);
    assert_eq!(settings.auth.access_token_lifetime, TimeDelta::minutes(60));
    assert_eq!(settings.http.cors_origins, listed(&["http://localhost:3000", "https://blog.example"]));
    assert_eq!(settings.database.url.engine(), Engine::Postgres);
    assert_eq!(
        settings.database.url.expose(),
        "postgres://?host=db.internal&port=5433&user=blog&password=p%40ss+w%24rd%40%23&dbname=blog&sslmode=disable"
    );
    assert_eq!(settings.database.pgbouncer, PgBouncer::Transaction);
    assert_eq!(settings.warnings(), [""; 0]);
}

#[test]
fn the_environment_takes_precedence_over_the_file_and_names_are_case_insensitive() {
    let environment =
        variables(&[("Port", "1"), ("secret_key", GOOD_KEY), ("UNKNOWN", "x"), ("PATH", "/bin")]);
    let settings =
        Settings::from_parts(environment, Some("PORT=2\nhost=::1\nBacKend_Cors_Origins=[]")).unwrap();
    assert_eq!((settings.http.port, settings.http.host.to_string().as_str()), (1, "::1"));
    assert_eq!(settings.http.cors_origins, Origins::Listed(vec![]));
}

#[test]
fn values_that_look_like_numbers_stay_text() {
    let key = "0012e3456789012345678901234567890e12";
    let settings = from_environment(&[("SECRET_KEY", key), ("APP_NAME", "007"), ("HOST", "true")]).unwrap();
    assert_eq!(settings.auth.secret_key.expose_secret(), key);
    assert_eq!((settings.app.name.as_str(), settings.http.host.to_string().as_str()), ("007", "true"));
}

#[test]
fn all_settings_can_be_set() {
    let settings = from_environment(&[
        ("APP_ENV", "production"),
        ("DEBUG", "on"),
        ("DOCS", "off"),
        ("PORT", "0"),
        ("ROOT_PATH", "/blog/v1"),
        ("ALGORITHM", "HS512"),
        ("SECRET_KEY_PREVIOUS", "x"),
        ("SESSION_IDLE_DAYS", "1"),
        ("SESSION_MAX_DAYS", "2"),
        ("LOGIN_LIMIT", "0"),
        ("CHECK_PASSWORDS", "off"),
        ("BACKEND_CORS_ORIGINS", r#"["https://a.example", "*"]"#),
        ("PUBLIC_DRAFTS", "yes"),
        ("PUBLIC_URL", "https://blog.example"),
        ("ARTICLE_URL", "https://blog.example/{id}"),
        ("MAX_PAGE_SIZE", "0"),
        ("MAX_BODY_BYTES", "1_024"),
        ("BCRYPT_COST", "10"),
        ("REQUEST_TIMEOUT_SECONDS", "1"),
        ("STATEMENT_TIMEOUT_SECONDS", "2"),
        ("ACQUIRE_TIMEOUT_SECONDS", "3"),
        ("DRAIN_SECONDS", "0"),
        ("SHUTDOWN_TIMEOUT_SECONDS", "0"),
        ("WORKERS", "3"),
        ("DATABASE_CONNECTIONS", "4"),
        ("LOG", "warn,byline=debug"),
        ("LOG_FORMAT", "json"),
    ])
    .unwrap();
    assert_eq!(settings.app.environment, Environment::Production);
    assert!(settings.log.debug && settings.publishing.public_drafts && !settings.app.docs);
    assert_eq!((settings.http.port, settings.http.root_path.as_str()), (0, "/blog/v1"));
    assert_eq!(settings.auth.algorithm, Algorithm::HS512);
    assert_eq!(settings.auth.previous_secret_key.unwrap().expose_secret(), "x");
    assert_eq!([settings.auth.session_idle, settings.auth.session_max], [1, 2].map(TimeDelta::days));
    assert_eq!((settings.auth.login_limit, settings.auth.check_passwords), (0, false));
    assert_eq!(settings.http.cors_origins, Origins::Any);
    assert_eq!(settings.http.max_page_size, None);
    assert_eq!((settings.http.max_body_bytes, settings.auth.bcrypt_cost), (1024, 10));
    let seconds = [
        settings.http.request_timeout,
        settings.database.statement_timeout,
        settings.database.acquire_timeout,
        settings.http.shutdown_timeout,
    ];
    assert_eq!(seconds, [1, 2, 3, 0].map(Duration::from_secs));
    assert_eq!((settings.http.workers, settings.database.connections), (3, 4));
    assert_eq!((settings.log.filter.as_str(), settings.log.format), ("warn,byline=debug", LogFormat::Json));
}

#[test]
fn production_closes_registration_unless_it_is_set() {
    let registration = |pairs: &[(&str, &str)]| from_environment(pairs).unwrap().auth.registration;
    assert_eq!(registration(&[("APP_ENV", "production")]), Registration::Closed);
    assert_eq!(registration(&[("APP_ENV", "production"), ("REGISTRATION", "open")]), Registration::Open);
    assert_eq!(registration(&[("REGISTRATION", "closed")]), Registration::Closed);
    assert_eq!(from_dotenv("APP_ENV=production").unwrap().auth.registration, Registration::Closed);
    let overridden = Settings::from_parts(
        variables(&[("APP_ENV", "development"), ("SECRET_KEY", GOOD_KEY)]),
        Some("APP_ENV=production"),
    );
    assert_eq!(overridden.unwrap().auth.registration, Registration::Auto);
}

#[test]
fn only_a_database_that_was_taken_over_closes_registration_by_itself() {
    for (set, new, adopted) in [
        (Registration::Auto, Registration::Open, Registration::Closed),
        (Registration::Open, Registration::Open, Registration::Open),
        (Registration::Closed, Registration::Closed, Registration::Closed),
    ] {
        assert_eq!((set.resolve(false), set.resolve(true)), (new, adopted));
    }
}

#[test]
fn every_error_is_reported_at_once_by_name_and_contains_no_secret() {
    let problems = from_environment(&[
        ("APP_ENV", "prod"),
        ("APP_NAME", " "),
        ("DEBUG", "maybe"),
        ("DOCS", "maybe"),
        ("HOST", ""),
        ("PORT", "65536"),
        ("TLS_CERT", ""),
        ("TLS_KEY", " "),
        ("ROOT_PATH", "api/"),
        ("DATA_DIR", ""),
        ("DATABASE_URL", "mysql://u:hunter2@h/d"),
        ("SECRET_KEY", ""),
        ("SECRET_KEY_PREVIOUS", ""),
        ("ALGORITHM", "none"),
        ("SESSION_IDLE_DAYS", "0"),
        ("SESSION_MAX_DAYS", "3651"),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", "0"),
        ("BACKEND_CORS_ORIGINS", "http://a,http://b"),
        ("TRUSTED_PROXIES", "10.0.0.0/8"),
        ("PUBLIC_DRAFTS", ""),
        ("DEFAULT_FORMAT", "word"),
        ("MAX_REVISIONS", "-1"),
        ("SEARCH_LANGUAGE", "klingon"),
        ("PUBLIC_URL", "blog.example"),
        ("ARTICLE_URL", "https://blog.example/posts"),
        ("MAX_PAGE_SIZE", "-1"),
        ("MAX_PAGE_BYTES", "32 MiB"),
        ("WRITE_TIMEOUT_SECONDS", "0"),
        ("MAX_BODY_BYTES", "2 MiB"),
        ("BCRYPT_COST", "3"),
        ("LOGIN_LIMIT", "-1"),
        ("CHECK_PASSWORDS", "maybe"),
        ("REGISTRATION", "Open"),
        ("SMTP_URL", "http://u:hunter2@h"),
        ("MAIL_FROM", "nobody"),
        ("EMAIL_VERIFICATION", "yes"),
        ("PASSWORD_RESET_URL", "https://blog.example/"),
        ("EMAIL_CONFIRM_URL", "{token}"),
        ("REQUEST_TIMEOUT_SECONDS", "0"),
        ("STATEMENT_TIMEOUT_SECONDS", "1.5"),
        ("ACQUIRE_TIMEOUT_SECONDS", "5s"),
        ("DRAIN_SECONDS", "soon"),
        ("SHUTDOWN_TIMEOUT_SECONDS", "-1"),
        ("WORKERS", "0"),
        ("DATABASE_CONNECTIONS", "0"),
        ("CACHE_BYTES", "-1"),
        ("ACCEPT_NEWER_DATABASE", "perhaps"),
        ("PGBOUNCER", "statement"),
        ("DATABASE_DIRECT_URL", "sqlite://./hunter2"),
        ("LOG", "a=b=c"),
        ("LOG_FORMAT", "xml"),
        ("METRICS_BIND", "9464"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://u:hunter2@h"),
    ])
    .unwrap_err()
    .to_string();

    let mut named: Vec<&str> = problems.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    named.sort_unstable();
    let mut expected: Vec<String> = names().iter().map(|name| name.to_uppercase()).collect();
    expected.sort_unstable();
    assert_eq!(named, expected, "{problems}");
    assert!(problems.contains(r#"APP_ENV: must be development or production, not "prod""#), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn production_reports_everything_that_is_unsafe_at_once() {
    let problems = |pairs: &[(&str, &str)]| {
        Settings::from_parts(variables(&[&[("APP_ENV", "production")], pairs].concat()), None)
            .unwrap_err()
            .to_string()
    };
    let all = problems(&[("SECRET_KEY", "hunter2-changeme"), ("BCRYPT_COST", "9"), ("DEBUG", "x")]);
    assert_eq!(
        all.lines().collect::<Vec<_>>(),
        [
            "SECRET_KEY: is shorter than 32 bytes; generate a key with `openssl rand -hex 32`",
            "SECRET_KEY: is a placeholder; generate a key with `openssl rand -hex 32`",
            r#"BCRYPT_COST: must be a whole number from 10 to 31, not "9""#,
            r#"DEBUG: must be true or false, not "x""#,
        ]
    );
    let (dir, environment) = data_dir();
    let data = environment[0].1.as_str();
    assert!(problems(&[("DATA_DIR", data)]).starts_with("SECRET_KEY: production requires a key"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "production generates no key");
    assert_eq!(problems(&[("SECRET_KEY", "")]), "SECRET_KEY: is empty");
}

#[test]
fn an_error_in_production_has_the_database_if_that_is_valid() {
    let database = |pairs: &[(&str, &str)]| {
        let error = from_environment(&[pairs, &[("PORT", "x")]].concat()).unwrap_err();
        error.database().map(ToString::to_string)
    };
    let production = ("APP_ENV", "production");
    assert_eq!(database(&[production]).as_deref(), Some("sqlite://./data/byline.db?mode=rwc"));
    assert_eq!(
        database(&[production, ("DATABASE_URL", "postgres://h:5432/d")]).as_deref(),
        Some("postgres://h:5432/d")
    );
    assert_eq!(database(&[production, ("DATABASE_URL", "mysql://h/d")]), None);
    assert_eq!(database(&[production, ("DATA_DIR", "")]), None);
    assert_eq!(database(&[]), None);

    let mut error = SettingsError::default();
    let not_unicode = OsString::from_vec(b"postgres://h/\xff".to_vec());
    assert_eq!(variable("database_url".as_ref(), not_unicode, &mut error), None);
    let environment = variables(&[production, ("SECRET_KEY", GOOD_KEY)]);
    let error = Settings::check(environment, &TextFile::default(), Purpose::Server, error).unwrap_err();
    assert_eq!(error.to_string(), "DATABASE_URL: is not valid UTF-8");
    assert!(error.database().is_none(), "the default is not the database that was meant");
}

/// These origins, one by one.
fn listed(origins: &[&str]) -> Origins {
    Origins::Listed(origins.iter().map(|origin| Origin::Exact((*origin).to_owned())).collect())
}

#[test]
fn origins_that_no_browser_sends_are_ignored_with_a_warning() {
    let settings = from_environment(&[("BACKEND_CORS_ORIGINS", r#"["http://a/", "http://a"]"#)]).unwrap();
    assert_eq!(settings.http.cors_origins, listed(&["http://a"]));
    let warnings = settings.warnings().join("\n");
    assert!(
        warnings.starts_with(
            r#"BACKEND_CORS_ORIGINS: no browser sends the origin "http://a/", so it is ignored"#
        ),
        "{warnings}"
    );
}

#[test]
fn a_line_that_cannot_be_read_is_a_warning() {
    let settings = from_dotenv("PORT=1\nHOST=\"x\nDEBUG=1").unwrap();
    assert_eq!(
        (settings.http.port, settings.log.debug, settings.http.host.to_string().as_str()),
        (1, true, "127.0.0.1")
    );
    assert_eq!(settings.warnings(), [".env: line 2, which sets HOST, cannot be read and is skipped"]);
    let settings = from_dotenv("PORT=1\ns3cret value\nAPP_NAME").unwrap();
    assert_eq!(
        settings.warnings(),
        [".env: line 2 cannot be read and is skipped", ".env: APP_NAME has no value; write APP_NAME=VALUE"]
    );
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!(
        "{:?}",
        from_environment(&[
            ("SECRET_KEY", "hunter2hunter2hunter2hunter2 hun"),
            ("DATABASE_URL", "postgresql://u:hunter3@h/d?ssl=require"),
        ])
        .unwrap()
    );
    assert!(!shown.contains("hunter2") && !shown.contains("hunter3"), "{shown}");
    assert!(shown.contains("secret_key: SecretBox<str>([REDACTED])"), "{shown}");
    assert!(shown.contains("DatabaseUrl(postgres://u:[redacted]@h/d)"), "{shown}");
}

#[test]
fn an_unknown_name_in_a_file_is_an_error_that_names_it() {
    let Err(error) = RawSettings::layered("prot = 80", HashMap::new()) else {
        panic!("the misspelt name is not reported");
    };
    assert!(error.to_string().contains("prot"), "{error}");
}
