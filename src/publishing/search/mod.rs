//! Full-text search over titles, contents, tags and authors of visible articles.
//!
//! Triggers put articles whose texts change into a queue, [`indexer`] folds their words and stores them for the engine,
//! and [`service`] looks for the folded words of a query. An article in the queue is not found, so that no text is
//! found that the article does not have any more.

mod highlight;
pub mod indexer;
mod query;
pub mod routes;
pub mod schemas;
pub mod service;
mod words;
