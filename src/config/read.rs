//! From text to settings: the sources on top of each other, then every value checked.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::thread;
use std::time::Duration;

use chrono::TimeDelta;
use config::{Config, ConfigError, File, FileFormat};
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use super::value::{boolean, choice, is_origin, string_list, whole};
use super::{
    Algorithm, DatabaseUrl, Environment, LogFormat, Origins, Registration, Settings, SettingsError, dotenv,
    secret_key,
};

pub(super) const DEFAULT: &str = include_str!("../../config/default.toml");
const PRODUCTION: &str = include_str!("../../config/production.toml");

/// Declares the settings as they are written, and their names.
macro_rules! written {
    ($($name:ident: $kind:ty,)+) => {
        /// The settings as text, before anything is checked.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct Written { $($name: $kind,)+ }

        /// The names of all settings, in lower case.
        pub(super) const NAMES: &[&str] = &[$(stringify!($name),)+];
    };
}

written! {
    app_env: String,
    app_name: String,
    debug: String,
    host: String,
    port: String,
    data_dir: String,
    database_url: Option<String>,
    secret_key: Option<String>,
    algorithm: String,
    access_token_expire_minutes: String,
    backend_cors_origins: String,
    public_drafts: String,
    max_page_size: String,
    max_body_bytes: String,
    bcrypt_cost: String,
    registration: String,
    request_timeout_seconds: String,
    statement_timeout_seconds: String,
    acquire_timeout_seconds: String,
    shutdown_timeout_seconds: String,
    workers: Option<String>,
    database_connections: String,
    cache_bytes: String,
    accept_newer_database: String,
    log: String,
    log_format: String,
}

/// A variable as text; one that isn't Unicode is a problem if it is ours.
pub(super) fn variable(
    name: &OsStr,
    value: OsString,
    problems: &mut SettingsError,
) -> Option<(String, String)> {
    let name = name.to_str()?;
    match value.into_string() {
        Ok(value) => Some((name.to_owned(), value)),
        Err(_) if NAMES.contains(&name.to_lowercase().as_str()) => {
            problems.add(&name.to_uppercase(), "is not valid UTF-8");
            None
        }
        Err(_) => None,
    }
}

/// Reads and checks everything; `problems` are those found before.
pub(super) fn settings(
    environment: Vec<(String, String)>,
    dotenv: Option<&str>,
    mut problems: SettingsError,
) -> Result<Settings, SettingsError> {
    let named = environment.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
    let (dotenv, unreadable) = dotenv::parse(dotenv.unwrap_or_default(), &environment.into_iter().collect());
    let written = match layered(&[DEFAULT], dotenv, named) {
        Ok(written) => written,
        Err(error) => {
            problems.push(error.to_string());
            return Err(problems);
        }
    };
    let warnings =
        unreadable.iter().map(|line| format!(".env: line {line} can't be read and is skipped")).collect();
    check(written, warnings, problems)
}

/// Puts the sources on top of each other: `files`, those for production, `dotenv`, `environment`. Names are in lower
/// case; unknown ones are errors in a file and ignored elsewhere, where names of other programs stand too.
pub(super) fn layered(
    files: &[&str],
    dotenv: HashMap<String, String>,
    environment: HashMap<String, String>,
) -> Result<Written, ConfigError> {
    let known = |mut source: HashMap<String, String>| {
        source.retain(|name, _| NAMES.contains(&name.as_str()));
        config::Environment::default().source(Some(source))
    };
    let file = |text| File::from_str(text, FileFormat::Toml);
    let variables = Config::builder().add_source(known(dotenv)).add_source(known(environment)).build()?;

    let mut layers = files.iter().fold(Config::builder(), |layers, text| layers.add_source(file(text)));
    if variables.get_string("app_env").is_ok_and(|name| name == "production") {
        layers = layers.add_source(file(PRODUCTION));
    }
    layers.add_source(variables).build()?.try_deserialize()
}

/// Turns text into values. Where a value is wrong, a stand-in takes its place until all problems are known; it goes no
/// further than this function.
fn check(
    written: Written,
    mut warnings: Vec<String>,
    mut problems: SettingsError,
) -> Result<Settings, SettingsError> {
    for (name, text) in
        [("APP_NAME", &written.app_name), ("HOST", &written.host), ("DATA_DIR", &written.data_dir)]
    {
        if text.trim().is_empty() {
            problems.add(name, "is empty");
        }
    }
    let environments = [("development", Environment::Development), ("production", Environment::Production)];
    let environment = problems.choice("APP_ENV", &written.app_env, &environments);
    let production = environment == Environment::Production;

    let beside_the_key =
        DatabaseUrl::sqlite_file(&format!("{}/byline.db", written.data_dir.trim_end_matches('/')));
    let database = written
        .database_url
        .and_then(|url| problems.check("DATABASE_URL", url.parse::<DatabaseUrl>()))
        .unwrap_or(beside_the_key);
    warnings.extend(
        database
            .ignored()
            .map(|name| format!("DATABASE_URL: the parameter {name} is for another driver and is left out")),
    );

    let cors_origins = problems
        .check("BACKEND_CORS_ORIGINS", string_list(&written.backend_cors_origins))
        .map_or(Origins::Any, |listed| origins(listed, &mut warnings));
    problems.check("LOG", EnvFilter::builder().parse(&written.log));
    if let Some(key) = &written.secret_key {
        check_secret_key(key, production, &mut problems, &mut warnings);
    } else if production {
        problems.add("SECRET_KEY", "production needs one of at least 32 bytes: `openssl rand -hex 32`");
    }

    let minutes = 1..=100 * 365 * 24 * 60;
    let costs = if production { 10..=31 } else { 4..=31 };
    let algorithms = [("HS256", Algorithm::HS256), ("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)];
    let registrations = [("open", Registration::Open), ("closed", Registration::Closed)];
    let log_formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let available = || thread::available_parallelism().map_or(1, NonZero::get);

    let mut settings = Settings {
        environment,
        app_name: written.app_name,
        debug: problems.boolean("DEBUG", &written.debug),
        host: written.host,
        port: problems.whole("PORT", &written.port, &(0..=u16::MAX)),
        data_dir: written.data_dir.into(),
        database,
        secret_key: written.secret_key.clone().unwrap_or_default().into(),
        algorithm: problems.choice("ALGORITHM", &written.algorithm, &algorithms),
        access_token_expire: TimeDelta::minutes(problems.whole(
            "ACCESS_TOKEN_EXPIRE_MINUTES",
            &written.access_token_expire_minutes,
            &minutes,
        )),
        cors_origins,
        public_drafts: problems.boolean("PUBLIC_DRAFTS", &written.public_drafts),
        max_page_size: Some(problems.whole("MAX_PAGE_SIZE", &written.max_page_size, &(0..=u32::MAX)))
            .filter(|size| *size > 0),
        max_body_bytes: problems.whole("MAX_BODY_BYTES", &written.max_body_bytes, &(1 << 10..=1 << 30)),
        bcrypt_cost: problems.whole("BCRYPT_COST", &written.bcrypt_cost, &costs),
        registration: problems.choice("REGISTRATION", &written.registration, &registrations),
        request_timeout: problems.seconds("REQUEST_TIMEOUT_SECONDS", &written.request_timeout_seconds, 1),
        statement_timeout: problems.seconds(
            "STATEMENT_TIMEOUT_SECONDS",
            &written.statement_timeout_seconds,
            1,
        ),
        acquire_timeout: problems.seconds("ACQUIRE_TIMEOUT_SECONDS", &written.acquire_timeout_seconds, 1),
        shutdown_timeout: problems.seconds("SHUTDOWN_TIMEOUT_SECONDS", &written.shutdown_timeout_seconds, 0),
        workers: written.workers.map_or_else(available, |text| problems.whole("WORKERS", &text, &(1..=1024))),
        database_connections: problems.whole(
            "DATABASE_CONNECTIONS",
            &written.database_connections,
            &(1..=10_000),
        ),
        cache_bytes: problems.whole("CACHE_BYTES", &written.cache_bytes, &(0..=1 << 40)),
        accept_newer_database: problems.boolean("ACCEPT_NEWER_DATABASE", &written.accept_newer_database),
        log: written.log,
        log_format: problems.choice("LOG_FORMAT", &written.log_format, &log_formats),
        warnings,
    };

    // Last, so that a start that fails anyway leaves nothing behind.
    if written.secret_key.is_none() && problems.lines.is_empty() {
        match secret_key::load_or_create(&settings.data_dir) {
            Ok(key) => settings.secret_key = key,
            Err(error) => {
                let path = settings.data_dir.join("secret_key");
                problems.add(
                    "SECRET_KEY",
                    format_args!("is not set, and {} can't be used: {error}", path.display()),
                );
            }
        }
    }
    if problems.lines.is_empty() {
        return Ok(settings);
    }
    let known =
        !problems.lines.iter().any(|line| line.starts_with("DATABASE_URL") || line.starts_with("DATA_DIR"));
    problems.database = (production && known).then_some(settings.database);
    Err(problems)
}

/// What is weak about a key stops production and is a warning elsewhere; no key at all is never meant.
fn check_secret_key(key: &str, production: bool, problems: &mut SettingsError, warnings: &mut Vec<String>) {
    if key.is_empty() {
        return problems.add("SECRET_KEY", "is empty");
    }
    for weakness in secret_key::weaknesses(key) {
        if production {
            problems.add("SECRET_KEY", format_args!("{weakness}; make one with `openssl rand -hex 32`"));
        } else {
            warnings.push(format!("SECRET_KEY: {weakness}; production would not start with it"));
        }
    }
}

/// One `*` among them allows all. What no browser sends as its origin would allow nobody and is left out.
fn origins(listed: Vec<String>, warnings: &mut Vec<String>) -> Origins {
    if listed.iter().any(|origin| origin == "*") {
        return Origins::Any;
    }
    let (origins, others): (Vec<_>, Vec<_>) = listed.into_iter().partition(|origin| is_origin(origin));
    warnings.extend(others.iter().map(|other| {
        format!(
            "BACKEND_CORS_ORIGINS: no browser sends {other:?} as its origin (scheme://host:port, no path)"
        )
    }));
    Origins::Listed(origins)
}

impl SettingsError {
    fn add(&mut self, name: &str, why: impl Display) {
        self.push(format!("{name}: {why}"));
    }

    /// The value, or `None` with the problem noted.
    pub(super) fn check<T, E: Display>(&mut self, name: &str, checked: Result<T, E>) -> Option<T> {
        checked.map_err(|why| self.add(name, why)).ok()
    }

    fn boolean(&mut self, name: &str, text: &str) -> bool {
        self.check(name, boolean(text)).unwrap_or_default()
    }

    fn choice<T: Copy + Default>(&mut self, name: &str, text: &str, choices: &[(&str, T)]) -> T {
        self.check(name, choice(text, choices)).unwrap_or_default()
    }

    fn whole<T: Default + Display + PartialOrd + TryFrom<i128>>(
        &mut self,
        name: &str,
        text: &str,
        bounds: &RangeInclusive<T>,
    ) -> T {
        self.check(name, whole(text, bounds)).unwrap_or_default()
    }

    /// At most a day.
    fn seconds(&mut self, name: &str, text: &str, least: u64) -> Duration {
        Duration::from_secs(self.whole(name, text, &(least..=86_400)))
    }
}
