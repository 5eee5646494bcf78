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

mod article_errors;
mod articles;
mod auth;
mod cache;
mod cache_headers;
mod commands;
mod compression;
mod conditional;
mod contract;
mod cors;
mod cursors;
mod docs;
mod document;
mod drafts;
mod health;
mod house;
mod limits;
mod listener;
mod lists;
mod operation;
mod plans;
mod preconditions;
mod replay;
mod replicas;
mod support;
mod takeover;
mod users;
mod validation;
