//! Byline: a self-hosted blog and publishing API in one binary.
//!
//! The modules from top to bottom; imports point down only, which a test checks.
//!
//! - [`cli`]: the commands of the binary.
//! - [`server`]: binding, running and stopping; every route and all middleware.
//! - [`publishing`]: articles.
//! - [`accounts`]: users, passwords, access tokens, and the types that say who may call.
//! - [`operations`]: health.
//! - [`state`]: what every request may use.
//! - [`http`]: what every feature uses to speak HTTP.
//! - [`db`]: database pools and connections, on top of the crates `entity` and `migration`.
//! - [`tasks`]: named background tasks: restart, cancellation, shutdown.
//! - [`clock`]: the one source of time.
//! - [`config`]: the settings.

pub mod accounts;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod http;
pub mod operations;
pub mod publishing;
pub mod server;
pub mod state;
pub mod tasks;
