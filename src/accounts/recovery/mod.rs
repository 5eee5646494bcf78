//! A lost password, and the confirmation of e-mail addresses: links that are sent by mail.

pub mod compose;
pub mod links;
pub mod routes;
pub mod schemas;
pub mod service;
