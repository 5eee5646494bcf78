//! Byline's tables, one file each, and the rule that defines which rows a request may see.
//!
//! Entities stay inside services. No entity implements `Serialize`, so none can expose a password hash to a
//! client.

pub mod article;
pub mod article_preview;
pub mod article_revision;
pub mod article_tag;
pub mod audit_entry;
pub mod email_token;
pub mod mail;
pub mod personal_token;
pub mod rate_limit;
pub mod session;
pub mod slug_redirect;
mod stored_time;
pub mod tag;
pub mod user;
pub mod visibility;

pub use stored_time::StoredTime;
pub use visibility::{Visibility, Writability};
