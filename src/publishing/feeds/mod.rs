//! Feeds of the newest articles, the sitemap and `robots.txt`: what other programs read of the site.

pub mod document;
pub mod routes;
pub mod schemas;
pub mod service;
pub mod site;
pub mod sitemap;

pub use site::Site;
