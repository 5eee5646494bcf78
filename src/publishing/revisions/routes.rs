//! Revisions over HTTP.

use actix_web::{
    HttpResponse,
    web::{Json, ThinData},
};

use super::{
    schemas::{DiffParameters, DiffResponse, RevisionFilter, RevisionPath, RevisionResponse},
    service,
};
use crate::{
    accounts::CurrentUser,
    endpoint, error_responses,
    http::{
        client_address::ClientAddress,
        conditional::{Conditions, EntityTag},
        error::{Error, Result},
        openapi::{IfMatch, examples},
        request::ApiRequest,
        resource::Endpoint,
        scope::Scope,
    },
    publishing::{
        Publishing,
        articles::schemas::{ArticlePath, ArticleResponse},
    },
};

/// The routes of this feature.
pub fn endpoints() -> [Endpoint; 4] {
    [
        endpoint!(list_revisions).scope(Scope::ArticlesRead),
        endpoint!(read_revision).scope(Scope::ArticlesRead),
        endpoint!(compare_revision).scope(Scope::ArticlesRead),
        endpoint!(restore_revision).scope(Scope::ArticlesWrite),
    ]
}

error_responses! {
    /// Of listing revisions.
    RevisionListErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::Forbidden,
        Error::NotFound("Article"), examples::unparsed_integer("path", "article_id"),
    ];
    /// Of reading a revision.
    RevisionErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::Forbidden,
        Error::NotFound("Revision"), examples::unparsed_integer("path", "number"),
    ];
    /// Of restoring a revision.
    RestoreErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::Forbidden,
        Error::NotFound("Revision"), Error::PreconditionFailed("article"),
        examples::unparsed_integer("path", "number"),
    ];
}

/// List the revisions of an article
///
/// The newest first. Each edit of the title, the content, the format, the slug or the tags keeps the previous state.
/// Only the author and administrators see them.
#[utoipa::path(
    get, path = "/articles/{article_id}/revisions", tag = "revisions", operation_id = "list_revisions",
    params(ArticlePath, RevisionFilter),
    responses(
        (status = 200, description = "One page of revisions, without their contents.", body = Vec<RevisionResponse>,
            headers(("Link" = String, description = "The URLs of the next and the previous page, `rel=\"next\"` and `rel=\"prev\"` (RFC 8288), relative to that of the request."))),
        RevisionListErrors,
    ),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn list_revisions(
    publishing: ThinData<Publishing>,
    client: ClientAddress,
    request: ApiRequest<CurrentUser, ArticlePath, RevisionFilter>,
) -> Result<HttpResponse> {
    let editor = publishing.editor(&request.caller, client);
    let limit = Some(request.query.limit.0.to_string());
    let db = &publishing.reader;
    let (revisions, neighbours) = service::list_revisions(db, &editor, &request.path, request.query).await?;
    let mut response = HttpResponse::Ok();
    neighbours.write_link(&mut response, &[("limit", limit)]);
    Ok(response.json(revisions))
}

/// Read a revision
///
/// Only the author and administrators see it.
#[utoipa::path(
    get, path = "/articles/{article_id}/revisions/{number}", tag = "revisions", operation_id = "read_revision",
    params(RevisionPath),
    responses((status = 200, description = "The revision.", body = RevisionResponse), RevisionErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn read_revision(
    publishing: ThinData<Publishing>,
    client: ClientAddress,
    request: ApiRequest<CurrentUser, RevisionPath>,
) -> Result<Json<RevisionResponse>> {
    let editor = publishing.editor(&request.caller, client);
    service::read_revision(&publishing.reader, &editor, &request.path).await.map(Json)
}

/// Compare a revision
///
/// With the current state of the article, or with another revision.
#[utoipa::path(
    get, path = "/articles/{article_id}/revisions/{number}/diff", tag = "revisions", operation_id = "compare_revision",
    params(RevisionPath, DiffParameters),
    responses((status = 200, description = "The difference.", body = DiffResponse), RevisionErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn compare_revision(
    publishing: ThinData<Publishing>,
    client: ClientAddress,
    request: ApiRequest<CurrentUser, RevisionPath, DiffParameters>,
) -> Result<Json<DiffResponse>> {
    let editor = publishing.editor(&request.caller, client);
    let Publishing { reader, page_bounds, .. } = &*publishing;
    service::compare_revision(reader, page_bounds, &editor, &request.path, request.query).await.map(Json)
}

/// Restore a revision
///
/// The article gets the title, the content, the format, the slug and the tags of the revision. That is an edit, which
/// keeps the previous state as a revision too.
#[utoipa::path(
    post, path = "/articles/{article_id}/revisions/{number}/restore", tag = "revisions", operation_id = "restore_revision",
    params(RevisionPath, IfMatch),
    responses(
        (status = 200, description = "The changed article.", body = ArticleResponse,
            headers(("ETag" = String, description = "The entity tag of the article's current state."))),
        RestoreErrors,
    ),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn restore_revision(
    publishing: ThinData<Publishing>,
    client: ClientAddress,
    request: ApiRequest<CurrentUser, RevisionPath>,
    conditions: Conditions,
) -> Result<HttpResponse> {
    let editor = publishing.editor(&request.caller, client);
    let Publishing { writer, clock, .. } = &*publishing;
    let only = conditions.if_match.as_ref();
    let article = service::restore_revision(writer, &editor, &request.path, only, clock.now()).await?;
    Ok(HttpResponse::Ok().insert_header(EntityTag::of_row(article.state).header()).json(article))
}
