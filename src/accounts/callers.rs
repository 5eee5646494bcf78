//! One extractor for a whole request, because the order of checks is part of the contract (section 1) and
//! actix polls separate extractors together: body syntax, then who calls, then path, query and fields with every fault at once.

use std::{borrow::Cow, future::Future, pin::Pin};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload, http::header, web::ThinData};
use entity::{article::Sight, user};
use sea_orm::EntityTrait as _;

use crate::{
    http::{
        error::{Error, Result},
        validation::{Body, Extractor, FieldErrors, Fields, Members, query_pairs},
    },
    state::{AppState, State},
};

/// A request that passed every check that needs no article.
#[derive(Debug)]
pub struct Call<W, P = (), Q = (), B = ()> {
    /// Who calls.
    pub who: W,
    /// The parameters in the path.
    pub path: P,
    /// The parameters in the query; unknown ones are ignored.
    pub query: Q,
    /// The body.
    pub body: B,
}

/// Who may call, as a type: the signature of a handler is its policy.
pub trait Caller: Sized {
    /// Tells who calls.
    ///
    /// # Errors
    /// 401.
    fn identify(request: &HttpRequest, state: &AppState) -> impl Future<Output = Result<Self>>;
}

/// Anyone; a token is not even looked at.
#[derive(Clone, Copy, Debug)]
pub struct Anyone;

/// Anyone; but a token that is given must be good, or an expired one would quietly lose its owner's drafts.
#[derive(Clone, Copy, Debug)]
pub struct Viewer {
    sight: Sight,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Unasked,
    Anonymous,
    SignedIn,
}

/// An account that exists, proven by its token.
#[derive(Clone, Debug)]
pub struct CurrentUser {
    account: user::Model,
    sight: Sight,
}

/// The caller's id as the log line of its request names it.
#[derive(Clone, Copy, Debug)]
pub struct CallerId(pub i32);

impl Viewer {
    /// Which articles it may know of.
    pub fn sight(self) -> Sight {
        self.sight
    }

    /// Whether it is seen with an account's eyes.
    pub fn is_signed_in(self) -> bool {
        self.standing == Standing::SignedIn
    }

    /// Whether a token could have shown more.
    pub fn may_sign_in(self) -> bool {
        self.standing != Standing::Unasked
    }
}

impl CurrentUser {
    /// The account's id.
    pub fn id(&self) -> i32 {
        self.account.id
    }

    /// Which articles it may know of.
    pub fn sight(&self) -> Sight {
        self.sight
    }

    /// The account.
    pub fn into_account(self) -> user::Model {
        self.account
    }
}

impl Caller for Anyone {
    async fn identify(_request: &HttpRequest, _state: &AppState) -> Result<Self> {
        Ok(Self)
    }
}

impl Caller for Viewer {
    async fn identify(request: &HttpRequest, state: &AppState) -> Result<Self> {
        let public = state.public_sight();
        if public == Sight::Everything {
            return Ok(Self { sight: public, standing: Standing::Unasked });
        }
        match bearer(request) {
            None => Ok(Self { sight: public, standing: Standing::Anonymous }),
            Some(token) => {
                let sight = account(request, state, token).await?.sight;
                Ok(Self { sight, standing: Standing::SignedIn })
            }
        }
    }
}

impl Caller for CurrentUser {
    async fn identify(request: &HttpRequest, state: &AppState) -> Result<Self> {
        let token = bearer(request).ok_or(Error::NotAuthenticated)?;
        account(request, state, token).await
    }
}

/// What stands behind `Bearer `: none where there is no Authorization header, or one of another scheme.
fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer".len())?;
    let token = match token {
        [] => token,
        [b' ', token @ ..] => token,
        _ => return None,
    };
    // What is no text is no token either: as an empty one it proves nothing.
    scheme.eq_ignore_ascii_case(b"bearer").then(|| str::from_utf8(token).unwrap_or_default())
}

async fn account(request: &HttpRequest, state: &AppState, token: &str) -> Result<CurrentUser> {
    let id = state.tokens().verify(token, state.now())?;
    let account = user::Entity::find_by_id(id).one(&state.db.reader).await?.ok_or(Error::BadCredentials)?;
    request.extensions_mut().insert(CallerId(id));
    Ok(CurrentUser { account, sight: state.sight_of(id) })
}

impl<W, P, Q, B> FromRequest for Call<W, P, Q, B>
where
    W: Caller + 'static,
    P: Fields + 'static,
    Q: Fields + 'static,
    B: Body + 'static,
{
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let ThinData(state) =
                request.app_data::<State>().ok_or_else(|| Error::internal("the app has no state"))?;
            let rules = state.rules();
            let received = B::receive(&request, &mut payload, rules).await?;
            let who = W::identify(&request, state).await?;

            let mut errors = FieldErrors::default();
            let segments = path_parameters(&request);
            let path = Extractor::extract("path", Members::Pairs(&segments), rules, &mut errors);
            let pairs = query_pairs(request.query_string());
            let query = Extractor::extract("query", Members::Pairs(&pairs), rules, &mut errors);
            let body = B::extract(&received, rules, &mut errors);
            match (path, query, body) {
                (Some(path), Some(query), Some(body)) => Ok(Self { who, path, query, body }),
                _ => Err(errors.into()),
            }
        })
    }
}

/// The parameters of the path, decoded: the router leaves `%25`, `%2B` and `%2F` as they came.
fn path_parameters(request: &HttpRequest) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    request
        .match_info()
        .iter()
        .map(|(name, value)| {
            (Cow::from(name), percent_encoding::percent_decode_str(value).decode_utf8_lossy())
        })
        .collect()
}
