//! Operation of the server: health checks and metrics.

pub mod health;
pub mod metrics;

use std::sync::Arc;

use crate::{
    db::Db,
    http::{cache::Cache, draining::Draining, resource::Endpoint},
};

/// The state that requests about the server itself need. Cloning it only increments reference counts.
#[derive(Clone, Debug)]
pub struct Operations {
    /// The database.
    pub db: Db,
    /// The cache of the process.
    pub cache: Arc<Cache>,
    /// Whether the server is about to stop.
    pub draining: Draining,
}

impl Operations {
    /// The state of this area.
    pub fn new(db: Db, cache: Arc<Cache>, draining: Draining) -> Self {
        Self { db, cache, draining }
    }

    /// The same on the connections of one worker.
    #[must_use]
    pub fn on(&self, db: &Db) -> Self {
        Self { db: db.clone(), ..self.clone() }
    }
}

/// The routes of this area.
pub fn endpoints() -> impl Iterator<Item = Endpoint> {
    health::endpoints().into_iter()
}
