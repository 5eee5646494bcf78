//! The whole application: the state of each area, every route, and the order of the middleware.

use std::sync::Arc;

use actix_web::{
    App, Error as ActixError,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    http::{Uri, uri::PathAndQuery},
    middleware::{Next, from_fn},
    web::{self, Data, ThinData},
};
use utoipa::{OpenApi as _, openapi::OpenApi};

use crate::{
    accounts::{self, Accounts},
    clock::Clock,
    config::Settings,
    db::{Db, Writer},
    http::{
        HttpState,
        cache::Cache,
        cors::{Policy, apply_cors},
        docs::{self, Documentation},
        error::Error,
        openapi::{self, Security},
        resource::Endpoints,
        telemetry::log_requests,
        validation::Limits,
    },
    operations::{self, Operations},
    publishing::{self, Publishing},
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(description = "Articles and their authors.", license(name = "MIT OR Apache-2.0")),
    components(schemas(openapi::ErrorResponse, openapi::HTTPValidationError, openapi::ValidationError)),
    modifiers(&Security),
    tags(
        (name = "articles", description = "Published articles are public; each author manages their own."),
        (name = "auth", description = "Registration and access tokens."),
        (name = "users", description = "The signed-in account."),
        (name = "health", description = "For load balancers, orchestrators and monitoring."),
    ),
)]
struct Document;

/// The OpenAPI 3.1 document of a server with these settings. Opens no connection.
pub fn document(settings: &Settings) -> OpenApi {
    let mut document = Document::openapi();
    settings.app.name.clone_into(&mut document.info.title);
    endpoints().describe(&mut document);
    openapi::state_page_size(&mut document, settings.http.max_page_size);
    document
}

/// Every route of the API and every page.
fn endpoints() -> Endpoints {
    Endpoints::default()
        .and(publishing::endpoints())
        .and(accounts::endpoints())
        .and(operations::endpoints())
        .and(docs::endpoints())
}

/// The state of each area, with the connections of one worker. Cloning it only increments reference counts.
#[derive(Clone, Debug)]
pub struct AppState {
    /// The state of the HTTP layer.
    pub http: HttpState,
    /// The state of accounts.
    pub accounts: Accounts,
    /// The state of publishing.
    pub publishing: Publishing,
    /// The state of operations.
    pub operations: Operations,
}

impl AppState {
    /// Builds the states for these settings. Opens no connection.
    pub fn new(settings: &Settings, db: &Db, cache: Arc<Cache>, clock: &Clock) -> Self {
        let listener = Arc::<Cache>::clone(&cache);
        let writer = Writer::new(db.writer.clone(), listener, settings.http.request_timeout);
        let reader = || db.reader.clone();
        let limits = Limits {
            max_page_size: settings.http.max_page_size,
            max_body_bytes: settings.http.max_body_bytes,
        };
        Self {
            operations: Operations::new(db.clone(), Arc::clone(&cache)),
            http: HttpState {
                limits: Arc::new(limits),
                request_timeout: settings.http.request_timeout,
                cache,
            },
            accounts: Accounts::new(settings, reader(), writer.clone(), clock.clone()),
            publishing: Publishing::new(settings, reader(), writer, clock.clone()),
        }
    }

    /// Returns the same states with the connections of another worker.
    #[must_use]
    pub fn on(&self, db: &Db) -> Self {
        Self {
            http: self.http.clone(),
            accounts: self.accounts.on(db),
            publishing: self.publishing.on(db),
            operations: Operations::new(db.clone(), Arc::clone(&self.http.cache)),
        }
    }
}

/// The application of one worker, as the server and every test run it.
pub fn create_app(
    state: AppState,
    policy: Policy,
    documentation: Data<Documentation>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = ActixError,
        InitError = (),
    >,
> {
    let AppState { http, accounts, publishing, operations } = state;
    App::new()
        .app_data(http)
        .app_data(ThinData(accounts))
        .app_data(ThinData(publishing))
        .app_data(ThinData(operations))
        .app_data(documentation)
        .app_data(policy)
        .configure(|config| endpoints().register(config))
        .default_service(web::to(async || Err::<(), _>(Error::NoRoute)))
        // The middleware wrapped last runs first: request id and log line for every request, then CORS
        // headers on every response, then routing.
        .wrap(from_fn(decode_slashes))
        .wrap(from_fn(apply_cors))
        .wrap(from_fn(log_requests))
}

/// Decodes encoded slashes. Paths are decoded before they are matched (contract, section 1), but actix leaves
/// slashes encoded.
async fn decode_slashes<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, ActixError> {
    if request.path().contains("%2") {
        let path = request.path().replace("%2F", "/").replace("%2f", "/");
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = PathAndQuery::try_from(format!("{path}{query}")).ok();
        if let Ok(uri) = Uri::from_parts(parts) {
            request.match_info_mut().get_mut().update(&uri);
            request.head_mut().uri = uri;
        }
    }
    next.call(request).await
}
