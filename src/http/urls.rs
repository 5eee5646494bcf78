//! References in responses. A proxy may serve the API under a path prefix that it removes from requests, so a
//! path of the API is not a path of the site: every reference is relative to the URL of the request (RFC 3986,
//! section 4.2), which is right behind every prefix.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use actix_web::{
    Error, FromRequest, HttpMessage as _, HttpRequest,
    body::MessageBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{Uri, uri::PathAndQuery},
    middleware::Next,
};

/// The URL of a request as its client sent it, against which the client resolves references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// The number of slashes in its path after the first.
    depth: usize,
}

impl Base {
    fn of_path(path: &str) -> Self {
        Self { depth: path.matches('/').count().saturating_sub(1) }
    }

    /// The reference to `path`, which is relative to the root of the API.
    pub fn reference(self, path: &str) -> String {
        format!("{}{path}", "../".repeat(self.depth))
    }
}

impl FromRequest for Base {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let sent = request.extensions().get().copied();
        ready(Ok(sent.unwrap_or_else(|| Self::of_path(request.path()))))
    }
}

/// Prepares the path of a request for routing: an encoded slash is a slash (contract, section 1), which actix leaves
/// encoded, and a slash at the end is ignored (contract, section 9: `slash`). Routes have one pattern for both
/// spellings, because every pattern costs time at start and for each request.
pub async fn normalize_path<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    decode_slashes(&mut request);
    let path = request.path();
    let routed = without_last_slash(path);
    if routed.len() < path.len()
        && let Ok(routed) = PathAndQuery::try_from(routed)
    {
        // Only for routing: the rest of the server sees the path as its client sent it.
        request.match_info_mut().get_mut().update(&Uri::from(routed));
    }
    next.call(request).await
}

fn decode_slashes(request: &mut ServiceRequest) {
    if request.path().contains("%2") {
        // For a client that resolves references, an encoded slash is not a slash.
        let base = Base::of_path(request.path());
        let path = request.path().replace("%2F", "/").replace("%2f", "/");
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = PathAndQuery::try_from(format!("{path}{query}")).ok();
        if let Ok(uri) = Uri::from_parts(parts) {
            request.match_info_mut().get_mut().update(&uri);
            request.head_mut().uri = uri;
            request.extensions_mut().insert(base);
        }
    }
}

/// The path without one slash at its end. The root keeps its slash, and so does a path that ends with two, which no
/// route has.
pub fn without_last_slash(path: &str) -> &str {
    path.strip_suffix('/').filter(|rest| !rest.is_empty() && !rest.ends_with('/')).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    #[test]
    fn one_slash_at_the_end_is_ignored() {
        for (path, expected) in [
            ("", ""),
            ("/", "/"),
            ("//", "//"),
            ("/articles", "/articles"),
            ("/articles/", "/articles"),
            ("/articles//", "/articles//"),
            ("/articles/1/", "/articles/1"),
            ("*", "*"),
        ] {
            assert_eq!(without_last_slash(path), expected);
        }
    }

    #[test]
    fn a_reference_leads_to_its_path_under_every_prefix() {
        for prefix in ["", "/api", "/a/b"] {
            for (path, depth) in [
                ("/articles", 0),
                ("/articles/", 1),
                ("/articles%2F", 0),
                ("/%61rticles", 0),
                ("/articles/1", 1),
                ("/articles/1/", 2),
                ("/articles%2F1/", 1),
            ] {
                let base = Base::of_path(path);
                assert_eq!(base.depth, depth, "{path}");
                let sent = Url::parse(&format!("https://blog.example{prefix}{path}?limit=1")).unwrap();
                for (target, expected) in [("articles/5", "/articles/5"), ("openapi.json", "/openapi.json")] {
                    let resolved = sent.join(&base.reference(target)).unwrap();
                    assert_eq!(
                        resolved.as_str(),
                        format!("https://blog.example{prefix}{expected}"),
                        "{path}"
                    );
                }
                let root = sent.join(&base.reference(".")).unwrap();
                assert_eq!(root.path(), format!("{prefix}/"), "{path}");
            }
        }
    }
}
