//! The kit's guarantees, on SQLite and on PostgreSQL.
//!
//! Every test has a database of its own. If `TEST_DATABASE_URL` names a PostgreSQL server, tests for both
//! engines also run there. Tests for PostgreSQL alone are ignored; `.ci/with-postgres cargo test --
//! --include-ignored` runs them.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "../../examples/bookshelf/schema/mod.rs"]
mod bookshelf;
mod cli;
mod diff;
mod erase;
mod guarantees;
mod kill;
mod lint;
mod objects;
mod records;
mod search_path;
mod snapshots;
mod support;
