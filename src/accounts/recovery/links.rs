//! The tokens in links: the id of a row of `email_tokens` with a secret that is derived from it, so that neither the
//! database nor a backup reveals a token, and a message that is sent again has the same link.

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use crate::{
    config::{LinkTemplate, Settings},
    http::error::{Error, Result},
};

/// What a link does. Stored as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// Sets a new password.
    Reset,
    /// Confirms an address.
    Confirm,
}

impl LinkKind {
    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Confirm => "confirm",
        }
    }
}

/// Makes and verifies tokens, and the links that contain them.
pub struct Links {
    signing: EncodingKey,
    verifying: DecodingKey,
    reset_url: LinkTemplate,
    confirm_url: LinkTemplate,
}

impl Links {
    /// Links of a server with these settings.
    pub fn new(settings: &Settings) -> Self {
        let key = settings.auth.secret_key.expose_secret().as_bytes();
        Self {
            signing: EncodingKey::from_secret(key),
            verifying: DecodingKey::from_secret(key),
            reset_url: settings.mail.reset_url.clone(),
            confirm_url: settings.mail.confirm_url.clone(),
        }
    }

    /// A random id for a link.
    pub fn new_id() -> String {
        Uuid::new_v4().simple().to_string()
    }

    /// The link with the token of `id`.
    pub fn url(&self, kind: LinkKind, id: &str) -> Result<String> {
        let template = match kind {
            LinkKind::Reset => &self.reset_url,
            LinkKind::Confirm => &self.confirm_url,
        };
        let secret = link_secret(&self.signing, kind, id)?;
        Ok(template.fill(&format!("{id}.{secret}")))
    }

    /// The id of the link whose token this is; `None` if the token is of another kind or was not made with this
    /// key. The comparison takes the same time for every secret.
    pub fn id_of<'a>(&self, kind: LinkKind, token: &'a str) -> Option<&'a str> {
        let (id, secret) = token.split_once('.')?;
        let verified =
            crypto::verify(secret, message(kind, id).as_bytes(), &self.verifying, Algorithm::HS256);
        verified.is_ok_and(|is_good| is_good).then_some(id)
    }
}

/// HMAC-SHA-256 under `SECRET_KEY`, in base64url.
fn link_secret(key: &EncodingKey, kind: LinkKind, id: &str) -> Result<String> {
    crypto::sign(message(kind, id).as_bytes(), key, Algorithm::HS256)
        .map_err(|error| Error::internal("make the token of a link", error))
}

/// What is signed. The signed part of an access token has a point and no colon, so neither is ever the other.
fn message(kind: LinkKind, id: &str) -> String {
    format!("byline:link:{}:{id}", kind.as_str())
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(key: &str) -> Links {
        let settings = [("SECRET_KEY", key), ("DATA_DIR", "/nowhere")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Links::new(&Settings::from_parts(settings, None).unwrap())
    }

    fn token(links: &Links, kind: LinkKind, id: &str) -> String {
        links.url(kind, id).unwrap().rsplit_once("token=").unwrap().1.to_owned()
    }

    #[test]
    fn a_token_is_valid_for_its_kind_and_its_key_only() {
        let ours = links("a key of the tests, 32 bytes and more");
        let id = Links::new_id();
        let reset = token(&ours, LinkKind::Reset, &id);
        assert_eq!(ours.id_of(LinkKind::Reset, &reset), Some(id.as_str()));
        assert_eq!(ours.id_of(LinkKind::Confirm, &reset), None);
        assert_eq!(links("another key of the tests, 32 bytes").id_of(LinkKind::Reset, &reset), None);
        assert_eq!(token(&ours, LinkKind::Reset, &id), reset, "the same link for a second attempt");
    }

    #[test]
    fn a_token_that_was_changed_anywhere_is_not_valid() {
        let ours = links("a key of the tests, 32 bytes and more");
        let good = token(&ours, LinkKind::Reset, &Links::new_id());
        for at in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(ours.id_of(LinkKind::Reset, &changed), None, "{at}");
        }
        for other in
            ["", ".", "a", "a.", ".a", &good[..good.len() - 1], &format!("{good}A"), &format!("{good}.x")]
        {
            assert_eq!(ours.id_of(LinkKind::Reset, other), None, "{other}");
        }
    }
}
