//! Signing in and being known: passwords, access tokens, and the types that say who may call.
//!
//! A token is proof enough of who one was when it was issued; the account's row is read with every request, so a deleted
//! account is out at once.

pub mod call;
pub mod password;
pub mod routes;
pub mod schemas;
pub mod service;
pub mod token;

use actix_web::{http::Method, web::ServiceConfig};
pub use call::{Anyone, Call, CallerId, CurrentUser, Viewer};

use crate::routing::Resource;

/// The routes of this feature.
pub fn configure(cfg: &mut ServiceConfig) {
    Resource::at("/auth/login").on(Method::POST, routes::login).register(cfg);
}
