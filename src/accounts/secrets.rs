//! Credentials other than access tokens: random secrets, their hashes, and values derived from the server's key.

use std::fmt::{self, Write as _};

use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::http::error::{Error, Result};

/// Starts every refresh token.
const REFRESH_PREFIX: &str = "blr_";

/// Starts every personal access token, for people and for scanners that search for leaked secrets.
pub const PERSONAL_PREFIX: &str = "blp_";

/// The number of hexadecimal digits of a random secret, and of the checksum of a personal access token.
const SECRET_DIGITS: usize = 64;
const CHECKSUM_DIGITS: usize = 8;

/// Derives values from `SECRET_KEY`, and verifies those that were derived from `SECRET_KEY_PREVIOUS`.
pub struct Secrets {
    current: EncodingKey,
    previous: Option<EncodingKey>,
}

/// The parts of a refresh token: `blr_` *session* `.` *secret* `.` *signature*.
#[derive(Clone, Copy)]
pub struct RefreshToken<'a> {
    /// The whole token.
    pub text: &'a str,
    /// The id of its session.
    pub session: &'a str,
    signed: &'a str,
    signature: &'a str,
}

impl Secrets {
    /// Derives keys from the keys that sign access tokens, so that no value of one purpose is valid for another.
    pub fn new(current: &SecretString, previous: Option<&SecretString>) -> Self {
        Self { current: derived_key(current), previous: previous.map(derived_key) }
    }

    /// The first refresh token of a session.
    pub fn first_refresh_token(&self, session: &str) -> Result<SecretString> {
        refresh_token(&self.current, session, &random_digits(SECRET_DIGITS))
    }

    /// The refresh token that replaces `token`. It follows from `token` and the key, so that it can be returned
    /// again although only its hash is stored.
    pub fn successor(&self, token: RefreshToken<'_>) -> Result<SecretString> {
        successor(&self.current, token)
    }

    /// The refresh token with this hash that replaced `token`, under either key.
    pub fn successor_with_hash(&self, token: RefreshToken<'_>, hash: &str) -> Result<Option<SecretString>> {
        for key in self.keys() {
            let candidate = successor(key, token)?;
            if hash_of(candidate.expose_secret()) == hash {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }

    /// Whether this server issued `token`, at any time since `SECRET_KEY_PREVIOUS` was introduced.
    pub fn has_issued(&self, token: RefreshToken<'_>) -> Result<bool> {
        self.is_derived("sign a refresh token", token.signed, token.signature)
    }

    /// A value for `purpose` that only the server can derive from `message`.
    pub fn derive(&self, purpose: &'static str, message: &str) -> Result<String> {
        mac(&self.current, purpose, message)
    }

    /// Whether `value` was derived for `purpose` from `message`, under either key.
    pub fn is_derived(&self, purpose: &'static str, message: &str, value: &str) -> Result<bool> {
        for key in self.keys() {
            // Comparing hashes takes a time that tells nothing about the expected value.
            if hash_of(&mac(key, purpose, message)?) == hash_of(value) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn keys(&self) -> impl Iterator<Item = &EncodingKey> {
        [&self.current].into_iter().chain(&self.previous)
    }
}

impl<'a> RefreshToken<'a> {
    /// Splits a token into its parts; `None` if it has another form.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (session, _) = signed.strip_prefix(REFRESH_PREFIX)?.split_once('.')?;
        let is_id = session.len() == 32 && session.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then_some(Self { text, session, signed, signature })
    }
}

/// SHA-256 of a label and the key. Access tokens are signed with the key itself.
fn derived_key(key: &SecretString) -> EncodingKey {
    let digest = Sha256::new()
        .chain_update("byline: values other than access tokens\n")
        .chain_update(key.expose_secret());
    EncodingKey::from_secret(&digest.finalize())
}

fn refresh_token(key: &EncodingKey, session: &str, secret: &str) -> Result<SecretString> {
    let signed = format!("{REFRESH_PREFIX}{session}.{secret}");
    let signature = mac(key, "sign a refresh token", &signed)?;
    Ok(format!("{signed}.{signature}").into())
}

fn successor(key: &EncodingKey, token: RefreshToken<'_>) -> Result<SecretString> {
    let secret = mac(key, "replace a refresh token", token.text)?;
    refresh_token(key, token.session, &secret)
}

/// HMAC-SHA-256 of a message for one purpose, in Base64 for URLs.
fn mac(key: &EncodingKey, purpose: &'static str, message: &str) -> Result<String> {
    crypto::sign(format!("{purpose}\n{message}").as_bytes(), key, Algorithm::HS256)
        .map_err(|error| Error::internal(purpose, error))
}

/// SHA-256 in lower-case hexadecimal. Enough for secrets of this length: they cannot be guessed.
pub fn hash_of(secret: &str) -> String {
    hexadecimal(&Sha256::digest(secret))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Random hexadecimal digits.
fn random_digits(digits: usize) -> String {
    let mut text = String::with_capacity(digits);
    while text.len() < digits {
        // A UUID has six constant bits; the digits that contain them are left out.
        let (high, low) = Uuid::new_v4().as_u64_pair();
        let _ = write!(text, "{:012x}{:012x}", high >> 16, low & 0xffff_ffff_ffff);
    }
    text.truncate(digits);
    text
}

/// The id of a new session: 128 random bits in hexadecimal.
pub fn new_id() -> String {
    random_digits(32)
}

/// A new personal access token: `blp_`, 64 hexadecimal digits, and 8 of their CRC-32, by which a scanner can tell
/// a token from other text without asking the server.
pub fn new_personal_token() -> SecretString {
    let secret = random_digits(SECRET_DIGITS);
    format!("{PERSONAL_PREFIX}{secret}{}", checksum(&secret)).into()
}

/// Whether `token` has the form of a personal access token, including its checksum.
pub fn is_personal_token(token: &str) -> bool {
    let digits = token.strip_prefix(PERSONAL_PREFIX);
    let parts = digits.and_then(|digits| digits.split_at_checked(SECRET_DIGITS));
    parts.is_some_and(|(secret, sum)| sum.len() == CHECKSUM_DIGITS && checksum(secret) == sum)
}

fn checksum(secret: &str) -> String {
    format!("{:08x}", crc32fast::hash(secret.as_bytes()))
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(current: &str, previous: Option<&str>) -> Secrets {
        let previous = previous.map(SecretString::from);
        Secrets::new(&current.into(), previous.as_ref())
    }

    #[test]
    fn a_refresh_token_has_one_successor_under_each_key() {
        let (old, new) = (secrets("old", None), secrets("new", Some("old")));
        let id = new_id();
        let first = old.first_refresh_token(&id).unwrap();
        let first = RefreshToken::parse(first.expose_secret()).unwrap();
        assert_eq!(first.session, id);
        let second = old.successor(first).unwrap();
        let hash = hash_of(second.expose_secret());
        assert_eq!(old.successor(first).unwrap().expose_secret(), second.expose_secret());
        let found = new.successor_with_hash(first, &hash).unwrap().unwrap();
        assert_eq!(found.expose_secret(), second.expose_secret());
        assert!(secrets("new", None).successor_with_hash(first, &hash).unwrap().is_none());
    }

    #[test]
    fn only_tokens_that_the_server_signed_are_its_own() {
        let (old, new) = (secrets("old", None), secrets("new", Some("old")));
        let id = new_id();
        let token = old.first_refresh_token(&id).unwrap();
        let token = token.expose_secret();
        assert!(new.has_issued(RefreshToken::parse(token).unwrap()).unwrap());
        assert!(!secrets("new", None).has_issued(RefreshToken::parse(token).unwrap()).unwrap());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        for forged in
            [format!("{signed}0.{signature}"), format!("{signed}.{signature}x"), format!("{signed}.")]
        {
            assert!(!old.has_issued(RefreshToken::parse(&forged).unwrap()).unwrap(), "{forged}");
        }
        for other in
            ["", "blr_", "blr_1.2.3", &format!("blp_{id}.a.b"), &format!("blr_{id}"), &format!("blr_{id}.a")]
        {
            assert!(
                RefreshToken::parse(other).is_none_or(|token| !old.has_issued(token).unwrap()),
                "{other}"
            );
        }
    }

    #[test]
    fn a_value_of_one_purpose_is_not_valid_for_another() {
        let secrets = secrets("key", None);
        let value = secrets.derive("a link", "1").unwrap();
        assert!(secrets.is_derived("a link", "1", &value).unwrap());
        assert!(!secrets.is_derived("another link", "1", &value).unwrap());
        assert!(!secrets.is_derived("a link", "2", &value).unwrap());
    }

    #[test]
    fn a_personal_token_carries_a_checksum() {
        let token = new_personal_token();
        let token = token.expose_secret();
        assert!(is_personal_token(token));
        assert_eq!(token.len(), 76);
        for changed in [&token[..75], &format!("{token}0"), &token.replacen("blp_", "blq_", 1), "blp_", ""] {
            assert!(!is_personal_token(changed), "{changed}");
        }
        let last = if token.ends_with('0') { '1' } else { '0' };
        assert!(!is_personal_token(&format!("{}{last}", &token[..75])));
    }

    #[test]
    fn random_digits_do_not_repeat() {
        let ids: std::collections::BTreeSet<_> = (0..1000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }
}
