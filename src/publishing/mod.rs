//! Publishing: articles and everything that shows them.

pub mod articles;

use entity::Visibility;

use crate::{
    accounts::Viewer,
    clock::Clock,
    config::Settings,
    db::{Connections, Db, Writer},
    http::{conditional::Recipient, page_bounds::PageBounds, request::UserId, resource::Endpoint},
};

/// What requests about articles need. Cloning it costs reference counts.
#[derive(Clone, Debug)]
pub struct Publishing {
    /// Reads what is committed.
    pub reader: Connections,
    /// Writes.
    pub writer: Writer,
    /// Whether everyone sees the drafts of everyone, as in the FastAPI blog.
    pub public_drafts: bool,
    /// The bounds of pages.
    pub page_bounds: PageBounds,
    /// The time.
    pub clock: Clock,
}

impl Publishing {
    /// The state of this area. Needs no live service.
    pub fn new(settings: &Settings, reader: Connections, writer: Writer, clock: Clock) -> Self {
        let public_drafts = settings.publishing.public_drafts;
        let page_bounds = PageBounds::new(settings.http.request_timeout, settings.http.max_page_bytes);
        Self { reader, writer, public_drafts, page_bounds, clock }
    }

    /// The same on the connections of another worker.
    #[must_use]
    pub fn on(&self, db: &Db) -> Self {
        let writer = self.writer.on(db.writer.clone());
        Self { reader: db.reader.clone(), writer, ..self.clone() }
    }

    /// Which articles `viewer` may see.
    pub fn visibility(&self, viewer: Viewer) -> Visibility {
        match viewer {
            _ if self.public_drafts => Visibility::All,
            Viewer::Anonymous => Visibility::Published,
            Viewer::SignedIn(UserId(id)) | Viewer::Admin(UserId(id)) => Visibility::PublishedAndOwn(id),
        }
    }

    /// Who the response to `viewer` may be shown to.
    pub fn recipient(&self, viewer: Viewer) -> Recipient {
        match viewer {
            Viewer::Anonymous if self.public_drafts => Recipient::Everyone,
            Viewer::Anonymous => Recipient::Anonymous,
            Viewer::SignedIn(_) | Viewer::Admin(_) => Recipient::Account,
        }
    }
}

/// The routes of this area.
pub fn endpoints() -> impl Iterator<Item = Endpoint> {
    articles::routes::endpoints().into_iter()
}
