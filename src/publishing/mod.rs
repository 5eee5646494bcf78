//! Publishing: articles and everything that shows them.

pub mod articles;
pub mod expansions;
pub mod feeds;
pub mod rendering;
pub mod revisions;
pub mod slugs;
pub mod tags;

use std::sync::Arc;

use entity::{Visibility, Writability};

use crate::{
    accounts::{CurrentUser, Viewer, administration::audit::Actor},
    clock::Clock,
    config::Settings,
    db::{Connections, Db, Writer},
    http::{
        client_address::ClientAddress,
        conditional::Recipient,
        error::{Error, Result},
        page_bounds::PageBounds,
        request::UserId,
        resource::Endpoint,
    },
    tasks::Tasks,
};
use articles::{
    editor::Editor,
    schemas::{Drafts, Format},
};
use feeds::Site;
use rendering::Renderer;

/// What requests about articles need. Cloning it costs reference counts.
#[derive(Clone, Debug)]
pub struct Publishing {
    /// Reads what is committed.
    pub reader: Connections,
    /// Writes.
    pub writer: Writer,
    /// Whether everyone sees the drafts of everyone, as in the FastAPI blog.
    pub public_drafts: bool,
    /// The format of a new article that names none.
    pub default_format: Format,
    /// Renders the contents of articles.
    pub renderer: Renderer,
    /// The maximum number of revisions of an article.
    pub max_revisions: u32,
    /// The site that shows the articles; none if no setting names it.
    site: Option<Arc<Site>>,
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
        let (default_format, max_revisions) =
            (settings.publishing.default_format.into(), settings.publishing.max_revisions);
        let renderer = Renderer::new(settings);
        let site = Site::new(settings).map(Arc::new);
        Self {
            reader,
            writer,
            public_drafts,
            default_format,
            renderer,
            max_revisions,
            site,
            page_bounds,
            clock,
        }
    }

    /// The same on the connections of another worker.
    #[must_use]
    pub fn on(&self, db: &Db) -> Self {
        let writer = self.writer.on(db.writer.clone());
        Self { reader: db.reader.clone(), writer, ..self.clone() }
    }

    /// The site that shows the articles.
    ///
    /// # Errors
    /// [`Error::NoSite`] if no setting names it.
    pub fn site(&self) -> Result<&Site> {
        self.site.as_deref().ok_or(Error::NoSite)
    }

    /// Which articles `viewer` may see.
    pub fn visibility(&self, viewer: Viewer) -> Visibility {
        match viewer {
            _ if self.public_drafts => Visibility::All,
            Viewer::Anonymous => Visibility::Published,
            Viewer::SignedIn(UserId(id)) => Visibility::PublishedAndOwn(id),
            Viewer::Admin(_) => Visibility::All,
        }
    }

    /// Which of these articles lists show to `viewer`: administrators see the drafts of others only if they ask for
    /// them.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] or [`Error::AdminOnly`] if `viewer` may not see the drafts that it asks for.
    pub fn list_visibility(&self, viewer: Viewer, drafts: Option<Drafts>) -> Result<Visibility> {
        let visible = self.visibility(viewer);
        match (drafts, viewer) {
            _ if self.public_drafts => Ok(visible),
            (None, Viewer::Admin(UserId(id))) => Ok(Visibility::PublishedAndOwn(id)),
            (None, _) | (Some(Drafts::All), Viewer::Admin(_)) => Ok(visible),
            (Some(Drafts::All), Viewer::Anonymous) => Err(Error::NotAuthenticated),
            (Some(Drafts::All), Viewer::SignedIn(_)) => Err(Error::AdminOnly),
        }
    }

    /// Which of the articles that `user` may see it may change.
    fn writability(&self, user: &CurrentUser) -> Writability {
        if user.is_admin() { Writability::All } else { Writability::Own(user.id().0) }
    }

    /// `user` as the one who changes articles.
    pub fn editor(&self, user: &CurrentUser, client: ClientAddress) -> Editor {
        Editor {
            id: user.id(),
            visibility: self.visibility(user.viewer()),
            writable: self.writability(user),
            actor: Actor::of(user, client),
            max_revisions: self.max_revisions,
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
    let articles = articles::routes::endpoints().into_iter();
    let articles = articles.chain(revisions::routes::endpoints()).chain(tags::routes::endpoints());
    articles.chain(feeds::routes::endpoints())
}

/// Starts the tasks of this area. `publishing` has the connections of tasks.
pub fn start(tasks: &Tasks, publishing: &Publishing) {
    tags::orphans::start(tasks, publishing);
}
