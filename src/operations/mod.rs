//! Operation of the server: health checks.

pub mod health;

use crate::{db::Db, http::resource::Endpoint};

/// The state that requests about the server itself need. Cloning it only increments reference counts.
#[derive(Clone, Debug)]
pub struct Operations {
    /// The database.
    pub db: Db,
}

impl Operations {
    /// The state of this area, on the connections of one worker.
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

/// The routes of this area.
pub fn endpoints() -> impl Iterator<Item = Endpoint> {
    health::endpoints().into_iter()
}
