//! Articles: a draft until it is published, changed by its author only.
//!
//! Who may know of an article is one rule, `entity::article::Entity::visible_to`: for everyone else it is 404, whatever is tried.
//! Every change goes through `change::apply`.

mod authors;
pub mod change;
mod listing;
pub mod routes;
pub mod schemas;
pub mod service;

use actix_web::{http::Method, web::ServiceConfig};

use crate::http::resource::Resource;

/// The routes of this feature.
pub fn configure(cfg: &mut ServiceConfig) {
    Resource::at("/articles/")
        .get(routes::list_articles)
        .on(Method::POST, routes::create_article)
        .register_cached(cfg);
    Resource::at("/articles/{article_id}")
        .get(routes::read_article)
        .on(Method::PATCH, routes::update_article)
        .on(Method::DELETE, routes::delete_article)
        .register_cached(cfg);
}
