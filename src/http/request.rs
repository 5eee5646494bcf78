//! One extractor for a whole request. It checks body syntax first, then the caller, then path, query and
//! fields, and reports all errors of the last step at once. This order is part of the contract (section 1);
//! separate extractors would not guarantee it, because actix polls them concurrently.

use std::{borrow::Cow, future::Future, pin::Pin};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload};

use super::{
    HttpState,
    error::{Error, Result},
    receive::admit_parsing,
    scope::{RequiredScope, Scope},
    validation::{Body, Extractor, FieldErrors, Fields, Members, query_pairs},
};

/// A request that has passed every check that needs no row other than the caller's.
#[derive(Debug)]
pub struct ApiRequest<C, P = (), Q = (), B = ()> {
    /// The sender.
    pub caller: C,
    /// The parameters in the path.
    pub path: P,
    /// The parameters in the query; unknown ones are ignored.
    pub query: Q,
    /// The body.
    pub body: B,
}

/// The policy of a handler: its signature states which callers it accepts.
pub trait Caller: Sized {
    /// Identifies the sender of `request`.
    ///
    /// # Errors
    /// 401 or 403.
    fn identify(request: &HttpRequest) -> impl Future<Output = Result<Self>>;
}

/// The scope of personal access tokens that the route of `request` accepts; `None` if it accepts none.
pub fn required_scope(request: &HttpRequest) -> Option<Scope> {
    request.extensions().get::<RequiredScope>().and_then(|required| required.0)
}

/// The id of the account that sent a request. Stored as an extension of the request, for its log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserId(pub i32);

impl<C, P, Q, B> FromRequest for ApiRequest<C, P, Q, B>
where
    C: Caller + 'static,
    P: Fields + 'static,
    Q: Fields + 'static,
    B: Body + 'static,
{
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let limits = &HttpState::of(&request)?.limits;
            let received = B::receive(&request, &mut payload).await?;
            let caller = C::identify(&request).await?;
            let body = {
                let _permit = admit_parsing(&request).await?;
                B::extract(received, limits).await?
            };

            let mut errors = FieldErrors::default();
            let segments = path_parameters(&request);
            let path = Extractor::extract("path", Members::Pairs(&segments), limits, &mut errors);
            let pairs = query_pairs(request.query_string());
            let query = Extractor::extract("query", Members::Pairs(&pairs), limits, &mut errors);
            let body = body.map_err(|invalid| errors.append(invalid)).ok();
            match (path, query, body) {
                (Some(path), Some(query), Some(body)) => Ok(Self { caller, path, query, body }),
                _ => Err(errors.into()),
            }
        })
    }
}

/// The decoded parameters of the path. The router leaves `%25`, `%2B` and `%2F` encoded.
fn path_parameters(request: &HttpRequest) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let decode = |text| percent_encoding::percent_decode_str(text).decode_utf8_lossy();
    request.match_info().iter().map(|(name, value)| (Cow::from(name), decode(value))).collect()
}
