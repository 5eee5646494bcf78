//! The tokens in links: the id of a row of `email_tokens` with a secret that is derived from it, so that neither the
//! database nor a backup reveals a token, and a message that is sent again has the same link.

use std::{fmt, sync::Arc};

use crate::{
    accounts::secrets::Secrets,
    config::{LinkTemplate, MailSettings},
    http::error::Result,
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

    /// What the secret is derived for.
    fn purpose(self) -> &'static str {
        match self {
            Self::Reset => "make a link to set a password",
            Self::Confirm => "make a link to confirm an address",
        }
    }
}

/// Makes and verifies tokens, and the links that contain them.
pub struct Links {
    secrets: Arc<Secrets>,
    reset_url: LinkTemplate,
    confirm_url: LinkTemplate,
}

impl Links {
    /// Links of a server with these settings.
    pub fn new(mail: &MailSettings, secrets: Arc<Secrets>) -> Self {
        Self { secrets, reset_url: mail.reset_url.clone(), confirm_url: mail.confirm_url.clone() }
    }

    /// The link with the token of `id`.
    pub fn url(&self, kind: LinkKind, id: &str) -> Result<String> {
        let template = match kind {
            LinkKind::Reset => &self.reset_url,
            LinkKind::Confirm => &self.confirm_url,
        };
        Ok(template.fill(&format!("{id}.{}", self.secrets.derive(kind.purpose(), id)?)))
    }

    /// The id of the link whose token this is; `None` if the token is of another kind or was not made with the
    /// keys of this server. The comparison takes the same time for every secret.
    pub fn id_of<'a>(&self, kind: LinkKind, token: &'a str) -> Result<Option<&'a str>> {
        let Some((id, secret)) = token.split_once('.') else { return Ok(None) };
        Ok(self.secrets.is_derived(kind.purpose(), id, secret)?.then_some(id))
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{accounts::secrets::new_id, config::Settings};

    fn links(key: &str) -> Links {
        let settings = [("SECRET_KEY", key), ("DATA_DIR", "/nowhere")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = Settings::from_parts(settings, None).unwrap();
        Links::new(&settings.mail, Arc::new(Secrets::new(&settings.auth.secret_key, None)))
    }

    fn token(links: &Links, kind: LinkKind, id: &str) -> String {
        links.url(kind, id).unwrap().rsplit_once("token=").unwrap().1.to_owned()
    }

    #[test]
    fn a_token_is_valid_for_its_kind_and_its_key_only() {
        let ours = links("a key of the tests, 32 bytes and more");
        let id = new_id();
        let reset = token(&ours, LinkKind::Reset, &id);
        assert_eq!(ours.id_of(LinkKind::Reset, &reset).unwrap(), Some(id.as_str()));
        assert_eq!(ours.id_of(LinkKind::Confirm, &reset).unwrap(), None);
        assert_eq!(links("another key of the tests, 32 bytes").id_of(LinkKind::Reset, &reset).unwrap(), None);
        assert_eq!(token(&ours, LinkKind::Reset, &id), reset, "the same link for a second attempt");
    }

    #[test]
    fn a_token_that_was_changed_anywhere_is_not_valid() {
        let ours = links("a key of the tests, 32 bytes and more");
        let good = token(&ours, LinkKind::Reset, &new_id());
        for at in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(ours.id_of(LinkKind::Reset, &changed).unwrap(), None, "{at}");
        }
        for other in
            ["", ".", "a", "a.", ".a", &good[..good.len() - 1], &format!("{good}A"), &format!("{good}.x")]
        {
            assert_eq!(ours.id_of(LinkKind::Reset, other).unwrap(), None, "{other}");
        }
    }
}
