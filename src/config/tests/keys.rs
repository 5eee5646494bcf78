//! The keys that sign tokens: set, generated and rotated.

use super::*;

#[test]
fn without_a_key_development_generates_one_and_stores_it() {
    let (dir, environment) = data_dir();
    let first = Settings::from_parts(environment.clone(), None).unwrap();
    let second = Settings::from_parts(environment, None).unwrap();
    assert_eq!(first.auth.secret_key.expose_secret(), second.auth.secret_key.expose_secret());
    assert_eq!(
        fs::read_to_string(dir.path().join("secret_key")).unwrap(),
        first.auth.secret_key.expose_secret()
    );
}

#[test]
fn a_start_that_fails_generates_no_key() {
    let (dir, mut environment) = data_dir();
    environment.extend(variables(&[("PORT", "x")]));
    Settings::from_parts(environment, None).unwrap_err();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn only_keyed_hashes_sign_tokens() {
    for algorithm in ["none", "RS256", "ES256", "hs256", "HS256 ", ""] {
        from_environment(&[("ALGORITHM", algorithm)]).unwrap_err();
    }
}

#[test]
fn development_accepts_a_weak_key_with_a_warning() {
    let settings = from_environment(&[("SECRET_KEY", "hunter2")]).unwrap();
    assert_eq!(settings.auth.secret_key.expose_secret(), "hunter2");
    assert_eq!(
        settings.warnings(),
        ["SECRET_KEY: is shorter than 32 bytes; production would not start with it; generate a key with \
          `openssl rand -hex 32`"]
    );
}

#[test]
fn a_rotated_key_leaves_the_old_one_valid_unless_another_is_set() {
    let (dir, environment) = data_dir();
    let first = Settings::from_parts(environment.clone(), None).unwrap();
    assert!(first.has_generated_key() && first.auth.previous_secret_key.is_none());
    rotate_secret_key(dir.path()).unwrap();
    let second = Settings::from_parts(environment.clone(), None).unwrap();
    let previous = |settings: &Settings| {
        settings.auth.previous_secret_key.as_ref().map(|key| key.expose_secret().to_owned())
    };
    assert_eq!(previous(&second).as_deref(), Some(first.auth.secret_key.expose_secret()));
    let set = variables(&[("SECRET_KEY_PREVIOUS", "older")]);
    let third = Settings::from_parts([environment.clone(), set].concat(), None).unwrap();
    assert_eq!(previous(&third).as_deref(), Some("older"));
    let set = variables(&[("SECRET_KEY", GOOD_KEY)]);
    let fourth = Settings::from_parts([environment, set].concat(), None).unwrap();
    assert!(
        !fourth.has_generated_key() && previous(&fourth).is_none(),
        "the file belongs to the generated key"
    );
}
