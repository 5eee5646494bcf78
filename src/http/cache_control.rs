//! Forbids caches to store a response whose handler says nothing about caching.

use actix_web::{
    body::MessageBody,
    dev::ServiceRequest,
    http::header::{CACHE_CONTROL, HeaderValue},
    middleware::Next,
};

use super::amend::{Outcome, amend};

/// Adds `Cache-Control: no-store` to a response without this header. Tokens and accounts must not be stored
/// (RFC 6749, section 5.1), and without the header a shared cache may store a 404 (RFC 9111, section 4.2.2)
/// and hide an article that is published later.
pub async fn forbid_storing<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Outcome<B> {
    amend(next.call(request).await, |head| {
        if !head.headers.contains_key(CACHE_CONTROL) {
            head.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    })
}
