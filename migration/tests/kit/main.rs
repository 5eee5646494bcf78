//! The kit's promises, on SQLite and on PostgreSQL.
//!
//! PostgreSQL is taken from `TEST_DATABASE_URL`; every test makes a database of its own there and drops it.

mod blog;
mod guarantees;
mod support;
mod takeover;
