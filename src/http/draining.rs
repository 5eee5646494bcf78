//! Whether the server is about to stop. Until it does, it serves requests and asks clients to close their
//! connections.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use actix_web::{body::MessageBody, dev::ServiceRequest, http::ConnectionType, middleware::Next};

use super::{
    HttpState,
    amend::{Outcome, amend},
};

/// Whether the server is about to stop. Clones share the value.
#[derive(Clone, Debug, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// The server is about to stop.
    pub fn begin(&self) {
        self.0.store(true, Relaxed);
    }

    /// Whether the server is about to stop.
    pub fn has_begun(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Adds `Connection: close` to the responses of a server that is about to stop (RFC 9112, section 9.6), so that the
/// client sends its next request to another server.
pub async fn close_connections<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Outcome<B> {
    let draining = HttpState::of(request.request()).map(|http| http.draining.clone()).ok();
    amend(next.call(request).await, move |head| {
        if draining.as_ref().is_some_and(Draining::has_begun) {
            head.set_connection_type(ConnectionType::Close);
        }
    })
}
