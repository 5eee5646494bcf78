//! The HTTP layer that every feature uses. It names no feature.

use std::{sync::Arc, time::Duration};

use actix_web::HttpRequest;

pub mod amend;
pub mod cache;
pub mod cache_control;
pub mod client_address;
pub mod compression;
pub mod conditional;
pub mod cors;
pub mod docs;
pub mod draining;
pub mod echo;
pub mod error;
pub mod field_errors;
pub mod id_paging;
pub mod metrics;
pub mod openapi;
pub mod page_bounds;
pub mod page_json;
pub mod paging;
pub mod receive;
pub mod request;
pub mod resource;
pub mod scope;
pub mod sending;
pub mod telemetry;
pub mod timestamp;
pub mod upgrade;
pub mod urls;
pub mod validation;

use cache::Cache;
use client_address::TrustedProxies;
use draining::Draining;
use error::{Error, Result};
use metrics::WorkerCounters;
use receive::BodyMemory;
use validation::Limits;

use crate::traces::Tracer;

/// The state that this layer needs for each request. Cloning it only increments reference counts.
#[derive(Clone, Debug)]
pub struct HttpState {
    /// The limits that requests are checked against.
    pub limits: Arc<Limits>,
    /// The memory for request bodies.
    pub body_memory: BodyMemory,
    /// Maximum duration of a request.
    pub request_timeout: Duration,
    /// The proxies whose reports of client addresses are used.
    pub trusted_proxies: Arc<TrustedProxies>,
    /// The cache of complete responses to anonymous reads.
    pub cache: Arc<Cache>,
    /// Whether the server is about to stop.
    pub draining: Draining,
    /// Begins the spans of requests.
    pub tracer: Tracer,
    /// The counters of the worker, if metrics are on.
    pub counters: Option<Arc<WorkerCounters>>,
}

impl HttpState {
    /// Returns the state of the app that serves `request`.
    ///
    /// # Errors
    /// [`Error::Internal`] if the app was built without it.
    pub fn of(request: &HttpRequest) -> Result<&Self> {
        request
            .app_data()
            .ok_or_else(|| Error::internal("find the state of the HTTP layer", "it was not registered"))
    }
}
