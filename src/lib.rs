//! Byline: a self-hosted blog and publishing API in one binary.
//!
//! The modules from top to bottom. Imports point down only, which a test checks.
//!
//! - `cli`: the commands of the binary.
//! - `server`: binding, running and stopping; every route and all middleware.
//! - `publishing`: articles. `operations`: health and metrics.
//! - `accounts`: users, passwords, access tokens, and the types that say who may call.
//! - `http`: what every feature uses to speak HTTP. `mail`: the queue of e-mail.
//! - `db`: pools, connections, transactions, on top of the crates `entity` and `migration`.
//! - `clock`: the one source of time. `tasks`: background tasks. `config`: the settings. `histogram`: what
//!   metrics count durations with. `traces`: spans for OpenTelemetry.

pub mod accounts;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod histogram;
pub mod http;
pub mod mail;
pub mod operations;
pub mod publishing;
pub mod server;
pub mod tasks;
pub mod traces;

use tikv_jemallocator::Jemalloc;

/// Unlike glibc's allocator, it returns the memory of large bodies and of many connections to the system
/// (docs/performance.md).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;
