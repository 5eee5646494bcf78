//! The site that shows the articles, and the URLs of its pages.

use chrono::{DateTime, Utc};

use crate::config::{ArticleUrl, PublicUrl, Settings};

/// The site whose articles the server has.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its name.
    pub name: String,
    public_url: PublicUrl,
    article_url: ArticleUrl,
    root_path: String,
}

impl Site {
    /// The site of these settings, if they name one.
    pub fn new(settings: &Settings) -> Option<Self> {
        Some(Self {
            name: settings.app.name.clone(),
            public_url: settings.publishing.public_url.clone()?,
            article_url: settings.publishing.article_url.clone()?,
            root_path: settings.http.root_path.clone(),
        })
    }

    /// The URL of its first page.
    pub fn home(&self) -> String {
        self.public_url.join("/")
    }

    /// The URL of a path of the API, which the site serves.
    pub fn of_api(&self, path: &str) -> String {
        self.public_url.join(&format!("{}/{path}", self.root_path))
    }

    /// The URL of the page of an article.
    pub fn article(&self, slug: &str, id: i32) -> String {
        self.article_url.fill(slug, id)
    }

    /// A URI of an article that never changes (RFC 4151).
    pub fn article_id(&self, id: i32, created_at: DateTime<Utc>) -> String {
        format!("tag:{},{}:articles/{id}", self.public_url.host(), created_at.format("%Y-%m-%d"))
    }
}
