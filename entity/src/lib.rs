//! Byline's tables, one file each, and the finders that scope what may be read.
//!
//! Entities stay inside services: none implements `Serialize`, so a password hash can't reach a client through one.

pub mod article;
pub mod user;
