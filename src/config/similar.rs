//! Recognises names that were probably meant to be the name of a setting.

use strsim::osa_distance;

/// Names that other programs use for the same setting, and names under which it is often written.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("DATABASE_URI", "DATABASE_URL"),
    ("DATABASE_DSN", "DATABASE_URL"),
    ("DB_URL", "DATABASE_URL"),
    ("DB_URI", "DATABASE_URL"),
    ("DB_DSN", "DATABASE_URL"),
    ("SQLALCHEMY_DATABASE_URI", "DATABASE_URL"),
    ("SQLALCHEMY_DATABASE_URL", "DATABASE_URL"),
    ("APP_SECRET", "SECRET_KEY"),
    ("APP_SECRET_KEY", "SECRET_KEY"),
    ("JWT_SECRET", "SECRET_KEY"),
    ("JWT_SECRET_KEY", "SECRET_KEY"),
    ("APP_ENVIRONMENT", "APP_ENV"),
    ("ENVIRONMENT", "APP_ENV"),
    ("JWT_ALGORITHM", "ALGORITHM"),
    ("TOKEN_EXPIRE_MINUTES", "ACCESS_TOKEN_EXPIRE_MINUTES"),
    ("CORS_ORIGINS", "BACKEND_CORS_ORIGINS"),
    ("LOG_LEVEL", "LOG"),
];

/// Maximum distance of a misspelt name from the name of a setting.
const MAX_DISTANCE: usize = 2;

/// The setting that `name` was probably meant to be, if it is not in `known`, which are names in upper case.
pub(super) fn meant_by<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let name: String =
        name.to_uppercase().chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == name).map(|(_, setting)| *setting);
    // Kubernetes sets `BYLINE_PORT` in every container near a service that is named byline.
    let without_prefix = name.strip_prefix("BYLINE_").filter(|rest| *rest != "PORT");
    let exact = other.or(without_prefix).unwrap_or(&name);
    let length = name.chars().count();
    known.iter().find(|setting| *setting == exact).map(String::as_str).or_else(|| {
        known
            .iter()
            // The distance is at least the difference of the lengths, and takes longer. An orchestrator can set hundreds of
            // variables.
            .filter(|setting| setting.len().abs_diff(length) <= MAX_DISTANCE)
            .map(|setting| (osa_distance(&name, setting), setting))
            .filter(|(distance, setting)| is_misspelling(&name, setting, *distance))
            .min()
            .map(|(_, setting)| setting.as_str())
    })
}

/// One letter too many, too few or wrong, or two swapped; twice in a long name. In a name such as `PORT` only
/// a swap: with one other letter it may be a different word.
fn is_misspelling(name: &str, setting: &str, distance: usize) -> bool {
    match setting.len() {
        0..=4 => distance == 1 && sorted(name) == sorted(setting),
        5..=11 => distance <= 1,
        _ => distance <= MAX_DISTANCE,
    }
}

fn sorted(text: &str) -> Vec<char> {
    let mut letters: Vec<char> = text.chars().collect();
    letters.sort_unstable();
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known_names() -> Vec<String> {
        [
            "ACCESS_TOKEN_EXPIRE_MINUTES",
            "ALGORITHM",
            "APP_ENV",
            "APP_NAME",
            "DATABASE_URL",
            "DATABASE_URL_FILE",
            "DATA_DIR",
            "DEBUG",
            "HOST",
            "LOG",
            "PORT",
            "REGISTRATION",
            "SECRET_KEY",
            "SECRET_KEY_FILE",
            "WORKERS",
        ]
        .map(str::to_owned)
        .into()
    }

    #[test]
    fn misspelt_names_are_recognised() {
        let known = known_names();
        for (name, setting) in [
            ("DATABSE_URL", "DATABASE_URL"),
            ("database_ulr", "DATABASE_URL"),
            ("DATABASE-URL", "DATABASE_URL"),
            ("DATABASE_URLS", "DATABASE_URL"),
            ("\u{200b}DATABASE_URL", "DATABASE_URL"),
            ("DATABASE_URI", "DATABASE_URL"),
            ("Db_Url", "DATABASE_URL"),
            ("BYLINE_DATABASE_URL", "DATABASE_URL"),
            ("DATABASE_URL_FIEL", "DATABASE_URL_FILE"),
            ("SECRETKEY", "SECRET_KEY"),
            ("SECRET_KEYS", "SECRET_KEY"),
            ("SECERT_KEY", "SECRET_KEY"),
            ("BYLINE_SECRET_KEY_FILE", "SECRET_KEY_FILE"),
            ("ACCESS_TOKEN_EXPIRE_MINUTE", "ACCESS_TOKEN_EXPIRE_MINUTES"),
            ("ACCES_TOKEN_EXPIRE_MINUTE", "ACCESS_TOKEN_EXPIRE_MINUTES"),
            ("ENVIRONMENT", "APP_ENV"),
            ("APP_EVN", "APP_ENV"),
            ("PROT", "PORT"),
            ("REGISTRATON", "REGISTRATION"),
        ] {
            assert_eq!(meant_by(name, &known), Some(setting), "{name}");
        }
    }

    #[test]
    fn names_of_other_programs_are_not() {
        let known = known_names();
        for name in [
            "PATH",
            "HOME",
            "HOSTNAME",
            "LOGNAME",
            "USER",
            "ENV",
            "PWD",
            "TERM",
            "COST",
            "POST",
            "BLOG",
            "LOGS",
            "POSTGRES_PASSWORD",
            "POSTGRES_USER",
            "DATABASE_USER",
            "DATABASE_NAME",
            "DATABASE_PORT",
            "DB_PASSWORD",
            "SMTP_PASSWORD",
            "APP_DEV",
            "APP_HOST",
            "WEB_CONCURRENCY",
            "BYLINE_PORT",
            "BYLINE_SERVICE_HOST",
            "BYLINE_PORT_8000_TCP",
            "LOG_FILE",
            "DATA",
            "SECRET",
            "",
        ] {
            assert_eq!(meant_by(name, &known), None, "{name}");
        }
    }
}
