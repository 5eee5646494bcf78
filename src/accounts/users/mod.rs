//! User accounts: created by registration or by the operator; unique by name and, regardless of case, by e-mail address.

pub mod routes;
pub mod schemas;
pub mod service;

use crate::db::Topic;

/// What changes when accounts change.
pub const USERS: Topic = Topic::new("users");
