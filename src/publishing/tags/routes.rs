//! Tags over HTTP.

use actix_web::{
    HttpResponse,
    web::{self, ThinData},
};
use serde_json::json;

use super::{
    schemas::{TagFilter, TagPath, TagResponse, TagUpdate},
    service::{self, NAME_TAKEN},
};
use crate::{
    accounts::{Admin, MAX_BODY_BYTES, Viewer, administration::audit::Actor},
    endpoint, error_responses,
    http::{
        cache::Cached,
        client_address::ClientAddress,
        conditional::Conditions,
        error::{Error, Result},
        openapi::{IfNoneMatch, examples},
        request::ApiRequest,
        resource::Endpoint,
        scope::Scope,
        validation::Json,
    },
    publishing::{Publishing, articles::ARTICLES},
};

/// The routes of this feature.
pub fn endpoints() -> [Endpoint; 2] {
    [
        endpoint!(list_tags).cached(Cached::list::<Viewer>(ARTICLES)).scope(Scope::ArticlesRead),
        endpoint!(update_tag).max_body_bytes(MAX_BODY_BYTES).scope(Scope::Admin),
    ]
}

error_responses! {
    /// Of listing tags.
    TagListErrors = [
        Error::BadCredentials, Error::EmailNotConfirmed, examples::unparsed_integer("query", "limit"),
    ];
    /// Of renaming a tag.
    TagUpdateErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::AdminOnly,
        Error::NotFound("Tag"), NAME_TAKEN, examples::unparsed(), Error::TooLarge(MAX_BODY_BYTES),
        examples::missing("name", json!({})),
    ];
}

/// List tags
///
/// The tags of the articles that the caller may see, by name. The header `Link` has the URLs of the next and the
/// previous page.
#[utoipa::path(
    get, path = "/tags/", tag = "tags", operation_id = "list_tags",
    params(TagFilter, IfNoneMatch),
    responses(
        (status = 200, description = "One page of tags.", body = Vec<TagResponse>, headers(
            ("ETag" = String, description = "The entity tag of this page."),
            ("Link" = String, description = "The URLs of the next and the previous page, `rel=\"next\"` and `rel=\"prev\"` (RFC 8288), relative to that of the request."),
        )),
        (status = 304, description = "The client's cached response is still valid.", headers(
            ("ETag" = String, description = "The entity tag of this page."),
            ("Link" = String, description = "As in the cached response."),
        )),
        TagListErrors,
    ),
    security((), ("OAuth2PasswordBearer" = [])),
)]
pub async fn list_tags(
    publishing: ThinData<Publishing>,
    request: ApiRequest<Viewer, (), TagFilter>,
    conditions: Conditions,
) -> Result<HttpResponse> {
    let (viewer, limit) = (request.caller, request.query.limit.0);
    let visibility = publishing.list_visibility(viewer, None)?;
    let Publishing { reader, page_bounds, .. } = &*publishing;
    let page = service::list_tags(reader, page_bounds, visibility, request.query, &conditions).await?;
    Ok(page.respond(publishing.recipient(viewer), |response, (tags, neighbours)| {
        neighbours.write_link(response, &[("limit", Some(limit.to_string()))]);
        response.json(tags)
    }))
}

/// Rename or merge a tag
///
/// Articles with the tag show the new name. With `merge`, they get the other tag that has the name instead.
#[utoipa::path(
    patch, path = "/tags/{tag_id}", tag = "tags", operation_id = "update_tag",
    params(TagPath),
    request_body = TagUpdate,
    responses((status = 200, description = "The tag that has the name now.", body = TagResponse), TagUpdateErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn update_tag(
    publishing: ThinData<Publishing>,
    client: ClientAddress,
    request: ApiRequest<Admin, TagPath, (), Json<TagUpdate>>,
) -> Result<web::Json<TagResponse>> {
    let (user, now) = (&request.caller.0, publishing.clock.now());
    let (actor, visibility) = (Actor::of(user, client), publishing.list_visibility(user.viewer(), None)?);
    let (writer, input) = (&publishing.writer, request.body.0);
    service::update_tag(writer, visibility, &actor, &request.path, input, now).await.map(web::Json)
}
