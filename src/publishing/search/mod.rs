//! Full-text search: the query language, and the words that are looked for.

mod highlight;
mod query;
mod words;
