//! The test suite: most tests speak HTTP to the application that production serves, each with a database of
//! its own.
//!
//! It runs on SQLite, or on PostgreSQL if `TEST_DATABASE_URL` names a server on which databases may be
//! created. Tests that need PostgreSQL are ignored by default. All tests run with
//! `.ci/with-postgres cargo test -- --include-ignored`.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod access;
mod administration;
mod article_errors;
mod articles;
mod audit_log;
mod auth;
mod backup;
mod cache;
mod cache_headers;
mod client_address;
mod commands;
mod compression;
mod conditional;
mod connections;
mod contract;
mod cors;
mod cursors;
mod docs;
mod document;
mod document_rules;
mod drafts;
mod feeds;
mod flags;
mod health;
mod house;
mod keyset;
mod limits;
mod listener;
mod lists;
mod logging;
mod login_limits;
mod mail;
mod malformed;
mod metrics;
mod moderation;
mod operation;
mod packaging;
mod page_bounds;
mod paging;
mod password_queue;
mod personal_tokens;
#[cfg(feature = "long-tests")]
mod pgbouncer;
mod plans;
mod preconditions;
mod previews;
mod profile;
mod publication;
mod recovery;
mod rendering;
mod replay;
mod replicas;
mod resilience;
mod revisions;
mod roles;
mod schedule;
mod search;
mod sessions;
mod settings;
mod slugs;
mod startup;
mod support;
mod systemd;
mod tags;
mod takeover;
mod tls;
mod traces;
mod transactions;
mod unix_socket;
mod upgrade;
mod user_commands;
mod users;
mod validation;
mod visibility;
