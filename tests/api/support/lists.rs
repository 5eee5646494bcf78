//! Lists of articles: their orders, their ids, and the links between their pages.

use actix_web::http::StatusCode;

use super::{Client, Response};

/// Every order of a list.
pub(crate) const SORTS: [&str; 4] = ["-created_at", "created_at", "-updated_at", "updated_at"];

impl Response {
    /// The ids of a page, in order.
    #[track_caller]
    pub(crate) fn ids(&self) -> Vec<i64> {
        let page = self.expect(StatusCode::OK);
        page.as_array().unwrap().iter().map(|article| article["id"].as_i64().unwrap()).collect()
    }

    /// The path and query of the page that the `Link` header names.
    pub(crate) fn linked(&self, rel: &str) -> Option<String> {
        self.link(rel).map(|reference| self.resolve(&reference))
    }

    /// The reference of the `Link` header, as it is written.
    pub(crate) fn link(&self, rel: &str) -> Option<String> {
        let wanted = format!("rel=\"{rel}\"");
        self.header("link")?.split(", ").find_map(|link| {
            let (target, parameters) = link.split_once("; ").unwrap();
            (parameters == wanted).then(|| target.trim_matches(['<', '>']).to_owned())
        })
    }

    /// The cursor of the next page.
    #[track_caller]
    pub(crate) fn next_cursor(&self) -> String {
        let path = self.linked("next").unwrap();
        let query = path.split_once('?').unwrap().1;
        let mut parameters = form_urlencoded::parse(query.as_bytes());
        parameters.find(|(name, _)| name == "cursor").unwrap().1.into_owned()
    }
}

impl Client {
    /// Reads a list, and returns the response.
    pub(crate) async fn list(&self, query: &str) -> Response {
        self.get(&format!("/articles/?{query}")).await
    }

    /// Reads a list, and returns the ids of the page.
    pub(crate) async fn list_ids(&self, query: &str) -> Vec<i64> {
        self.list(query).await.ids()
    }
}

/// A value as it is written in a query.
pub(crate) fn percent_encoded(value: &str) -> String {
    form_urlencoded::byte_serialize(value.as_bytes()).collect()
}
