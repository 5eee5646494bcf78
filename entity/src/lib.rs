//! Byline's tables, one file each, and the rule that says which rows a request may see.
//!
//! Entities stay inside services. None implements `Serialize`, so a password hash cannot reach a client through one.

pub mod article;
pub mod user;
pub mod visibility;

pub use visibility::Visibility;
