//! The suite: stories over HTTP against the app that production serves, each with a database of its own.
//!
//! On SQLite; on PostgreSQL where `TEST_DATABASE_URL` names a server on which databases may be made.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that is surprised has failed"
)]

mod articles;
mod auth;
mod cache;
mod compression;
mod conditional;
mod connections;
mod contract;
mod cors;
mod docs;
mod document;
mod health;
mod house;
mod limits;
mod lists;
mod operation;
mod plans;
mod process;
mod proxy;
mod replay;
mod replicas;
mod support;
mod takeover;
mod transactions;
mod users;
mod validation;
