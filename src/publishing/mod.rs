//! Articles and everything that shows them.

pub mod articles;
