//! Access tokens: JSON Web Tokens in the form that the FastAPI blog issued (contract, section 4).

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, crypto, encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use crate::{
    config::Algorithm,
    http::error::{Error, Result},
};

/// Issues tokens with one key and one algorithm, and verifies those of this key and of the one before.
pub struct Tokens {
    header: Header,
    signing: EncodingKey,
    verifying: DecodingKey,
    previous: Option<DecodingKey>,
    lifetime: TimeDelta,
}

impl Tokens {
    /// Tokens expire after `lifetime`, in whole seconds.
    pub fn new(
        secret: &SecretString,
        previous: Option<&SecretString>,
        algorithm: Algorithm,
        lifetime: TimeDelta,
    ) -> Self {
        let secret = secret.expose_secret().as_bytes();
        Self {
            header: Header::new(signed_with(algorithm)),
            signing: EncodingKey::from_secret(secret),
            verifying: DecodingKey::from_secret(secret),
            previous: previous.map(|key| DecodingKey::from_secret(key.expose_secret().as_bytes())),
            lifetime,
        }
    }

    /// How long a token is valid.
    pub fn lifetime(&self) -> TimeDelta {
        self.lifetime
    }

    /// Issues a token for a session of the account `user_id`.
    pub fn issue(&self, user_id: i32, session: &str, now: DateTime<Utc>) -> Result<String> {
        let expires = (now + self.lifetime).timestamp();
        let claims = json!({ "sub": user_id.to_string(), "exp": expires, "sid": session });
        encode(&self.header, &claims, &self.signing)
            .map_err(|error| Error::internal("sign an access token", error))
    }

    /// The claims of a token that is signed with this key; `None` for other tokens. Only `alg` is checked in
    /// the header, and it must be the configured algorithm. The library's own check would also reject members
    /// such as a `kid` that is not a string, which the FastAPI blog accepted.
    fn claims(&self, token: &str) -> Option<Map<String, Value>> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let algorithm = object(header)?.get("alg").cloned();
        let ours = serde_json::to_value(self.header.alg).ok();
        let is_signed_by =
            |key| crypto::verify(signature, signed.as_bytes(), key, self.header.alg).is_ok_and(|good| good);
        let verified = is_signed_by(&self.verifying) || self.previous.as_ref().is_some_and(is_signed_by);
        if algorithm == ours && verified { object(claims) } else { None }
    }

    /// Verifies `token` and returns its account and its session. `exp`, cut to whole seconds, must not be in the
    /// past, and `nbf` not in the future. There is no leeway.
    ///
    /// # Errors
    /// [`Error::BadCredentials`] for every other token.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims> {
        let claims = self.claims(token).ok_or(Error::BadCredentials)?;
        let now = now.timestamp();
        let seconds = |name| {
            claims.get(name).map(|value| whole_seconds(value).ok_or(Error::BadCredentials)).transpose()
        };
        // The FastAPI blog's library rejected these too: an `iat` that is not a number, a `jti` that is not a
        // string, and claims that bind a token to an audience or to another token, which Byline never issues.
        seconds("iat")?;
        let unsupported = claims.get("jti").is_some_and(|jti| !jti.is_string())
            || ["aud", "at_hash"].iter().any(|name| claims.contains_key(*name));
        let expires = seconds("exp")?.ok_or(Error::BadCredentials)?;
        let starts = seconds("nbf")?.unwrap_or(now);
        if unsupported || expires < now || starts > now {
            return Err(Error::BadCredentials);
        }
        let session = claims.get("sid").map(|id| id.as_str().ok_or(Error::BadCredentials)).transpose()?;
        let user_id = claims.get("sub").and_then(Value::as_str).and_then(decimal_id);
        Ok(Claims { user_id: user_id.ok_or(Error::BadCredentials)?, session: session.map(str::to_owned) })
    }
}

/// What a valid token states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The account.
    pub user_id: i32,
    /// The session; `None` for tokens of the FastAPI blog.
    pub session: Option<String>,
}

fn signed_with(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::HS256 => jsonwebtoken::Algorithm::HS256,
        Algorithm::HS384 => jsonwebtoken::Algorithm::HS384,
        Algorithm::HS512 => jsonwebtoken::Algorithm::HS512,
    }
}

/// Decodes one part of a token, a JSON object.
fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// The seconds of a `NumericDate` (RFC 7519, section 2), an integer or a float. A fraction is cut off, as the
/// old blog's library did; a float beyond 64 bits is the nearest integer of 64 bits.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "the conversion saturates, and JSON has no NaN"
)]
fn whole_seconds(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
}

/// Parses an id as it is issued: digits without a sign, white space or leading zeros.
fn decimal_id(sub: &str) -> Option<i32> {
    let plain = sub.bytes().all(|byte| byte.is_ascii_digit()) && !sub.starts_with('0');
    if plain { sub.parse().ok() } else { None }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("algorithm", &self.header.alg).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_keys(current: &str, previous: Option<&str>) -> Tokens {
        let previous = previous.map(SecretString::from);
        Tokens::new(&current.into(), previous.as_ref(), Algorithm::HS256, TimeDelta::minutes(30))
    }

    fn tokens() -> Tokens {
        with_keys("a secret for tests, long enough", None)
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 999_999_000).unwrap()
    }

    fn mint(claims: &Value) -> String {
        encode(&tokens().header, claims, &tokens().signing).unwrap()
    }

    #[test]
    fn a_token_is_valid_until_the_second_of_its_expiry() {
        let token = tokens().issue(7, "abc", at(1000)).unwrap();
        let claims = Claims { user_id: 7, session: Some("abc".to_owned()) };
        assert_eq!(tokens().verify(&token, at(1000 + 1800)).unwrap(), claims);
        assert!(tokens().verify(&token, at(1000 + 1801)).is_err());
    }

    #[test]
    fn a_token_of_the_previous_key_is_valid_until_the_key_is_removed() {
        let token = with_keys("old", None).issue(7, "abc", at(1000)).unwrap();
        assert!(with_keys("new", Some("old")).verify(&token, at(1000)).is_ok());
        assert!(with_keys("new", Some("older")).verify(&token, at(1000)).is_err());
        assert!(with_keys("new", None).verify(&token, at(1000)).is_err());
        let renewed = with_keys("new", Some("old")).issue(7, "abc", at(1000)).unwrap();
        assert!(with_keys("old", None).verify(&renewed, at(1000)).is_err());
    }

    #[test]
    fn only_a_plain_decimal_sub_names_an_account() {
        for sub in ["", "0", "-1", "+1", "01", " 1", "1.0", "2147483648", "alice", "１"] {
            assert!(tokens().verify(&mint(&json!({"sub": sub, "exp": 2000})), at(1000)).is_err(), "{sub:?}");
        }
        let claims = tokens().verify(&mint(&json!({"sub": "1", "exp": 2000})), at(1000)).unwrap();
        assert_eq!(claims, Claims { user_id: 1, session: None });
    }

    #[test]
    fn times_may_be_floats_whose_fraction_is_cut_off() {
        for claims in [
            json!({"sub": "1", "exp": 1000.0}),
            json!({"sub": "1", "exp": 1000.999}),
            json!({"sub": "1", "exp": 1e300}),
            json!({"sub": "1", "exp": u64::MAX}),
            json!({"sub": "1", "exp": 2000.5, "nbf": 1000.999, "iat": 3000.5}),
            json!({"sub": "1", "exp": 2000, "nbf": -0.5, "iat": -1e300}),
        ] {
            let user_id = tokens().verify(&mint(&claims), at(1000)).ok().map(|claims| claims.user_id);
            assert_eq!(user_id, Some(1), "{claims}");
        }
    }

    #[test]
    fn a_time_beyond_every_float_is_rejected() {
        let signed = mint(&json!({"sub": "1", "exp": 2000}));
        let header = signed.split('.').next().unwrap();
        let claims = BASE64_URL_SAFE_NO_PAD.encode(r#"{"sub":"1","exp":1e400}"#);
        let message = format!("{header}.{claims}");
        let signature = crypto::sign(message.as_bytes(), &tokens().signing, tokens().header.alg).unwrap();
        assert!(tokens().verify(&format!("{message}.{signature}"), at(1000)).is_err());
    }

    #[test]
    fn unsupported_claims_are_rejected() {
        for claims in [
            json!({"sub": "1"}),
            json!({"sub": "1", "exp": "2000"}),
            json!({"sub": "1", "exp": true}),
            json!({"sub": "1", "exp": null}),
            json!({"sub": "1", "exp": 999.9}),
            json!({"sub": "1", "exp": -1e300}),
            json!({"sub": "1", "exp": 2000, "nbf": 1001}),
            json!({"sub": "1", "exp": 2000, "nbf": 1001.0}),
            json!({"sub": "1", "exp": 2000, "nbf": 1e300}),
            json!({"sub": "1", "exp": 2000, "nbf": "1"}),
            json!({"sub": "1", "exp": 2000, "aud": "x"}),
            json!({"sub": "1", "exp": 2000, "iat": "x"}),
            json!({"sub": "1", "exp": 2000, "jti": 1}),
            json!({"sub": "1", "exp": 2000, "at_hash": "x"}),
            json!({"sub": "1", "exp": 2000, "sid": 1}),
            json!({"sub": "1", "exp": 2000, "sid": null}),
        ] {
            assert!(tokens().verify(&mint(&claims), at(1000)).is_err(), "{claims}");
        }
    }
}
