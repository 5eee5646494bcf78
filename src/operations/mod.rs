//! What operators use to watch the server.

pub mod health;

use crate::{db::Db, http::resource::Endpoint};

/// What requests about the server itself need. Cloning it costs reference counts.
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
