//! Declares routes: path, method, OpenAPI operation, deadline, cache and the label of metrics follow from one
//! [`Endpoint`].
//!
//! Endpoints with the same path form a resource. It responds with and without a trailing slash, to HEAD as to
//! GET, and to unsupported methods with 405 and the header `Allow`. By default, actix responds with 404 and
//! does not derive HEAD from GET (contract, section 9: `slash`, `allow`, `head`).

use std::{any::Any, collections::BTreeMap, panic::AssertUnwindSafe};

use actix_web::{
    FromRequest, Handler, HttpMessage as _, HttpRequest, HttpResponse, Responder, Route,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    guard,
    http::Method,
    middleware::{Next, from_fn},
    rt::time::timeout,
    web::{self, ServiceConfig},
};
use futures_util::FutureExt as _;
use utoipa::{
    __dev::{SchemaReferences, Tags},
    Path,
    openapi::{HttpMethod, OpenApi, RefOr, Schema, path::Operation},
};

use super::{
    HttpState,
    cache::{Cached, serve_cached},
    compression::compress,
    error::Error,
    metrics::{MatchedRoute, WorkerCounters},
    openapi::{CommonHeaders, describe_scope},
    receive::{MaxBodyBytes, Receiving},
    scope::{RequiredScope, Scope},
    urls::without_last_slash,
};

/// Declares the endpoint of a handler with an `#[utoipa::path]` attribute: `endpoint!(list_articles)`.
#[macro_export]
macro_rules! endpoint {
    ($handler:ident) => {
        pastey::paste! { $crate::http::resource::Endpoint::documented::<[<__path_ $handler>], _, _>($handler) }
    };
}

/// One method of one path.
pub struct Endpoint {
    method: Method,
    path: String,
    /// Describes the operation. Only the document calls it, because every worker declares all endpoints.
    documentation: Option<fn() -> Documentation>,
    cached: Option<Cached>,
    max_body_bytes: Option<usize>,
    scope: Option<Scope>,
    route: Route,
}

struct Documentation {
    methods: Vec<HttpMethod>,
    operation: Operation,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Endpoint {
    /// An operation of the API. Path, method and documentation come from its `#[utoipa::path]`. Use
    /// [`endpoint!`](crate::endpoint).
    pub fn documented<P, F, Args>(handler: F) -> Self
    where
        // These traits are hidden, but only they give the tags and schemas of an operation at run time. The
        // crates of utoipa use them too.
        P: Path + SchemaReferences + for<'t> Tags<'t>,
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let method = P::methods().first().map_or(Method::GET, method);
        let documentation: fn() -> Documentation = Documentation::of::<P>;
        Self { documentation: Some(documentation), ..Self::undocumented(method, &P::path(), handler) }
    }

    /// An endpoint that the OpenAPI document does not list, such as an HTML page.
    pub fn undocumented<F, Args>(method: Method, path: &str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let route = Route::new().to(handler);
        let path = path.to_owned();
        Self { method, path, documentation: None, cached: None, max_body_bytes: None, scope: None, route }
    }

    /// Serves public responses from the cache, as `cached` declares them.
    #[must_use]
    pub fn cached(self, cached: Cached) -> Self {
        Self { cached: Some(cached), ..self }
    }

    /// Limits the body to fewer bytes than `MAX_BODY_BYTES`. Routes that anyone may call declare a limit.
    #[must_use]
    pub fn max_body_bytes(self, bytes: usize) -> Self {
        Self { max_body_bytes: Some(bytes), ..self }
    }

    /// Accepts personal access tokens that have this scope. Other routes accept none.
    #[must_use]
    pub fn scope(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }
    }

    /// The methods that the endpoint supports.
    fn methods(&self) -> Vec<Method> {
        if self.method == Method::GET { vec![Method::GET, Method::HEAD] } else { vec![self.method.clone()] }
    }

    /// The middleware wrapped last runs first: the cache runs before compression, so that it stores
    /// compressed responses, and the deadline covers the handler.
    fn into_route(self) -> Route {
        let guard = self
            .methods()
            .into_iter()
            .fold(guard::Any(guard::fn_guard(|_| false)), |any, method| any.or(guard::Method(method)));
        let route = self.route.guard(guard).wrap(from_fn(enforce_deadline)).wrap(from_fn(compress));
        let (max_body_bytes, scope) = (self.max_body_bytes.map(MaxBodyBytes), RequiredScope(self.scope));
        let route = route.wrap(from_fn(move |request: ServiceRequest, next: Next<_>| {
            let mut extensions = request.extensions_mut();
            extensions.insert(scope);
            if let Some(bytes) = max_body_bytes {
                extensions.insert(bytes);
            }
            drop(extensions);
            next.call(request)
        }));
        match self.cached {
            None => route,
            Some(cached) => route.wrap(from_fn(move |request, next| serve_cached(cached, request, next))),
        }
    }
}

impl Documentation {
    fn of<P>() -> Self
    where
        P: Path + SchemaReferences + for<'t> Tags<'t>,
    {
        let mut schemas = Vec::new();
        P::schemas(&mut schemas);
        let mut operation = P::operation();
        operation.tags = Some(P::tags().into_iter().map(str::to_owned).collect());
        // Without it, readers of the document would have to know that there is no default for all operations.
        operation.security.get_or_insert_default();
        CommonHeaders::add_to(&mut operation);
        Self { methods: P::methods(), operation, schemas }
    }
}

fn method(method: &HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Options => Method::OPTIONS,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Trace => Method::TRACE,
    }
}

/// The endpoints of an app or of a part of it.
#[derive(Default)]
pub struct Endpoints(Vec<Endpoint>);

impl Endpoints {
    /// Adds the endpoints of another part.
    #[must_use]
    pub fn and(mut self, others: impl IntoIterator<Item = Endpoint>) -> Self {
        self.0.extend(others);
        self
    }

    /// Adds the documented endpoints to `document`.
    pub fn describe(self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        for endpoint in self.0 {
            let Some(documentation) = endpoint.documentation else { continue };
            let Documentation { methods, mut operation, schemas } = documentation();
            components.schemas.extend(schemas);
            describe_scope(&mut operation, endpoint.scope);
            document.paths.add_path_operation(endpoint.path, methods, operation);
        }
    }

    /// Registers every endpoint. `counters` counts their requests.
    pub fn register(self, config: &mut ServiceConfig, counters: Option<&WorkerCounters>) {
        // In the order of declaration, because actix uses the first path that matches.
        let mut order: Vec<String> = Vec::new();
        let mut resources: BTreeMap<String, Vec<Endpoint>> = BTreeMap::new();
        for endpoint in self.0 {
            let path = without_last_slash(&endpoint.path).to_owned();
            if !order.contains(&path) {
                order.push(path.clone());
            }
            resources.entry(path).or_default().push(endpoint);
        }
        for path in order {
            let endpoints = resources.remove(&path).unwrap_or_default();
            let methods: Vec<Method> = endpoints.iter().flat_map(Endpoint::methods).collect();
            let resource = web::resource(path.as_str()).app_data(MatchedRoute::new(&path, counters));
            let resource =
                endpoints.into_iter().map(Endpoint::into_route).fold(resource, actix_web::Resource::route);
            config.service(resource.default_service(web::to(move || {
                let methods = methods.clone();
                async move { Err::<(), _>(Error::MethodNotAllowed(methods)) }
            })));
        }
    }
}

/// Ends a request that exceeds its deadline, and responds with 500 if the handler panics, because actix would
/// drop the connection.
async fn enforce_deadline<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let deadline = HttpState::of(request.request())?.request_timeout;
    let head = request.request().clone();
    match timeout(deadline, AssertUnwindSafe(next.call(request)).catch_unwind()).await {
        Ok(Ok(response)) => Ok(response?.map_into_boxed_body()),
        Ok(Err(panic)) => Ok(respond(head, Error::internal("handle the request", panic_message(&*panic)))),
        Err(late) => {
            // A stalled client is not a fault of the server.
            let receiving = head.extensions().get::<Receiving>().is_some();
            let error = if receiving {
                Error::BodyTimeout
            } else {
                Error::unavailable("answer within the deadline", late)
            };
            Ok(respond(head, error))
        }
    }
}

/// The message of a panic.
fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("a panic: {}", text.as_deref().unwrap_or("of unknown cause"))
}

fn respond(request: HttpRequest, error: Error) -> ServiceResponse<BoxBody> {
    ServiceResponse::new(request, HttpResponse::from_error(error))
}
