//! Requests and responses about user accounts.

use secrecy::SecretString;
use serde::Serialize;
use url::Url;
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    accounts::{
        passwords::MAX_BYTES,
        profiles::{enforce_nickname, enforce_opaque_string},
        sessions::schemas::Credential,
    },
    fields,
    http::{
        timestamp::Timestamp,
        validation::{Field, Input, InvalidValue, Limits, Nullable, TextRule, parse_text, text_schema},
    },
    text,
};

/// A valid e-mail address as defined by the HTML standard.
const EMAIL: &str = "^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$";

/// The maximum number of code points of a user name.
const MAX_NAME: usize = 50;

/// No control characters, no white space at either end. U+FEFF is listed because it is white space in
/// ECMA-262, but not in the `regex` crate.
const USERNAME: &str = r"^[^\s\ufeff\u0000-\u001f\u007f-\u009f](?:[^\u0000-\u001f\u007f-\u009f]*[^\s\ufeff\u0000-\u001f\u007f-\u009f])?$";

/// The names that new accounts cannot have.
const RESERVED: [&str; 3] = ["me", ".", ".."];

/// The maximum length of the URL of a picture, in bytes.
const MAX_URL: usize = 2000;

text! {
    /// A name to show to readers: 1 to 100 code points.
    pub struct DisplayName = TextRule::without_nul(1, Some(100));
    /// A text about the author: 1 to 1,000 code points.
    pub struct Bio = TextRule::without_nul(1, Some(1000));
    /// An e-mail address.
    pub struct Email = TextRule {
        format: Some("email"), mismatch: Some(not_an_address), ..TextRule::new(3, Some(255), EMAIL)
    };
    /// A user name as it was typed, 1 to 50 code points.
    pub struct TypedName = TextRule::new(1, Some(MAX_NAME), USERNAME);
}

/// The error that Pydantic reports for an address. Its pattern would explain nothing to a person.
fn not_an_address() -> InvalidValue {
    let reason = "An address has the form name@example.com";
    InvalidValue::new("value_error", format!("value is not a valid email address: {reason}"))
        .with("reason", reason)
}

/// The URL of a picture: `http` or `https`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUrl(String);

impl ImageUrl {
    fn rule() -> TextRule {
        TextRule { format: Some("uri"), ..TextRule::without_nul(1, Some(MAX_URL)) }
    }

    /// The URL.
    pub fn into_inner(self) -> String {
        self.0
    }
}

impl Field for ImageUrl {
    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        let text = parse_text(input, &Self::rule())?;
        let url = Url::parse(&text).map_err(|error| InvalidValue::rejected(error.to_string()))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(InvalidValue::rejected(
                "a URL of a picture starts with https:// or http://".to_owned(),
            ));
        }
        let url = String::from(url);
        // Encoding can make it longer.
        if url.len() > MAX_URL {
            return Err(InvalidValue::rejected(format!("more than {MAX_URL} bytes when encoded")));
        }
        Ok(Self(url))
    }

    fn schema() -> RefOr<Schema> {
        text_schema(&Self::rule())
    }
}

/// A user name in the spelling of its profile (RFC 8266), 1 to 50 code points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// The name.
    pub fn into_inner(self) -> String {
        self.0
    }
}

impl AsRef<str> for Username {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Field for Username {
    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue> {
        let typed = TypedName::parse(input, limits)?;
        let name = enforce_nickname(&typed.into_inner()).map_err(InvalidValue::rejected)?;
        // `/users/me` is the signed-in account, and clients resolve the others as parts of a URL.
        if RESERVED.contains(&name.as_str()) {
            return Err(InvalidValue::rejected(format!("the name {name} is reserved")));
        }
        // A character may become several, which JSON Schema cannot express.
        if name.chars().count() > MAX_NAME {
            return Err(InvalidValue::rejected(format!("more than {MAX_NAME} characters in NFKC")));
        }
        Ok(Self(name))
    }

    fn schema() -> RefOr<Schema> {
        TypedName::schema()
    }
}

/// The name of an account: any text, because an old account may have any name.
#[derive(Clone, Debug)]
pub struct AccountName {
    /// As it was typed.
    pub typed: String,
    /// The spelling in which registration would store it; `None` if registration would reject it.
    pub stored: Option<String>,
}

impl Field for AccountName {
    fn parse(input: Input<'_>, limits: &Limits) -> Result<Self, InvalidValue> {
        let typed = parse_text(input, &TextRule::any())?;
        let stored = Username::parse(Input::Text(&typed), limits).ok().map(Username::into_inner);
        Ok(Self { typed, stored })
    }

    fn schema() -> RefOr<Schema> {
        text_schema(&TextRule::any())
    }
}

/// A password to set, in the spelling of its profile (RFC 8265), or as typed if the profile rejects it: at
/// least 8 code points and at most 72 bytes, because bcrypt ignores further bytes.
#[derive(Clone, Debug)]
pub struct NewPassword(SecretString);

impl NewPassword {
    fn rule() -> TextRule {
        TextRule { format: Some("password"), ..TextRule::without_nul(8, Some(MAX_BYTES)) }
    }

    /// The password.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

impl Field for NewPassword {
    const SECRET: bool = true;

    fn parse(input: Input<'_>, _limits: &Limits) -> Result<Self, InvalidValue> {
        let typed = parse_text(input, &Self::rule())?;
        let password = enforce_opaque_string(&typed).unwrap_or_else(|| typed.clone());
        if typed.len().max(password.len()) > MAX_BYTES {
            let msg = format!("Data should have at most {MAX_BYTES} bytes");
            return Err(InvalidValue::new("bytes_too_long", msg).with("max_length", MAX_BYTES));
        }
        Ok(Self(password.into()))
    }

    fn schema() -> RefOr<Schema> {
        text_schema(&Self::rule())
    }
}

fields! {
    /// A new account.
    pub struct UserCreate {
        /// The e-mail address, 3 to 255 characters. No two accounts have the same address, regardless of
        /// case.
        #[example = "ada@example.com"]
        email: Email,
        /// The user name to sign in with, unique and case-sensitive. 1 to 50 code points, without control
        /// characters, invisible characters, and white space at either end. Stored in Unicode's form NFKC,
        /// with single spaces (RFC 8266).
        #[example = "ada"]
        username: Username,
        /// The password: at least 8 code points and at most 72 bytes in UTF-8.
        #[example = "correct horse battery"]
        password: NewPassword,
    }
}

fields! {
    /// Changes to the signed-in account. Absent members stay unchanged.
    pub struct UserUpdate {
        /// The e-mail address, 3 to 255 characters.
        #[example = "ada@example.com"]
        email: Option<Email>,
        /// The user name to sign in with; see `POST /auth/register`.
        #[example = "ada"]
        username: Option<Username>,
        /// The name to show to readers, 1 to 100 code points; null removes it.
        #[example = "Ada Lovelace"]
        display_name: Nullable<DisplayName>,
        /// A text about the author, 1 to 1,000 code points; null removes it.
        #[example = "Analyst and metaphysician."]
        bio: Nullable<Bio>,
        /// The URL of a picture, `https` or `http`, at most 2,000 bytes; null removes it.
        #[example = "https://example.com/ada.jpg"]
        image: Nullable<ImageUrl>,
    }
}

fields! {
    /// A change of the password.
    pub struct PasswordChange {
        /// The password until now.
        #[example = "correct horse battery"]
        current_password: Credential,
        /// The new password: at least 8 code points and at most 72 bytes in UTF-8.
        #[example = "a longer horse battery"]
        new_password: NewPassword,
    }
}

fields! {
    /// The confirmation of an action.
    pub struct PasswordConfirmation {
        /// The password of the account.
        #[example = "correct horse battery"]
        password: Credential,
    }
}

fields! {
    /// The path of a public profile.
    pub struct ProfilePath in path {
        /// The user name, case-sensitive.
        #[example = "ada"]
        username: AccountName,
    }
}

/// An account, as shown to everyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProfileResponse {
    /// The id of the account.
    #[schema(examples(1))]
    pub id: i32,
    /// The user name.
    #[schema(examples("ada"))]
    pub username: String,
    /// The name to show to readers.
    #[schema(required, examples("Ada Lovelace"))]
    pub display_name: Option<String>,
    /// A text about the author.
    #[schema(required, examples("Analyst and metaphysician."))]
    pub bio: Option<String>,
    /// The URL of a picture.
    #[schema(required, examples("https://example.com/ada.jpg"))]
    pub image: Option<String>,
}

/// An account, as shown to its owner.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserResponse {
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
    /// Whether the owner has shown to receive mail at the address.
    #[schema(examples(true))]
    pub is_email_confirmed: bool,
}
