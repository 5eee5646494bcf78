//! Settings that flags of the command line set.

use super::*;

fn with_flags(
    flags: &[(&str, &str)],
    environment: &[(&str, &str)],
    dotenv: &str,
) -> Result<Settings, SettingsError> {
    let environment = variables(&[environment, &[("SECRET_KEY", GOOD_KEY)]].concat());
    let report = SettingsError::new(Flags::new(variables(flags), None));
    Settings::check(environment, &dotenv.to_owned().into(), Purpose::Server, report)
}

#[test]
fn a_flag_takes_precedence_over_the_environment_and_the_file() {
    let settings =
        with_flags(&[("PORT", "1")], &[("PORT", "2"), ("HOST", "::2")], "PORT=3\nHOST=::3\nDEBUG=1");
    let settings = settings.unwrap();
    assert_eq!(
        (settings.http.port, settings.http.host.to_string(), settings.log.debug),
        (1, "::2".to_owned(), true)
    );
}

#[test]
fn a_flag_chooses_the_defaults_of_production() {
    let settings = with_flags(&[("APP_ENV", "production")], &[("APP_ENV", "development")], "").unwrap();
    assert_eq!(settings.auth.registration, Registration::Closed);
    let settings = with_flags(&[("APP_ENV", "development")], &[], "APP_ENV=production").unwrap();
    assert_eq!(settings.auth.registration, Registration::Auto);
    let misspelt = with_flags(&[("APP_ENV", "production")], &[], "DATABSE_URL=x").unwrap_err().to_string();
    assert_eq!(misspelt, ".env: DATABSE_URL is not a setting; did you mean DATABASE_URL?");
}

#[test]
fn an_error_names_the_flag_that_set_the_value() {
    let error = with_flags(
        &[("PORT", "65536"), ("DATA_DIR", ""), ("TRUSTED_PROXIES", "nginx")],
        &[("PORT", "1"), ("WORKERS", "0")],
        "MAX_PAGE_SIZE=x",
    );
    let error = error.unwrap_err().to_string();
    let named: Vec<&str> = error.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    assert_eq!(named, ["--data-dir", "--port", "WORKERS", "--trusted-proxies", "MAX_PAGE_SIZE"], "{error}");
}

#[test]
fn a_warning_names_the_flag_that_set_the_value() {
    let settings = with_flags(&[("TRUSTED_PROXIES", r#"["0.0.0.0/0"]"#)], &[], "").unwrap();
    assert!(
        settings.warnings()[0].starts_with("--trusted-proxies: with 0.0.0.0/0"),
        "{:?}",
        settings.warnings()
    );
}

#[test]
fn a_database_url_with_a_password_is_refused_as_a_flag() {
    for name in ["DATABASE_URL", "DATABASE_DIRECT_URL"] {
        for url in [
            "postgres://u:hunter2@h/d",
            "postgresql+asyncpg://:hunter2@h/d",
            "postgres://u@h/d?password=hunter2",
            "postgres:///d?user=u&password=hunter2&sslmode=disable",
        ] {
            let error = with_flags(&[(name, url)], &[], "").unwrap_err().to_string();
            let flag = format!("--{}: contains a password", name.to_lowercase().replace('_', "-"));
            assert!(error.starts_with(&flag) && error.contains(&format!("{name}_FILE")), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}

#[test]
fn a_database_url_without_a_password_is_a_flag() {
    for (url, shown) in [
        ("postgres://u@h:5432/d", "postgres://u@h:5432/d"),
        ("sqlite://./password=x.db", "sqlite://./password=x.db?mode=rwc"),
    ] {
        let settings = with_flags(&[("DATABASE_URL", url)], &[("DATABASE_URL", "postgres://u:p@h/d")], "");
        assert_eq!(settings.unwrap().database.url.to_string(), shown);
    }
    let environment = [("DATABASE_URL", "postgres://u:p@h/d"), ("DATABASE_DIRECT_URL", "postgres://u:p@h/d")];
    with_flags(&[("PORT", "1")], &environment, "").unwrap();
}

#[test]
fn a_flag_replaces_the_file_of_a_secret() {
    let settings = with_flags(
        &[("DATABASE_URL", "sqlite://flag.db")],
        &[("DATABASE_URL_FILE", "/missing")],
        "DATABASE_URL=sqlite://file.db",
    );
    assert_eq!(settings.unwrap().database.url.to_string(), "sqlite://flag.db?mode=rwc");
}

#[test]
fn mistakes_in_values_that_a_flag_replaces_are_not_reported() {
    let mut report = SettingsError::new(Flags::new(variables(&[("HOST", "::1")]), None));
    let not_unicode = OsString::from_vec(b"\xff".to_vec());
    assert_eq!(variable("host".as_ref(), not_unicode, &mut report), None);
    let environment = variables(&[("SECRET_KEY", GOOD_KEY), ("HOST", "'::2'")]);
    let settings = Settings::check(environment, &TextFile::default(), Purpose::Server, report).unwrap();
    assert_eq!((settings.http.host.to_string(), settings.warnings().len()), ("::1".to_owned(), 0));
}

#[test]
fn messages_name_the_file_that_replaces_dotenv() {
    let report = SettingsError::new(Flags::new(None, Some("/etc/byline/byline.env".into())));
    let dotenv = TextFile { text: "PORT 1".to_owned(), is_writable_by_others: true };
    let environment = variables(&[("SECRET_KEY", GOOD_KEY)]);
    let settings = Settings::check(environment, &dotenv, Purpose::Server, report).unwrap();
    assert_eq!(
        settings.warnings(),
        [
            "/etc/byline/byline.env: every user of this machine can change the file; run `chmod o-w /etc/byline/byline.env`",
            "/etc/byline/byline.env: line 1, which sets PORT, cannot be read and is skipped",
        ]
    );
}

#[test]
fn a_later_message_names_flags_at_the_beginning_of_its_lines() {
    let flags = Flags::new(variables(&[("PORT", "80"), ("DATA_DIR", "/x")]), None);
    for (message, named) in [
        ("PORT: 127.0.0.1:80 cannot be used", "--port: 127.0.0.1:80 cannot be used"),
        ("HOST: x\nDATA_DIR: PORT: y", "HOST: x\n--data-dir: PORT: y"),
        ("the PORT: z", "the PORT: z"),
        ("", ""),
    ] {
        assert_eq!(flags.name_in(message), named);
    }
}

#[test]
fn debug_shows_no_value_of_a_flag() {
    let flags = Flags::new(variables(&[("DATABASE_URL", "postgres://u:hunter2@h/d")]), None);
    assert_eq!(format!("{flags:?}"), r#"{"DATABASE_URL"}"#);
}
