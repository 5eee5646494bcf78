//! Operation of the server: health checks.

pub mod health;

use std::sync::Arc;

use crate::{
    db::Db,
    http::{cache::Cache, resource::Endpoint},
};

/// The state that requests about the server itself need. Cloning it only increments reference counts.
#[derive(Clone, Debug)]
pub struct Operations {
    /// The database.
    pub db: Db,
    /// The cache of the process.
    pub cache: Arc<Cache>,
}

impl Operations {
    /// The state of this area, on the connections of one worker.
    pub fn new(db: Db, cache: Arc<Cache>) -> Self {
        Self { db, cache }
    }
}

/// The routes of this area.
pub fn endpoints() -> impl Iterator<Item = Endpoint> {
    health::endpoints().into_iter()
}
