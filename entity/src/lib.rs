//! Byline's tables, one file each, and the rule that defines which rows a request may see.
//!
//! Entities stay inside services. No entity implements `Serialize`, so none can expose a password hash to a
//! client.

pub mod article;
pub mod audit_entry;
pub mod email_token;
pub mod mail;
pub mod personal_token;
pub mod rate_limit;
pub mod session;
mod stored_time;
pub mod user;
pub mod visibility;

pub use stored_time::StoredTime;
pub use visibility::{Visibility, Writability};
