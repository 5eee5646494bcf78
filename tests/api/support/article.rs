//! Articles as clients know them.

use serde_json::{Value, json};

use super::Response;

/// Whether an article is public or a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    Yes,
    No,
}

impl Published {
    /// A mixture for tests with many articles.
    pub(crate) fn when(condition: bool) -> Self {
        if condition { Self::Yes } else { Self::No }
    }
}

/// An article as the server sent it.
#[derive(Clone, Debug)]
pub(crate) struct Article {
    pub(crate) id: i64,
    /// The entity tag of this state.
    pub(crate) tag: String,
    pub(crate) json: Value,
}

impl Article {
    /// Reads the response to a write or a read of one article.
    #[track_caller]
    pub(crate) fn from_response(response: &Response) -> Self {
        let json = response.json();
        let id = json["id"].as_i64().unwrap();
        Self { id, tag: response.tag(), json }
    }

    pub(crate) fn path(&self) -> String {
        format!("/articles/{}", self.id)
    }

    /// The path, without and with the slash at its end.
    pub(crate) fn both_paths(&self) -> [String; 2] {
        [self.path(), format!("{}/", self.path())]
    }
}

/// A valid body for a public article.
pub(crate) fn article_body(title: &str) -> Value {
    json!({ "title": title, "content": "0123456789", "published": true })
}
