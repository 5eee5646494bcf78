//! The types that state who may send a request: [`Anyone`], [`Registrant`], [`Viewer`], [`CurrentUser`].
//!
//! An access token only proves that the account existed when the token was issued. Every request reads the
//! account's row, so the tokens of a deleted account stop working at once.

use actix_web::{HttpMessage as _, HttpRequest, http::header, web::ThinData};
use entity::user;
use sea_orm::EntityTrait as _;

use super::Accounts;
use crate::{
    config::Registration,
    http::{
        cache::Audience,
        error::{Error, Result},
        request::{Caller, UserId},
    },
};

/// Anyone; a token is ignored.
#[derive(Clone, Copy, Debug)]
pub struct Anyone;

/// Anyone, while registration is open.
#[derive(Clone, Copy, Debug)]
pub struct Registrant;

/// Anonymous or signed in. A token, if sent, must be valid: an expired one must not silently hide its owner's
/// drafts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Without an account. Where drafts are public, every viewer is anonymous and tokens are ignored.
    Anonymous,
    /// The owner of a valid token.
    SignedIn(UserId),
}

/// An account that exists, proven by its token.
#[derive(Clone, Debug)]
pub struct CurrentUser(user::Model);

impl CurrentUser {
    /// The account's id.
    pub fn id(&self) -> UserId {
        UserId(self.0.id)
    }

    /// The account as the viewer of the articles that it changes.
    pub fn viewer(&self) -> Viewer {
        Viewer::SignedIn(self.id())
    }

    /// The account's row.
    pub fn into_row(self) -> user::Model {
        self.0
    }
}

impl Caller for Anyone {
    async fn identify(_request: &HttpRequest) -> Result<Self> {
        Ok(Self)
    }
}

impl Caller for Registrant {
    async fn identify(request: &HttpRequest) -> Result<Self> {
        match accounts(request)?.registration {
            Registration::Open | Registration::Auto => Ok(Self),
            Registration::Closed => Err(Error::RegistrationClosed),
        }
    }
}

impl Caller for Viewer {
    async fn identify(request: &HttpRequest) -> Result<Self> {
        match token_of_viewer(request)? {
            None => Ok(Self::Anonymous),
            Some(token) => Ok(authenticate(request, token).await?.viewer()),
        }
    }
}

impl Audience for Viewer {
    fn is_anonymous(request: &HttpRequest) -> bool {
        matches!(token_of_viewer(request), Ok(None))
    }
}

impl Caller for CurrentUser {
    async fn identify(request: &HttpRequest) -> Result<Self> {
        let token = bearer_token(request).ok_or(Error::NotAuthenticated)?;
        authenticate(request, token).await
    }
}

fn accounts(request: &HttpRequest) -> Result<&Accounts> {
    let state = request.app_data::<ThinData<Accounts>>();
    state
        .map(|ThinData(accounts)| accounts)
        .ok_or_else(|| Error::internal("find the state of accounts", "it was not registered"))
}

/// The token that a read must verify; `None` for an anonymous read.
fn token_of_viewer(request: &HttpRequest) -> Result<Option<&str>> {
    Ok(if accounts(request)?.reads_ignore_tokens { None } else { bearer_token(request) })
}

/// The credentials of the scheme `Bearer`; `None` without an Authorization header or with another scheme.
fn bearer_token(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer".len())?;
    let token = match token {
        [] => token,
        [b' ', token @ ..] => token,
        _ => return None,
    };
    // A value that is not valid text counts as an invalid token, like the empty value.
    scheme.eq_ignore_ascii_case(b"bearer").then(|| str::from_utf8(token).unwrap_or_default())
}

async fn authenticate(request: &HttpRequest, token: &str) -> Result<CurrentUser> {
    let accounts = accounts(request)?;
    let id = accounts.tokens.verify(token, accounts.clock.now())?;
    let row = user::Entity::find_by_id(id).one(&accounts.reader).await?.ok_or(Error::BadCredentials)?;
    request.extensions_mut().insert(UserId(id));
    if !accounts.admits(&row) {
        return Err(Error::EmailNotConfirmed);
    }
    Ok(CurrentUser(row))
}
