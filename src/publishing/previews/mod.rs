//! Previews: links that show one article, draft or not, to anyone who has them.
//!
//! The token of a link consists of the id of its row and of a secret that is derived from the id and the server's key,
//! so that neither the database nor a backup reveals it.

pub mod routes;
pub mod schemas;
pub mod service;
