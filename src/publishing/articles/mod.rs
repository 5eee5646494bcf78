//! Articles: drafts until they are published, changed by their authors and by administrators.
//!
//! `entity::visibility` decides who may see an article. For everyone else it is 404, whatever the request.

mod authors;
mod content;
mod edit;
pub mod editor;
pub(super) mod filter;
pub mod list;
mod related;
pub mod routes;
mod rows;
pub mod schemas;
pub mod service;
mod write;

use crate::db::Topic;

/// What changes when articles change.
pub const ARTICLES: Topic = Topic::new("articles");
