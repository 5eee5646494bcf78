//! Liveness and readiness, for whoever starts, watches and routes to this process.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, HeaderValue},
    rt::time::timeout,
    web::ServiceConfig,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    http::{
        error::{Error, Result},
        openapi::PlainErrors,
        resource::Resource,
    },
    state::State,
};

/// A database that takes longer than this to say anything is not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a healthy server says.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// The routes of this feature.
pub fn configure(cfg: &mut ServiceConfig) {
    Resource::at("/health/live").get(check_liveness).register(cfg);
    Resource::at("/health/ready").get(check_readiness).register(cfg);
}

/// Tell whether the process runs
///
/// Asks nothing of the database: a process that answers needs no restart.
#[utoipa::path(
    get, path = "/health/live", tag = "health", operation_id = "check_liveness",
    responses((status = 200, description = "It runs.", body = Health)),
)]
pub async fn check_liveness() -> HttpResponse {
    healthy()
}

/// Tell whether requests can be served
///
/// Asks the database, and waits for it two seconds at most.
#[utoipa::path(
    get, path = "/health/ready", tag = "health", operation_id = "check_readiness",
    responses((status = 200, description = "Requests can be served.", body = Health), PlainErrors),
)]
pub async fn check_readiness(state: State) -> Result<HttpResponse> {
    timeout(PATIENCE, state.db.ping()).await.map_err(|late| Error::Unavailable(late.into()))??;
    Ok(healthy())
}

fn healthy() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .json(Health { status: "ok" })
}
