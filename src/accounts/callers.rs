//! The types that state who may send a request: [`Anyone`], [`Registrant`], [`Viewer`], [`CurrentUser`],
//! [`Admin`].
//!
//! An access token only proves that its session existed when the token was issued. Every request reads the
//! account's row and checks the session in the same statement, so the tokens of a deleted or suspended account
//! and of an ended session stop working at once.

use actix_web::{HttpMessage as _, HttpRequest, http::header, web::ThinData};
use entity::{session, user};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _, QueryTrait as _, Select,
    sea_query::Expr,
};

use super::{Accounts, personal_tokens, secrets::is_personal_token};
use crate::{
    config::Registration,
    http::{
        cache::Audience,
        error::{Error, Result},
        request::{Caller, UserId, required_scope},
        scope::Scope,
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
    /// The same, who is an administrator.
    Admin(UserId),
}

/// An account that exists and is active, proven by its token.
#[derive(Clone, Debug)]
pub struct CurrentUser {
    row: user::Model,
    credential: Credential,
}

/// An administrator.
#[derive(Clone, Debug)]
pub struct Admin(pub CurrentUser);

/// What a request proved its account with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An access token of the session with this id.
    Session(String),
    /// An access token without a session: the FastAPI blog issued it.
    Legacy,
    /// A personal access token with these scopes.
    Personal(Vec<Scope>),
}

impl CurrentUser {
    /// The account's id.
    pub fn id(&self) -> UserId {
        UserId(self.row.id)
    }

    /// The account's name.
    pub fn username(&self) -> &str {
        &self.row.username
    }

    /// The account's e-mail address.
    pub fn email(&self) -> &str {
        &self.row.email
    }

    /// Whether the account is an administrator and, if it uses a personal access token, that has the scope
    /// `admin`.
    pub fn is_admin(&self) -> bool {
        let may_administer = match &self.credential {
            Credential::Session(_) | Credential::Legacy => true,
            Credential::Personal(scopes) => scopes.contains(&Scope::Admin),
        };
        self.row.is_admin && may_administer
    }

    /// The account as the viewer of the articles that it changes.
    pub fn viewer(&self) -> Viewer {
        if self.is_admin() { Viewer::Admin(self.id()) } else { Viewer::SignedIn(self.id()) }
    }

    /// What the request proved the account with.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The session of the request.
    pub fn session(&self) -> Option<&str> {
        match &self.credential {
            Credential::Session(id) => Some(id),
            Credential::Legacy | Credential::Personal(_) => None,
        }
    }

    /// The account's row.
    pub fn into_row(self) -> user::Model {
        self.row
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

impl Audience for Anyone {
    fn is_anonymous(_request: &HttpRequest) -> bool {
        true
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

impl Caller for Admin {
    async fn identify(request: &HttpRequest) -> Result<Self> {
        let user = CurrentUser::identify(request).await?;
        if user.is_admin() { Ok(Self(user)) } else { Err(Error::AdminOnly) }
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
    let user = if is_personal_token(token) {
        let Accounts { reader, writer, clock, .. } = accounts;
        let (row, scopes) = personal_tokens::service::verify(reader, writer, token, clock.now()).await?;
        let required = required_scope(request);
        if required.is_none_or(|scope| !scopes.contains(&scope)) {
            return Err(Error::InsufficientScope(required));
        }
        CurrentUser { row, credential: Credential::Personal(scopes) }
    } else {
        let claims = accounts.tokens.verify(token, accounts.clock.now())?;
        let row = account(claims.user_id, claims.session.as_deref()).one(&accounts.reader).await?;
        let credential = claims.session.map_or(Credential::Legacy, Credential::Session);
        CurrentUser { row: row.ok_or(Error::BadCredentials)?, credential }
    };
    request.extensions_mut().insert(user.id());
    if accounts.admits(&user.row) { Ok(user) } else { Err(Error::EmailNotConfirmed) }
}

/// The account, if it is active and the session has not ended. Part of the statement that reads the account, so
/// that every server rejects a token from the moment at which its session ends.
fn account(id: i32, session: Option<&str>) -> Select<user::Entity> {
    let account = user::Entity::find_by_id(id).filter(user::Column::IsActive.eq(true));
    match session {
        None => account.filter(user::Column::SessionsEndedAt.is_null()),
        Some(session) => account.filter(Expr::exists(
            session::Entity::find()
                .select_only()
                .expr(Expr::val(1))
                .filter(session::Column::Id.eq(session))
                .filter(session::Column::UserId.eq(id))
                .into_query(),
        )),
    }
}
