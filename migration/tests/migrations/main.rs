//! Byline's migrations, on SQLite and on PostgreSQL.
//!
//! Every test has a database of its own. If `TEST_DATABASE_URL` names a PostgreSQL server, tests for both
//! engines also run there. Tests for PostgreSQL alone are ignored; `.ci/with-postgres cargo test --
//! --include-ignored` runs them.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]

mod build;
mod cli;
mod email_key;
mod kill;
mod notify;
mod publishing;
mod records;
mod snapshots;
mod support;
mod takeover;
mod times;
mod version;
