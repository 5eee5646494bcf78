//! One way to register a resource: both spellings of its path, HEAD beside GET, 405 with every method it has, a deadline over
//! all of it, and long answers compressed.
//!
//! actix answers a wrong method with 404 and implies no HEAD (contract, section 9: `slash`, `allow`, `head`).

use std::panic::AssertUnwindSafe;

use actix_web::{
    FromRequest, Handler, HttpResponse, Resource as ActixResource, Responder, Route,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    guard,
    http::Method,
    middleware::{Next, from_fn},
    rt::time::timeout,
    web::{self, ServiceConfig},
};
use futures_util::FutureExt as _;

use crate::{
    http::{cache::middleware::from_memory, compression::shrink, error::Error},
    state::State,
};

/// A path and its methods.
pub struct Resource {
    inner: ActixResource,
    methods: Vec<Method>,
}

impl Resource {
    /// `path` answers with and without a slash at its end.
    pub fn at(path: &str) -> Self {
        let bare = path.trim_end_matches('/');
        Self { inner: web::resource(vec![bare.to_owned(), format!("{bare}/")]), methods: Vec::new() }
    }

    /// Answers GET, and HEAD with the same headers.
    #[must_use]
    pub fn get<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.methods.extend([Method::GET, Method::HEAD]);
        let route = Route::new().guard(guard::Any(guard::Get()).or(guard::Head())).to(handler);
        Self { inner: self.inner.route(route), methods: self.methods }
    }

    /// Answers `method`.
    #[must_use]
    pub fn on<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.methods.push(method.clone());
        Self { inner: self.inner.route(web::method(method).to(handler)), methods: self.methods }
    }

    /// Puts the resource into an app.
    pub fn register(self, cfg: &mut ServiceConfig) {
        cfg.service(self.complete().wrap(from_fn(within_deadline)).wrap(from_fn(shrink)));
    }

    /// The same with the cache before all that, so that what is compressed is kept so.
    pub fn register_cached(self, cfg: &mut ServiceConfig) {
        let answering = self.complete().wrap(from_fn(within_deadline)).wrap(from_fn(shrink));
        cfg.service(answering.wrap(from_fn(from_memory)));
    }

    fn complete(self) -> ActixResource {
        let methods = self.methods;
        self.inner.default_service(web::to(move || {
            let methods = methods.clone();
            async move { Err::<(), _>(Error::MethodNotAllowed(methods)) }
        }))
    }
}

/// Ends a request that takes too long, and answers for one that panics: actix would drop its connection without a word.
async fn within_deadline<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let deadline = request.app_data::<State>().map(|state| state.settings().http.request_timeout);
    let head = request.request().clone();
    let work = AssertUnwindSafe(next.call(request)).catch_unwind();
    let done = match deadline {
        Some(deadline) => timeout(deadline, work).await.map_err(|late| Error::Unavailable(late.into())),
        None => Ok(work.await),
    };
    match done {
        Ok(Ok(response)) => Ok(response?.map_into_boxed_body()),
        Ok(Err(_)) => Ok(answer(head, Error::internal("a handler panicked"))),
        Err(late) => Ok(answer(head, late)),
    }
}

fn answer(request: actix_web::HttpRequest, error: Error) -> ServiceResponse<BoxBody> {
    ServiceResponse::new(request, HttpResponse::from_error(error))
}
