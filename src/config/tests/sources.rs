//! Values that would be lost: misspelt names, unreadable lines, quotes, files of secrets.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn a_byte_order_mark_does_not_hide_the_first_setting() {
    assert_eq!(from_dotenv("\u{feff}PORT=1\nHOST=::1").unwrap().http.port, 1);
}

#[test]
fn misspelt_names_are_refused_in_a_file_in_production() {
    let dotenv = "DATABSE_URL=postgres://u:hunter2@h/d\nACCESS_TOKEN_EXPIRE_MINUTE\nDB_PASSWORD=x\n";
    let production = variables(&[("APP_ENV", "production"), ("SECRET_KEY", GOOD_KEY)]);
    let error = Settings::from_parts(production, Some(dotenv)).unwrap_err();
    assert_eq!(
        error.to_string(),
        ".env: ACCESS_TOKEN_EXPIRE_MINUTE is not a setting; did you mean ACCESS_TOKEN_EXPIRE_MINUTES?\n\
         .env: DATABSE_URL is not a setting; did you mean DATABASE_URL?"
    );
    assert!(error.database().is_none(), "the default is not the database that was meant");

    let settings = from_dotenv(dotenv).unwrap();
    assert_eq!(settings.warnings().join("\n"), error.to_string());
    assert!(Settings::from_parts(None, Some(&format!("{dotenv}APP_ENV=production"))).is_err());
}

#[test]
fn misspelt_names_are_warned_about_in_the_environment() {
    for mode in ["production", "development"] {
        let settings =
            from_environment(&[("APP_ENV", mode), ("DB_URL", "x"), ("Secret-Key", "x"), ("USER", "x")])
                .unwrap();
        assert_eq!(
            settings.warnings(),
            [
                "DB_URL: is not a setting; did you mean DATABASE_URL?",
                "SECRET-KEY: is not a setting; did you mean SECRET_KEY?"
            ],
            "{mode}"
        );
    }
}

#[test]
fn a_variable_of_the_file_is_not_a_misspelt_name() {
    let settings = from_dotenv("DB_URL=sqlite://a.db\nAPP_ENV=production\nDATABASE_URL=${DB_URL}").unwrap();
    assert_eq!(settings.database.url.to_string(), "sqlite://a.db?mode=rwc");
    assert_eq!(settings.warnings(), Vec::<String>::new());
}

#[test]
fn secrets_can_be_in_files_of_their_own() {
    let dir = tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let url = file("url", "\u{feff}postgres://u:p@h:5432/d\r\n");
    for (text, key) in [
        (format!("{GOOD_KEY}\n"), GOOD_KEY.to_owned()),
        (GOOD_KEY.to_owned(), GOOD_KEY.to_owned()),
        (format!("{GOOD_KEY}\n\n"), format!("{GOOD_KEY}\n")),
        (format!(" {GOOD_KEY} \r"), format!(" {GOOD_KEY} \r")),
    ] {
        let environment = variables(&[("secret_key_file", &file("key", &text)), ("APP_ENV", "production")]);
        let settings = Settings::from_parts(environment, Some(&format!("DATABASE_URL_FILE={url}"))).unwrap();
        assert_eq!(settings.auth.secret_key.expose_secret(), key);
        assert_eq!(settings.database.url.to_string(), "postgres://u:[redacted]@h:5432/d");
        assert_eq!(settings.warnings(), Vec::<String>::new());
    }
}

#[test]
fn a_secret_that_is_set_twice_or_whose_file_is_unreadable_is_an_error() {
    let dir = tempdir().unwrap();
    let missing = dir.path().join("missing").display().to_string();
    let dir = dir.path().display().to_string();
    let problems = |pairs: &[(&str, &str)], dotenv: &str| {
        let error = Settings::from_parts(variables(pairs), Some(dotenv)).unwrap_err();
        let names_database = pairs.iter().any(|(name, _)| *name == "DATABASE_URL_FILE");
        assert!(error.database().is_none() || !names_database, "{error}");
        error.to_string()
    };
    let production = ("APP_ENV", "production");
    assert_eq!(
        problems(&[("SECRET_KEY", GOOD_KEY), production], &format!("SECRET_KEY_FILE={missing}")),
        "SECRET_KEY: is set, and so is SECRET_KEY_FILE; remove one of them"
    );
    let both = problems(&[("DATABASE_URL_FILE", &missing), ("SECRET_KEY_FILE", &dir), production], "");
    assert!(
        both.contains(&format!("SECRET_KEY: the file of SECRET_KEY_FILE, {dir:?}, is a directory")),
        "{both}"
    );
    let missing =
        format!("DATABASE_URL: the file of DATABASE_URL_FILE, {missing:?}, cannot be read: No such file");
    assert!(both.contains(&missing), "{both}");
    assert_eq!(both.lines().count(), 2, "{both}");
    let empty = problems(&[("DATABASE_URL_FILE", "")], "");
    assert!(empty.starts_with("DATABASE_URL: "), "{empty}");
}

#[test]
fn every_secret_and_nothing_else_has_a_file() {
    for setting in Settings::groups().into_iter().flat_map(|group| group.settings) {
        assert_eq!(setting.file_name().is_some(), setting.is_secret, "{}", setting.name);
    }
}

#[test]
fn quotes_around_values_of_the_environment_are_warned_about() {
    let key = format!("\"{GOOD_KEY}\"");
    let settings =
        from_environment(&[("SECRET_KEY", &key), ("app_name", "'My Blog'"), ("OTHER", "'x'"), ("HOST", "'")]);
    let settings = settings.unwrap();
    assert_eq!((settings.app.name.as_str(), settings.auth.secret_key.expose_secret()), ("'My Blog'", &*key));
    let names: Vec<&str> = settings.warnings().iter().map(|line| line.split_once(": ").unwrap().0).collect();
    assert_eq!(names, ["APP_NAME", "SECRET_KEY"]);
    assert!(
        settings.warnings()[0].contains("docker run --env-file")
            && !settings.warnings()[1].contains(GOOD_KEY)
    );
    assert_eq!(from_dotenv("APP_NAME='My Blog'").unwrap().warnings(), Vec::<String>::new());
}

#[test]
fn a_command_needs_no_key_and_stores_none() {
    let (dir, mut environment) = data_dir();
    for mode in ["development", "production"] {
        environment.extend(variables(&[("APP_ENV", mode)]));
        let settings = Settings::check(
            environment.clone(),
            &TextFile::default(),
            Purpose::Command,
            SettingsError::default(),
        );
        assert!(settings.unwrap().auth.secret_key.expose_secret().len() >= 32, "{mode}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{mode}");
    }
}

#[test]
fn files_that_others_may_change_are_refused_in_production() {
    let (dir, environment) = data_dir();
    let writable = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o606)).unwrap();
        path.display().to_string()
    };
    let key_file = writable("secret_key", "f3b1c7d92e8a4f60b5d81c3e7a9260f5");
    let url_file = writable("url", "sqlite://a.db");
    let check = |mode: &str| {
        let more = [("APP_ENV", mode), ("DATABASE_URL_FILE", &url_file), ("SECRET_KEY", GOOD_KEY)];
        let dotenv = TextFile { text: "PORT=1".to_owned(), is_writable_by_others: true };
        let environment = [environment.clone(), variables(&more)].concat();
        Settings::check(environment, &dotenv, Purpose::Server, SettingsError::default())
    };
    let expected = [
        ".env: every user of this machine can change the file; run `chmod o-w .env`".to_owned(),
        format!(
            "DATABASE_URL_FILE: every user of this machine can change the file; run `chmod o-w {url_file}`"
        ),
        format!("SECRET_KEY: every user of this machine can change {key_file}; run `chmod o-w {key_file}`"),
    ];
    assert_eq!(check("development").unwrap().warnings(), expected);
    assert_eq!(check("production").unwrap_err().to_string(), expected.join("\n"));
}
