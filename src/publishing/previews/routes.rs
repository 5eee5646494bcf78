//! The HTTP routes of previews.

use actix_web::{
    HttpResponse,
    http::header,
    web::{Json, ThinData},
};
use secrecy::ExposeSecret as _;

use super::{
    schemas::{PreviewCreate, PreviewCreated, PreviewPath, PreviewResponse, PreviewTokenPath},
    service,
};
use crate::{
    accounts::{Anyone, CurrentUser},
    endpoint, error_responses,
    http::{
        client_address::ClientAddress,
        error::{Error, Result},
        openapi::examples,
        request::ApiRequest,
        resource::Endpoint,
        scope::Scope,
        urls::Base,
        validation,
    },
    publishing::{
        Publishing,
        articles::schemas::{ArticleDetail, ArticlePath, ArticleResponse},
    },
};

/// The routes of this feature.
pub fn endpoints() -> [Endpoint; 4] {
    [
        endpoint!(create_preview).scope(Scope::ArticlesWrite),
        endpoint!(list_previews).scope(Scope::ArticlesRead),
        endpoint!(revoke_preview).scope(Scope::ArticlesWrite),
        endpoint!(read_preview),
    ]
}

error_responses! {
    /// Errors of creating one.
    CreateErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::Forbidden,
        Error::NotFound("Article"), Error::Conflict("The article has too many previews; revoke one first"),
        examples::unparsed(), examples::too_large(), examples::missing_body(),
    ];
    /// Errors of listing.
    ListErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::Forbidden,
        Error::NotFound("Article"), examples::unparsed_integer("path", "article_id"),
    ];
    /// Errors of revoking one.
    RevokeErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::Forbidden,
        Error::NotFound("Article"), Error::NotFound("Preview"), examples::unparsed_integer("path", "article_id"),
    ];
    /// Errors of following one.
    ReadErrors = [Error::NotFound("Preview"), examples::unknown_word("expand", &["author", "tags", "html", "excerpt"])];
}

/// Create a preview
///
/// A link that shows the article, also while it is a draft, to anyone who has it. Only this response shows its token. It
/// ends when it expires or is revoked, and when its creator changes the password.
#[utoipa::path(
    post, path = "/articles/{article_id}/previews", tag = "articles", operation_id = "create_preview",
    params(ArticlePath),
    request_body = PreviewCreate,
    responses(
        (status = 201, description = "The link was created.", body = PreviewCreated, headers(
            ("Location" = String, description = "The URL that shows the article, relative to that of the request."),
        )),
        CreateErrors,
    ),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn create_preview(
    publishing: ThinData<Publishing>,
    client: ClientAddress,
    request: ApiRequest<CurrentUser, ArticlePath, (), validation::Json<PreviewCreate>>,
    base: Base,
) -> Result<HttpResponse> {
    let Publishing { writer, secrets, clock, .. } = &*publishing;
    let (editor, article) = (&publishing.editor(&request.caller, client), request.path.article_id);
    let (input, now) = (&request.body.0, clock.now());
    let created = service::create_preview(writer, secrets, editor, article, input, now).await?;
    let location = base.reference(&format!("previews/{}", created.token.expose_secret()));
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(created))
}

/// List the previews of an article
///
/// Those that have not expired, the newest first; at most 20. Their tokens are not shown.
#[utoipa::path(
    get, path = "/articles/{article_id}/previews", tag = "articles", operation_id = "list_previews",
    params(ArticlePath),
    responses((status = 200, description = "All links.", body = Vec<PreviewResponse>), ListErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn list_previews(
    publishing: ThinData<Publishing>,
    client: ClientAddress,
    request: ApiRequest<CurrentUser, ArticlePath>,
) -> Result<Json<Vec<PreviewResponse>>> {
    let (editor, article) = (&publishing.editor(&request.caller, client), request.path.article_id);
    service::list_previews(&publishing.reader, editor, article, publishing.clock.now()).await.map(Json)
}

/// Revoke a preview
///
/// The link stops working at once, on every server.
#[utoipa::path(
    delete, path = "/articles/{article_id}/previews/{preview_id}", tag = "articles",
    operation_id = "revoke_preview",
    params(PreviewPath),
    responses((status = 204, description = "The link was revoked."), RevokeErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn revoke_preview(
    publishing: ThinData<Publishing>,
    client: ClientAddress,
    request: ApiRequest<CurrentUser, PreviewPath>,
) -> Result<HttpResponse> {
    let editor = &publishing.editor(&request.caller, client);
    let PreviewPath { article_id, preview_id } = request.path;
    service::revoke_preview(&publishing.writer, editor, article_id, preview_id.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Read an article by a preview
///
/// Anyone who has the token sees the article as it is now, whether it is published or not. A token of the account that is
/// sent is ignored.
#[utoipa::path(
    get, path = "/previews/{token}", tag = "articles", operation_id = "read_preview",
    params(PreviewTokenPath, ArticleDetail),
    responses(
        (status = 200, description = "The article.", body = ArticleResponse, headers(
            ("X-Robots-Tag" = String, description = "`noindex`"),
            ("Referrer-Policy" = String, description = "`no-referrer`"),
        )),
        ReadErrors,
    ),
)]
pub async fn read_preview(
    publishing: ThinData<Publishing>,
    request: ApiRequest<Anyone, PreviewTokenPath, ArticleDetail>,
) -> Result<HttpResponse> {
    let Publishing { reader, renderer, secrets, clock, .. } = &*publishing;
    let (token, expand) = (request.path.token.as_ref(), request.query.expand.unwrap_or_default());
    let article = service::read_preview(reader, renderer, secrets, token, &expand, clock.now()).await?;
    Ok(HttpResponse::Ok()
        .insert_header(("x-robots-tag", "noindex"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .json(article))
}
