//! User accounts, created by registration or by the operator. Names are unique, and so are e-mail addresses
//! regardless of case.

pub mod routes;
pub mod schemas;
pub mod service;

use crate::db::Topic;

/// The topic of changes to accounts.
pub const USERS: Topic = Topic::new("users");
