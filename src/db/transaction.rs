//! Writes, and what they changed.

use std::{fmt, sync::Arc};

use sea_orm::DbErr;

use super::Connections;

/// A table, as something that responses depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Topic(&'static str);

impl Topic {
    /// The topic of the table `name`.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }
}

/// What a write changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// This row was changed or deleted.
    Row(Topic, i32),
    /// Rows were inserted.
    Inserted(Topic),
    /// Any row of the table may have changed.
    Table(Topic),
    /// Anything may have changed.
    Everything,
}

/// Is told what was changed, before the change is acknowledged.
pub trait ChangeListener: Send + Sync {
    /// These changes were, or may have been, committed.
    fn changed(&self, changes: &[Change]);
}

/// Writes.
#[derive(Clone)]
pub struct Writer {
    connections: Connections,
    listener: Arc<dyn ChangeListener>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.connections.fmt(f)
    }
}

impl Writer {
    /// A writer.
    pub fn new(connections: Connections, listener: Arc<dyn ChangeListener>) -> Self {
        Self { connections, listener }
    }

    /// The same on other connections.
    #[must_use]
    pub fn on(&self, connections: Connections) -> Self {
        Self { connections, listener: Arc::clone(&self.listener) }
    }

    /// Its connections, for reads that must see the latest write.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Runs one statement.
    pub async fn statement<T, E, F>(&self, changes: impl Into<Vec<Change>>, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&Connections) -> Result<T, E> + 'static,
        T: 'static,
        E: From<DbErr> + 'static,
    {
        let (writer, changes) = (self.clone(), changes.into());
        let done = actix_web::rt::spawn(async move {
            let done = work(&writer.connections).await;
            writer.listener.changed(&changes);
            done
        });
        done.await.map_err(|error| E::from(DbErr::Custom(error.to_string())))?
    }
}
