//! Revisions: former states of articles, which their authors and administrators compare and restore.

pub mod diff;
pub mod record;
pub mod routes;
pub mod schemas;
pub mod service;
