//! The names that PostgreSQL triggers and listening servers share.
//!
//! In the transaction of a write, a trigger sends a notification on [`CHANNEL`]. Its payload is `ids 1,2,3`
//! for at most 100 changed articles, or `all` if any article may have changed.

/// The channel on which writes are announced.
pub const CHANNEL: &str = "byline_articles";

/// The function of the triggers that announce writes to `articles`.
pub const ARTICLES_CHANGED: &str = "byline_articles_changed";

/// The function of the trigger that announces changes of `users.username`.
pub const USERS_RENAMED: &str = "byline_users_renamed";

/// A trigger that a listening server relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The trigger's name.
    pub name: &'static str,
    /// The table that it is on.
    pub table: &'static str,
    /// The function that it calls.
    pub function: &'static str,
}

/// All triggers that must exist and be enabled for a listener to receive every write.
pub const TRIGGERS: [Trigger; 5] = [
    Trigger { name: "articles_inserted", table: "articles", function: ARTICLES_CHANGED },
    Trigger { name: "articles_updated", table: "articles", function: ARTICLES_CHANGED },
    Trigger { name: "articles_deleted", table: "articles", function: ARTICLES_CHANGED },
    Trigger { name: "articles_truncated", table: "articles", function: ARTICLES_CHANGED },
    Trigger { name: "users_renamed", table: "users", function: USERS_RENAMED },
];
