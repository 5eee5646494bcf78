//! Personal access tokens: credentials for scripts, limited by scopes and in time.

pub mod routes;
pub mod schemas;
pub mod service;
