//! Cross-origin resource sharing for every response, errors included (contract, section 6).
//!
//! `actix-cors` is not used: it responds to a rejected preflight without the headers that let a browser read
//! the reason.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::Next,
};

use super::{
    amend::{Outcome, amend},
    error::Error,
};
use crate::config::Origins;

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The headers that a page of another origin may read, in addition to those that the Fetch standard always
/// exposes.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "etag, link, location, retry-after, www-authenticate, x-request-id, x-total-count",
);

/// How long a browser caches the response to a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

const TRUE: HeaderValue = HeaderValue::from_static("true");

/// The origins whose pages may call the API. Cloning it only increments a reference count.
#[derive(Clone, Debug)]
pub struct Policy(Arc<Origins>);

impl Policy {
    /// Builds the policy from the setting `BACKEND_CORS_ORIGINS`.
    pub fn new(origins: &Origins) -> Self {
        Self(Arc::new(origins.clone()))
    }

    /// Writes the headers that this policy grants to `origin`; returns whether it grants access.
    fn grant(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
        if *self.0 == Origins::Any {
            if origin.is_some() {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
                headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            }
            return true;
        }
        // Also without an origin: a shared cache must not reuse the response for a page that sends one.
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let is_listed = |origin: &&HeaderValue| origin.to_str().is_ok_and(|origin| self.0.contain(origin));
        let Some(origin) = origin.filter(is_listed) else { return false };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        true
    }
}

/// Responds to preflights, and adds the CORS headers to every other response.
pub async fn apply_cors<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Outcome<EitherBody<B, BoxBody>> {
    let Some(policy) = request.app_data::<Policy>().cloned() else {
        return Err(Error::internal("find the CORS policy", "it was not registered").into());
    };
    let origin = request.headers().get(header::ORIGIN).cloned();
    let requested = request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD).cloned();
    if let (&Method::OPTIONS, Some(origin), Some(method)) = (request.method(), &origin, requested) {
        let response = preflight(&policy, origin, &method, request.headers());
        return Ok(request.into_response(response).map_into_right_body());
    }
    let outcome = next.call(request).await.map(ServiceResponse::map_into_left_body);
    amend(outcome, move |head| {
        policy.grant(origin.as_ref(), &mut head.headers);
    })
}

fn preflight(
    policy: &Policy,
    origin: &HeaderValue,
    method: &HeaderValue,
    requested: &HeaderMap,
) -> HttpResponse {
    let known = METHODS.split(", ").any(|known| known.as_bytes() == method.as_bytes());
    let mut headers = HeaderMap::new();
    let mut response = match (policy.grant(Some(origin), &mut headers), known) {
        (false, _) => HttpResponse::from_error(Error::BadRequest("Disallowed CORS origin")),
        (true, false) => HttpResponse::from_error(Error::BadRequest("Disallowed CORS method")),
        (true, true) => HttpResponse::NoContent().finish(),
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    if let Some(requested) = requested.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, requested.clone());
    }
    for (name, value) in headers {
        response.headers_mut().append(name, value);
    }
    response
}
