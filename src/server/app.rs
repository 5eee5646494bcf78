//! The whole application: the state of each area, every route, and the order of the middleware.

use std::sync::Arc;

use actix_web::{
    App, Error as ActixError,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    http::header,
    middleware::{DefaultHeaders, from_fn},
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
        cache_control::forbid_storing,
        client_address::TrustedProxies,
        cors::{Policy, apply_cors},
        docs::{self, Documentation},
        draining::{Draining, close_connections},
        error::Error,
        openapi::{self, CommonHeaders, Security},
        receive::BodyMemory,
        resource::Endpoints,
        telemetry::log_requests,
        upgrade::decline_upgrade,
        urls::normalize_path,
        validation::Limits,
    },
    operations::{self, Operations},
    publishing::{self, Publishing},
    traces::Tracer,
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(description = "Articles and their authors.", license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")),
    components(schemas(openapi::ErrorResponse, openapi::HTTPValidationError, openapi::ValidationError)),
    modifiers(&Security, &CommonHeaders),
    tags(
        (name = "articles", description = "Published articles are public; each author manages their own."),
        (name = "revisions", description = "The former states of articles, for their authors and administrators."),
        (name = "tags", description = "The tags of articles."),
        (name = "feeds", description = "The newest articles and the sitemap, for feed readers and search engines."),
        (name = "auth", description = "Registration and access tokens."),
        (name = "users", description = "The signed-in account."),
        (name = "administration", description = "For administrators: accounts, and the log of administrative actions."),
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
    openapi::state_root_path(&mut document, &settings.http.root_path);
    document
}

/// The pages that show the document for these settings.
pub fn documentation(settings: &Settings) -> Documentation {
    let settings = settings.clone();
    Documentation::new(&settings.app.name.clone(), move || document(&settings))
}

/// Every route of the API.
fn endpoints() -> Endpoints {
    Endpoints::default().and(publishing::endpoints()).and(accounts::endpoints()).and(operations::endpoints())
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
        let draining = Draining::default();
        let limits = Limits {
            max_page_size: settings.http.max_page_size,
            max_body_bytes: settings.http.max_body_bytes,
        };
        Self {
            operations: Operations::new(db.clone(), Arc::clone(&cache), draining.clone()),
            http: HttpState {
                body_memory: BodyMemory::new(limits.max_body_bytes),
                limits: Arc::new(limits),
                request_timeout: settings.http.request_timeout,
                trusted_proxies: Arc::new(TrustedProxies::new(&settings.http.trusted_proxies)),
                cache,
                draining,
                tracer: Tracer::new(&settings.monitoring),
                counters: None,
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
            operations: self.operations.on(db),
        }
    }
}

/// The application of one worker, as the server and every test run it. Without `documentation`, it has no
/// routes for the document and its pages.
pub fn create_app(
    state: AppState,
    policy: Policy,
    documentation: Option<Data<Documentation>>,
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
    let counters = http.counters.clone();
    App::new()
        .app_data(http)
        .app_data(ThinData(accounts))
        .app_data(ThinData(publishing))
        .app_data(ThinData(operations))
        .app_data(policy)
        .configure(|config| {
            let pages = documentation.map(|documentation| {
                config.app_data(documentation);
                docs::endpoints()
            });
            endpoints().and(pages.into_iter().flatten()).register(config, counters.as_deref());
        })
        .default_service(web::to(async || Err::<(), _>(Error::NoRoute)))
        // The middleware wrapped last runs first: request id and log line for every request, then CORS
        // and caching headers on every response, then routing. A browser must not guess the type of a response,
        // which may contain text of users.
        .wrap(from_fn(normalize_path))
        .wrap(from_fn(apply_cors))
        .wrap(from_fn(forbid_storing))
        .wrap(DefaultHeaders::new().add((header::X_CONTENT_TYPE_OPTIONS, "nosniff")))
        .wrap(from_fn(decline_upgrade))
        .wrap(from_fn(close_connections))
        .wrap(from_fn(log_requests))
}
