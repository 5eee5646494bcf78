//! The scopes of personal access tokens, and the scope that a route requires (RFC 6750, section 3.1).

use std::fmt;

use serde::Serialize;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

use super::validation::{Field, Input, InvalidValue, Limits, variant_names};

/// What a personal access token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Scope {
    /// Read articles, including the account's own drafts.
    #[serde(rename = "articles:read")]
    ArticlesRead,
    /// Create, change and delete articles.
    #[serde(rename = "articles:write")]
    ArticlesWrite,
    /// Read the account.
    #[serde(rename = "profile:read")]
    ProfileRead,
    /// Change the account's profile.
    #[serde(rename = "profile:write")]
    ProfileWrite,
    /// Use the rights of an administrator.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 5] =
        [Self::ArticlesRead, Self::ArticlesWrite, Self::ProfileRead, Self::ProfileWrite, Self::Admin];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ArticlesRead => "articles:read",
            Self::ArticlesWrite => "articles:write",
            Self::ProfileRead => "profile:read",
            Self::ProfileWrite => "profile:write",
            Self::Admin => "admin",
        }
    }

    /// What the scope allows, for the OpenAPI document.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::ArticlesRead => "read articles, including the account's own drafts",
            Self::ArticlesWrite => "create, change and delete articles",
            Self::ProfileRead => "read the account",
            Self::ProfileWrite => "change the account's profile",
            Self::Admin => "use the rights of an administrator",
        }
    }

    /// The scope with this name.
    pub fn parse_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Field for Scope {
    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        let scope = input.text().and_then(Self::parse_name);
        scope.ok_or_else(|| InvalidValue::choice(&Self::ALL.map(Self::name)))
    }

    fn schema() -> RefOr<Schema> {
        let variants = ["ArticlesRead", "ArticlesWrite", "ProfileRead", "ProfileWrite", "Admin"];
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(Self::ALL.map(Self::name)))
            .extensions(Some(variant_names(&variants)))
            .into()
    }
}

/// The scope that a route accepts; `None` if it accepts no personal access token. An extension of the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequiredScope(pub(super) Option<Scope>);
