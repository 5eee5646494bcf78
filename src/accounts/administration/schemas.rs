//! Requests and responses about the administration of accounts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    choice, fields,
    http::{
        error::{Error, Result},
        id_paging::{IdCursor, IdList},
        timestamp::Timestamp,
        validation::{Field, Id, Input, Limits, PageSize, TextRule},
    },
    text,
};

/// The answer to the id of an account that does not exist.
pub(super) const NOT_FOUND: Error = Error::NotFound("User");

text! {
    /// The start of a user name or of an e-mail address.
    pub struct Prefix = TextRule::without_nul(1, Some(255));
}

choice! {
    /// What happens to the published articles of a suspended account.
    pub enum SuspendedArticles {
        /// They stay as they are.
        Keep = "keep",
        /// They become drafts until the account is reinstated.
        Hide = "hide",
    }
}

/// What defines a list of accounts: its filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserList {
    /// Only accounts whose name or address starts with this text.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

impl IdList for UserList {
    const NAME: &'static str = "users";
    const FILTERS: &'static str = "q";

    fn is_valid(&self, limits: &Limits) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| Prefix::parse(Input::Text(prefix), limits).is_ok())
    }
}

/// The log has no filters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogList {}

impl IdList for LogList {
    const NAME: &'static str = "log";
    const FILTERS: &'static str = "";

    fn is_valid(&self, _limits: &Limits) -> bool {
        true
    }
}

fields! {
    /// Selects a page of the accounts.
    pub struct UserFilter {
        /// The number of accounts to return, at most `MAX_PAGE_SIZE`, and never more than 1,000.
        limit: PageSize,
        /// A position in a list, taken from the `Link` header of another page. It contains `q`.
        cursor: Option<IdCursor<UserList>>,
        /// Only accounts whose user name or e-mail address starts with this text. Case matters for user names, and
        /// does not for ASCII letters in addresses.
        q: Option<Prefix>,
    }
}

fields! {
    /// Selects a page of the log.
    pub struct LogFilter {
        /// The number of entries to return, at most `MAX_PAGE_SIZE`, and never more than 1,000.
        limit: PageSize,
        /// A position in the log, taken from the `Link` header of another page.
        cursor: Option<IdCursor<LogList>>,
    }
}

fields! {
    /// The path of an account.
    pub struct UserPath in path {
        /// The id of the account.
        #[example = 1]
        user_id: Id,
    }
}

impl UserPath {
    /// The id of the account.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no account can have it.
    pub fn id(&self) -> Result<i32> {
        self.user_id.get().ok_or(NOT_FOUND)
    }
}

fields! {
    /// How to suspend an account.
    pub struct Suspension {
        /// `keep`: the published articles of the account stay as they are. `hide`: they become drafts until the
        /// account is reinstated.
        #[example = "keep"]
        articles: SuspendedArticles,
    }
}

/// An account, as shown to administrators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccountResponse {
    /// The id of the account. Ids are never reused.
    #[schema(examples(1))]
    pub id: i32,
    /// The e-mail address, spelled as at registration.
    #[schema(examples("ada@example.com"))]
    pub email: String,
    /// The user name.
    #[schema(examples("ada"))]
    pub username: String,
    /// When the account was created.
    #[schema(value_type = String, format = DateTime, examples("2026-11-23T15:39:42.169551Z"))]
    pub created_at: Timestamp,
    /// When the account last changed.
    #[schema(value_type = String, format = DateTime, examples("2026-11-23T15:39:42.169551Z"))]
    pub updated_at: Timestamp,
    /// The name to show to readers.
    #[schema(required, examples("Ada Lovelace"))]
    pub display_name: Option<String>,
    /// A text about the author.
    #[schema(required, examples("Analyst and metaphysician."))]
    pub bio: Option<String>,
    /// The URL of a picture.
    #[schema(required, examples("https://example.com/ada.jpg"))]
    pub image: Option<String>,
    /// Whether the account is an administrator.
    #[schema(examples(false))]
    pub is_admin: bool,
    /// False while the account is suspended.
    #[schema(examples(true))]
    pub is_active: bool,
    /// Whether the owner has shown to receive mail at the address.
    #[schema(examples(true))]
    pub is_email_confirmed: bool,
}

/// An entry of the log of administrative actions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogResponse {
    /// The id of the entry. Ids grow with time.
    #[schema(examples(1))]
    pub id: i64,
    /// When it was done.
    #[schema(value_type = String, format = DateTime, examples("2026-11-23T15:39:42.169551Z"))]
    pub created_at: Timestamp,
    /// The id of the administrator's account; null for the command line.
    #[schema(required, examples(1))]
    pub actor_id: Option<i32>,
    /// The name of the administrator at that time; null for the command line.
    #[schema(required, examples("ada"))]
    pub actor: Option<String>,
    /// What was done.
    #[schema(examples("user.suspend"))]
    pub action: String,
    /// The id of the account or of the article.
    #[schema(required, examples(2))]
    pub target_id: Option<i32>,
    /// The name of the account or the title of the article at that time.
    #[schema(required, examples("bob"))]
    pub target: Option<String>,
    /// The IP address of the client; null for the command line.
    #[schema(required, examples("203.0.113.7"))]
    pub address: Option<String>,
}
