//! The kit's promises, on SQLite and on PostgreSQL.
//!
//! PostgreSQL is taken from `TEST_DATABASE_URL`; every test makes a database of its own there and drops it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod blog;
mod cli;
mod diff;
mod guarantees;
mod lint;
mod snapshots;
mod support;
mod takeover;
mod version;
