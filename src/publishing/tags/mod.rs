//! Tags of articles. Two names are the same tag if they have the same key: NFKC with full case folding.

pub mod names;
pub mod of_articles;
pub mod orphans;
pub mod routes;
pub mod schemas;
pub mod service;
