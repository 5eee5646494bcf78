//! Reading through the cache, and knowing what is in it.

use actix_web::http::{Method, StatusCode};
use byline::http::compression::Coding;

use super::{Response, TestApp, wait_until};

/// A value of `Accept-Encoding`, and the coding in which the server then stores and sends a response.
pub(crate) type Accepted = (&'static str, Option<Coding>);

pub(crate) const PLAIN: Accepted = ("identity", None);
pub(crate) const BROTLI: Accepted = ("gzip, deflate, br", Some(Coding::Brotli));
pub(crate) const GZIP: Accepted = ("gzip", Some(Coding::Gzip));
pub(crate) const CODINGS: [Accepted; 3] = [PLAIN, BROTLI, GZIP];

impl TestApp {
    /// An anonymous read by a client that accepts this coding.
    pub(crate) async fn read_as(&self, path: &str, (codings, _): Accepted) -> Response {
        self.anonymous().request(Method::GET, path).accept_encoding(codings).send().await
    }

    /// Reads `path` anonymously until the cache has the response, and then once more.
    pub(crate) async fn fill_cache(&self, path: &str) -> Response {
        self.fill_cache_as(path, PLAIN).await
    }

    /// The same for a client that accepts this coding.
    pub(crate) async fn fill_cache_as(&self, path: &str, accepted: Accepted) -> Response {
        wait_until("the response is cached", async || {
            self.read_as(path, accepted).await.expect(StatusCode::OK);
            self.is_cached_as(path, accepted)
        })
        .await;
        self.read_as(path, accepted).await
    }

    /// Whether the cache has the plain response for `path`.
    pub(crate) fn is_cached(&self, path: &str) -> bool {
        self.is_cached_as(path, PLAIN)
    }

    /// Whether the cache has the response for `path` in this coding.
    pub(crate) fn is_cached_as(&self, path: &str, accepted: Accepted) -> bool {
        self.cached_length(path, accepted).is_some()
    }

    /// The length of the cached body for `path`, as it is sent in this coding.
    pub(crate) fn cached_length(&self, path: &str, (_, coding): Accepted) -> Option<usize> {
        self.cache().get(path, coding).map(|entry| entry.body.len())
    }
}
