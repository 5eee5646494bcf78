//! Signing in with user name and password.

pub mod routes;
pub mod schemas;
pub mod service;

use actix_web::{http::Method, web::ServiceConfig};

use crate::http::resource::Resource;

/// The routes of this feature.
pub fn configure(cfg: &mut ServiceConfig) {
    Resource::at("/auth/login").on(Method::POST, routes::login).register(cfg);
}
