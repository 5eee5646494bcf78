//! In-memory cache of complete responses to anonymous reads, compressed ones included.
//!
//! A cached response is never stale on the server that wrote. Each entry has a [`Stamp`]: the generations of
//! the data that it shows, read *before* the query of the database. It is valid only while these are the
//! current ones. A write increments generations before it is acknowledged, so a response that a slow read
//! brings back from before the write is never served. Writes of other processes are reported by the
//! [`listener`], which also says until when the cache is valid; without it nothing is served.

pub mod listener;
mod middleware;
mod store;
mod triggers;

pub use middleware::{Audience, Cached, serve_cached};
pub use store::{Cache, Entry, Stamp, Subject};
