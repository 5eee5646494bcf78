//! One extractor for a whole request. The order of checks is part of the contract (section 1), and actix polls separate
//! extractors together: body syntax comes first, then the caller, then path, query and fields with all of their errors at
//! once.

use std::{borrow::Cow, future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use super::{
    HttpState,
    error::{Error, Result},
    validation::{Body, Extractor, FieldErrors, Fields, Members, query_pairs},
};

/// A request that passed every check that needs no row but the caller's.
#[derive(Debug)]
pub struct ApiRequest<C, P = (), Q = (), B = ()> {
    /// Who sent it.
    pub caller: C,
    /// The parameters in the path.
    pub path: P,
    /// The parameters in the query; unknown ones are ignored.
    pub query: Q,
    /// The body.
    pub body: B,
}

/// Who may send a request, as a type: the signature of a handler is its policy.
pub trait Caller: Sized {
    /// Identifies the sender of `request`.
    ///
    /// # Errors
    /// 401 or 403.
    fn identify(request: &HttpRequest) -> impl Future<Output = Result<Self>>;
}

/// The account that sent a request; an extension of the request, for its log line.
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
            let limits = &*HttpState::of(&request)?.limits;
            let received = B::receive(&request, &mut payload, limits).await?;
            let caller = C::identify(&request).await?;

            let mut errors = FieldErrors::default();
            let segments = path_parameters(&request);
            let path = Extractor::extract("path", Members::Pairs(&segments), limits, &mut errors);
            let pairs = query_pairs(request.query_string());
            let query = Extractor::extract("query", Members::Pairs(&pairs), limits, &mut errors);
            let body = B::extract(&received, limits, &mut errors);
            match (path, query, body) {
                (Some(path), Some(query), Some(body)) => Ok(Self { caller, path, query, body }),
                _ => Err(errors.into()),
            }
        })
    }
}

/// The parameters of the path, decoded: the router leaves `%25`, `%2B` and `%2F` encoded.
fn path_parameters(request: &HttpRequest) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let decode = |text| percent_encoding::percent_decode_str(text).decode_utf8_lossy();
    request.match_info().iter().map(|(name, value)| (Cow::from(name), decode(value))).collect()
}
