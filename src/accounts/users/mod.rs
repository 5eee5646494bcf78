//! Accounts: made by registration or by the operator, unique by name and, without case, by e-mail address.

pub mod routes;
pub mod schemas;
pub mod service;

use actix_web::{http::Method, web::ServiceConfig};

use crate::http::resource::Resource;

/// The routes of this feature.
pub fn configure(cfg: &mut ServiceConfig) {
    Resource::at("/auth/register").on(Method::POST, routes::register_user).register(cfg);
    Resource::at("/users/me").get(routes::read_me).register(cfg);
}
