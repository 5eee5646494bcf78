//! What every test starts from: a server with an empty database, clients that talk to it, and values that
//! read well.
//!
//! Tests speak HTTP. The few that need more of the application get it from here, so that only these files
//! name its modules.

mod admins;
mod app;
mod article;
mod cache;
mod client;
mod collector;
mod database;
mod lists;
mod metrics;
mod process;
mod proxy;
mod queries;
mod schemas;
mod smtp;
mod tls;
mod tokens;
mod wire;

use std::{
    io::{self, Write as _},
    time::{Duration, Instant},
};

use actix_web::rt::time::sleep;
use serde_json::{Value, json};

#[cfg(feature = "long-tests")]
pub(crate) use self::database::through_pgbouncer;
pub(crate) use self::{
    app::{LISTENER_TIMEOUT, TestApp, further_error, get_further, openapi_document, test_settings},
    article::{Article, Published, article_body},
    cache::{BROTLI, CODINGS},
    client::{Client, Response},
    collector::{Collector, Span},
    database::migrate,
    lists::{SORTS, percent_encoded},
    metrics::Metrics,
    process::{Installation, ServerProcess, stderr},
    proxy::Proxy,
    queries::{Viewer, read_list, search_statements},
    schemas::{
        read_account, read_article_id, read_article_patch, read_limit, read_new_article, read_skip,
        refusal_of_account,
    },
    smtp::{Answer, Received, SmtpServer, settings_of},
    tls::{CERTIFICATE_SETTINGS, connect_tls},
    tokens::{now, sign_token, sign_token_with},
    wire::{RawConnection, send_raw, with_connection},
};
pub(crate) use test_support::TestDatabase;

/// The password of every account that [`Client::sign_up`] creates.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Signs the tokens of every test.
pub(crate) const SECRET_KEY: &str = "a key of the tests, 32 bytes and more";

/// The origin that CORS allows by default.
pub(crate) const ORIGIN: &str = "http://localhost:3000";

/// The longest time that a test waits for anything.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// A valid body for registration.
pub(crate) fn registration(name: &str) -> Value {
    json!({ "email": format!("{name}@example.com"), "username": name, "password": PASSWORD })
}

/// Polls until `done`, and fails after [`TIMEOUT`].
pub(crate) async fn wait_until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !done().await {
        assert!(started.elapsed() < TIMEOUT, "timed out waiting until {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Prints a line to the terminal, past the harness, which hides the output of tests that pass.
pub(crate) fn print(line: &str) {
    io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}
