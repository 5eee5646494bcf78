//! Liveness and readiness checks, for load balancers, orchestrators and monitoring.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, HeaderValue},
    rt::time::timeout,
    web::ThinData,
};
use entity::user;
use sea_orm::{DbErr, EntityTrait as _, QuerySelect as _};
use serde::Serialize;
use utoipa::ToSchema;

use super::Operations;
use crate::{
    db::Db,
    endpoint, error_responses,
    http::{
        error::{Error, Result},
        resource::Endpoint,
    },
};

/// How long the readiness check waits for the database.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The state of a server that responds.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthResponse {
    /// `ok`, or `degraded` if the server responds correctly but not as fast as it could.
    #[schema(examples("ok"))]
    status: &'static str,
    /// Why it is `degraded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        examples("The cache is not used: the triggers of the database are not as expected")
    )]
    reason: Option<&'static str>,
}

/// The reason if [`Cache::is_out_of_use`](crate::http::cache::Cache::is_out_of_use).
const CACHE_OUT_OF_USE: &str = "The cache is not used: the triggers of the database are not as expected";

/// The routes of this feature.
pub fn endpoints() -> [Endpoint; 2] {
    [endpoint!(check_liveness), endpoint!(check_readiness)]
}

error_responses! {
    /// Errors of the readiness check.
    ReadinessErrors = [Error::Busy];
}

/// Check whether the process is running
///
/// Does not query the database: a process that responds needs no restart.
#[utoipa::path(
    get, path = "/health/live", tag = "health", operation_id = "check_liveness",
    responses((status = 200, description = "The process is running.", body = HealthResponse)),
)]
pub async fn check_liveness() -> HttpResponse {
    healthy(None)
}

/// Check whether requests can be served
///
/// Queries a table of the database and waits at most two seconds for it. On SQLite, also checks that the file of
/// the database was neither deleted nor replaced. A server that is about to stop is not ready, but serves requests for
/// `DRAIN_SECONDS`.
#[utoipa::path(
    get, path = "/health/ready", tag = "health", operation_id = "check_readiness",
    responses((status = 200, description = "Requests can be served.", body = HealthResponse), ReadinessErrors),
)]
pub async fn check_readiness(operations: ThinData<Operations>) -> Result<HttpResponse> {
    if operations.draining.has_begun() {
        return Err(Error::Busy);
    }
    timeout(TIMEOUT, query(&operations.db))
        .await
        .map_err(|late| Error::unavailable("query the database in time", late))?
        .map_err(|error| Error::unavailable("query the database", error))?;
    Ok(healthy(operations.cache.is_out_of_use().then_some(CACHE_OUT_OF_USE)))
}

/// Reads from a table, because a query of none succeeds in an empty database and on a file that is gone.
async fn query(db: &Db) -> Result<(), DbErr> {
    let id = user::Entity::find().select_only().column(user::Column::Id).limit(1);
    id.into_tuple::<i32>().one(&db.reader).await?;
    db.check_file()
}

fn healthy(reason: Option<&'static str>) -> HttpResponse {
    let status = if reason.is_some() { "degraded" } else { "ok" };
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .json(HealthResponse { status, reason })
}
