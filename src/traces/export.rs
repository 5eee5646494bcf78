//! Sends spans to the collector.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use actix_rt::Runtime;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};

/// Maximum duration of a request to the collector.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum size of its response, in bytes.
const MAX_RESPONSE: usize = 64 << 10;

/// Sends requests on the thread that calls it, which is the one that exports spans.
#[derive(Debug, Default)]
pub(super) struct Client {
    /// The latest request failed.
    is_failing: AtomicBool,
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // The exporter waits for each request in any case, and the client of actix needs a runtime of actix.
        let outcome =
            Runtime::new().map_err(HttpError::from).and_then(|runtime| runtime.block_on(send(request)));
        let failure = match &outcome {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("the status was {}", response.status())),
            Err(error) => Some(error.to_string()),
        };
        match (self.is_failing.swap(failure.is_some(), Relaxed), failure) {
            (false, Some(cause)) => tracing::warn!(cause, "traces cannot be sent, and are lost"),
            (true, None) => tracing::info!("traces are sent again"),
            _ => {}
        }
        outcome
    }
}

async fn send(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let client = awc::Client::builder().timeout(TIMEOUT).disable_redirects().finish();
    let (head, body) = request.into_parts();
    let headers = head.headers.iter();
    let sent = headers.fold(client.post(head.uri.to_string()), |sent, (name, value)| {
        sent.insert_header((name.as_str(), value.as_bytes()))
    });
    // Not as it is: it is not `Send`.
    let failed = |error: &dyn std::fmt::Display| HttpError::from(error.to_string());
    let mut received = sent.send_body(body).await.map_err(|error| failed(&error))?;
    let body = received.body().limit(MAX_RESPONSE).await.map_err(|error| failed(&error))?;
    Ok(Response::builder().status(received.status().as_u16()).body(body)?)
}
