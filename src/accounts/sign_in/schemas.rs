//! The request of sign-in (contract, section 5).

use crate::{
    accounts::{sessions::schemas::Credential, users::schemas::AccountName},
    fields,
    http::validation::TextRule,
    text,
};

text! {
    /// `password`, the only supported grant type (RFC 6749, section 4.3).
    pub struct GrantType = TextRule::new(0, None, "^password$");
    /// Any text. A name or a password that registration would reject belongs to no account, which is a 401.
    pub struct FormText = TextRule::any();
}

fields! {
    /// The form of an OAuth 2.0 password grant.
    pub struct LoginForm {
        /// `password`, or absent.
        #[example = "password"]
        grant_type: Option<GrantType>,
        /// The name of the account, case-sensitive.
        #[example = "ada"]
        username: AccountName,
        /// The password of the account. Only its first 72 bytes are compared.
        #[example = "correct horse battery"]
        password: Credential,
        /// Ignored.
        #[example = ""]
        scope: Option<FormText>,
        /// Ignored.
        #[example = ""]
        client_id: Option<FormText>,
        /// Ignored.
        #[example = ""]
        client_secret: Option<Credential>,
    }
}
