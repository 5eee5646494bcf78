//! What every feature uses to speak HTTP.

pub mod cache;
pub mod compression;
pub mod conditional;
pub mod cors;
pub mod docs;
pub mod error;
pub mod field_errors;
pub mod openapi;
pub mod paging;
pub mod resource;
pub mod telemetry;
pub mod timestamp;
pub mod validation;
