//! Sign-in with user name and password.

pub mod routes;
pub mod schemas;
pub mod service;
