//! The whole application, as the server, every test and `byline openapi` know it.

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
    accounts::{sign_in, users},
    config::Settings,
    http::{
        cors::{self, Policy},
        docs::{self, Documentation},
        error::Error,
        openapi::{self, Security},
        telemetry,
    },
    operations::health,
    publishing::articles,
    state::AppState,
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(description = "Articles and their authors.", license(name = "MIT OR Apache-2.0")),
    paths(
        articles::routes::list_articles,
        articles::routes::read_article,
        articles::routes::create_article,
        articles::routes::update_article,
        articles::routes::delete_article,
        sign_in::routes::login,
        users::routes::register_user,
        users::routes::read_me,
        health::check_liveness,
        health::check_readiness,
    ),
    components(schemas(openapi::Problem, openapi::HTTPValidationError, openapi::ValidationError)),
    modifiers(&Security),
    tags(
        (name = "articles", description = "Reading for everyone, writing for authors."),
        (name = "auth", description = "Accounts and access tokens."),
        (name = "users", description = "The account that is signed in."),
        (name = "health", description = "For whoever watches the server."),
    ),
)]
struct Document;

/// The OpenAPI 3.1 document of a server with these settings.
pub fn document(settings: &Settings) -> OpenApi {
    let mut document = Document::openapi();
    settings.app.name.clone_into(&mut document.info.title);
    openapi::state_page_size(&mut document, settings.http.max_page_size);
    document
}

/// Routes and middleware, listed here and nowhere else. Needs no live service.
pub fn create_app(
    state: AppState,
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
    let policy = Policy::new(&state.settings().http.cors_origins);
    App::new()
        .app_data(ThinData(state))
        .app_data(documentation)
        .app_data(policy)
        .configure(articles::configure)
        .configure(sign_in::configure)
        .configure(users::configure)
        .configure(health::configure)
        .configure(docs::configure)
        .default_service(web::to(async || Err::<(), _>(Error::NoRoute)))
        // The last one wrapped runs first: an id and a log line for everything, CORS headers on every answer, then routing.
        .wrap(from_fn(decode_slashes))
        .wrap(from_fn(cors::share))
        .wrap(from_fn(telemetry::observe))
}

/// Paths are decoded before they are matched (contract, section 1); actix leaves an encoded slash as it is.
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
