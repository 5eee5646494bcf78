//! Articles over HTTP.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::header::{self, CacheControl, CacheDirective},
    web::ThinData,
};
use serde_json::{json, to_value};

use super::{
    ARTICLES, list,
    schemas::{
        ArticleCreate, ArticleDetail, ArticleFilter, ArticlePath, ArticleResponse, ArticleUpdate, SlugPath,
    },
    service::{self, BySlug},
};
use crate::{
    accounts::{CurrentUser, Viewer, users::USERS},
    endpoint, error_responses,
    http::{
        cache::Cached,
        client_address::ClientAddress,
        conditional::{Conditions, EntityTag},
        error::{Error, Result},
        openapi::{IfMatch, IfNoneMatch, NotModified, examples},
        paging::write_total,
        request::ApiRequest,
        resource::Endpoint,
        scope::Scope,
        urls::Base,
        validation::{Deferred, Json},
    },
    publishing::{Publishing, expansions::Expansions},
};

/// The routes of this feature.
pub fn endpoints() -> [Endpoint; 6] {
    [
        endpoint!(list_articles)
            .cached(Cached::list::<Viewer>(ARTICLES).showing(USERS))
            .scope(Scope::ArticlesRead),
        endpoint!(create_article).scope(Scope::ArticlesWrite),
        endpoint!(read_article_by_slug)
            .cached(Cached::list::<Viewer>(ARTICLES).showing(USERS))
            .scope(Scope::ArticlesRead),
        endpoint!(read_article)
            .cached(Cached::row::<Viewer>(ARTICLES, "article_id").showing(USERS))
            .scope(Scope::ArticlesRead),
        endpoint!(update_article).scope(Scope::ArticlesWrite),
        endpoint!(delete_article).scope(Scope::ArticlesWrite),
    ]
}

error_responses! {
    /// Of listing.
    ListErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::AdminOnly,
        examples::unparsed_integer("query", "skip"),
    ];
    /// Of reading one.
    ReadErrors = [
        Error::BadCredentials, Error::EmailNotConfirmed, Error::NotFound("Article"), examples::unparsed_integer("path", "article_id"),
    ];
    /// Of reading one by its slug.
    SlugErrors = [
        Error::BadCredentials, Error::EmailNotConfirmed, Error::NotFound("Article"),
        examples::unknown_word("expand", &["author", "tags", "html", "excerpt"]),
    ];
    /// Of creating one.
    CreateErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::Conflict("The slug is taken"),
        examples::unparsed(), examples::too_large(),
        examples::missing("content", json!({"title": "On the Analytical Engine"})),
    ];
    /// Of changing one.
    UpdateErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::Forbidden,
        Error::NotFound("Article"), Error::Conflict("The slug is taken"), Error::PreconditionFailed("article"),
        examples::unparsed(), examples::too_large(), examples::missing_body(),
    ];
    /// Of deleting one.
    DeleteErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::Forbidden,
        Error::NotFound("Article"), Error::PreconditionFailed("article"),
        examples::unparsed_integer("path", "article_id"),
    ];
}

/// List articles
///
/// Newest first by default. Drafts are listed for their author, and for administrators with `drafts=all`. The
/// header `Link` has the URLs of the next and the previous page. They contain cursors, so articles that are
/// created or deleted in the meantime do not shift the pages.
#[utoipa::path(
    get, path = "/articles/", tag = "articles", operation_id = "list_articles",
    params(ArticleFilter, IfNoneMatch),
    responses(
        (status = 200, description = "One page of articles.", body = Vec<ArticleResponse>, headers(
            ("ETag" = String, description = "The entity tag of this page."),
            ("Link" = String, description = "The URLs of the next and the previous page, `rel=\"next\"` and `rel=\"prev\"` (RFC 8288), relative to that of the request."),
            ("X-Total-Count" = u64, description = "The number of articles in the whole list; sent with `count=exact`."),
        )),
        (status = 304, description = "The client's cached response is still valid.", headers(
            ("ETag" = String, description = "The entity tag of this page."),
            ("Link" = String, description = "As in the cached response."),
            ("X-Total-Count" = u64, description = "As in the cached response."),
        )),
        ListErrors,
    ),
    security((), ("OAuth2PasswordBearer" = [])),
)]
pub async fn list_articles(
    publishing: ThinData<Publishing>,
    request: ApiRequest<Viewer, (), ArticleFilter>,
    conditions: Conditions,
) -> Result<HttpResponse> {
    let (viewer, parameters) = (request.caller, link_parameters(&request.query));
    let visibility = publishing.list_visibility(viewer, request.query.requested_drafts())?;
    let Publishing { reader, page_bounds: bounds, renderer, .. } = &*publishing;
    let page = list::list_articles(reader, bounds, renderer, visibility, request.query, &conditions).await?;
    Ok(page.respond(publishing.recipient(viewer), |response, page| {
        page.neighbours.write_link(response, &parameters);
        write_total(response, page.total);
        page.articles.respond(response)
    }))
}

/// Read an article
///
/// Only its author and administrators can read a draft.
#[utoipa::path(
    get, path = "/articles/{article_id}", tag = "articles", operation_id = "read_article",
    params(ArticlePath, ArticleDetail, IfNoneMatch),
    responses(
        (status = 200, description = "The article.", body = ArticleResponse,
            headers(("ETag" = String, description = "The entity tag of the article's current state."))),
        NotModified, ReadErrors,
    ),
    security((), ("OAuth2PasswordBearer" = [])),
)]
pub async fn read_article(
    publishing: ThinData<Publishing>,
    request: ApiRequest<Viewer, ArticlePath, ArticleDetail>,
    conditions: Conditions,
) -> Result<HttpResponse> {
    let (viewer, expand) = (request.caller, request.query.expand.unwrap_or_default());
    let (visibility, Publishing { reader, renderer, .. }) = (publishing.visibility(viewer), &*publishing);
    let article =
        service::get_article(reader, renderer, visibility, &request.path, &expand, &conditions).await?;
    Ok(article.respond(publishing.recipient(viewer), HttpResponseBuilder::json))
}

/// Read an article by its slug
///
/// Only its author and administrators can read a draft. If a published article has the slug, it is read; otherwise
/// the newest draft with the slug. A former slug of a published article leads to its current one.
#[utoipa::path(
    get, path = "/articles/by-slug/{slug}", tag = "articles", operation_id = "read_article_by_slug",
    params(SlugPath, ArticleDetail, IfNoneMatch),
    responses(
        (status = 200, description = "The article.", body = ArticleResponse,
            headers(("ETag" = String, description = "The entity tag of the article's current state."))),
        (status = 308, description = "The article has another slug now.",
            headers(("Location" = String, description = "The URL with the current slug, relative to that of the request."))),
        NotModified, SlugErrors,
    ),
    security((), ("OAuth2PasswordBearer" = [])),
)]
pub async fn read_article_by_slug(
    publishing: ThinData<Publishing>,
    request: ApiRequest<Viewer, SlugPath, ArticleDetail>,
    conditions: Conditions,
    base: Base,
) -> Result<HttpResponse> {
    let (viewer, expand) = (request.caller, request.query.expand.unwrap_or_default());
    let (visibility, recipient) = (publishing.visibility(viewer), publishing.recipient(viewer));
    let Publishing { reader: db, renderer, .. } = &*publishing;
    let read = service::get_article_by_slug(db, renderer, visibility, &request.path, &expand, &conditions);
    match read.await? {
        BySlug::Article(article) => Ok(article.respond(recipient, HttpResponseBuilder::json)),
        BySlug::Moved(slug) => Ok(redirect(base.reference(&format!("articles/by-slug/{slug}")), &expand)),
    }
}

/// Create an article
///
/// The article is a draft unless `published` is true.
#[utoipa::path(
    post, path = "/articles/", tag = "articles", operation_id = "create_article",
    request_body = ArticleCreate,
    responses(
        (status = 201, description = "The article was created.", body = ArticleResponse, headers(
            ("ETag" = String, description = "The entity tag of the article's current state."),
            ("Location" = String, description = "The URL of the new article, relative to that of the request."),
        )),
        CreateErrors,
    ),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn create_article(
    publishing: ThinData<Publishing>,
    request: ApiRequest<CurrentUser, (), (), Json<ArticleCreate>>,
    base: Base,
) -> Result<HttpResponse> {
    let Publishing { writer, default_format, clock, .. } = &*publishing;
    let (author, input) = (request.caller.id(), request.body.0);
    let article = service::create_article(writer, author, input, *default_format, clock.now()).await?;
    let location = base.reference(&format!("articles/{}", article.id));
    let tag = EntityTag::of_row(article.state);
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location))
        .insert_header(tag.header())
        .json(article))
}

/// Change an article
///
/// Only the author and administrators can change an article. Absent members stay unchanged. `updated_at` changes
/// only if a value changes.
#[utoipa::path(
    patch, path = "/articles/{article_id}", tag = "articles", operation_id = "update_article",
    params(ArticlePath, IfMatch),
    request_body(content = ArticleUpdate, example = json!({ "published": true })),
    responses(
        (status = 200, description = "The changed article.", body = ArticleResponse,
            headers(("ETag" = String, description = "The entity tag of the article's current state."))),
        UpdateErrors,
    ),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn update_article(
    publishing: ThinData<Publishing>,
    client: ClientAddress,
    request: ApiRequest<CurrentUser, ArticlePath, (), Deferred<ArticleUpdate>>,
    conditions: Conditions,
) -> Result<HttpResponse> {
    let Publishing { reader, writer, clock, .. } = &*publishing;
    let (editor, path) = (&publishing.editor(&request.caller, client), &request.path);
    let check = async || service::check_writable(reader, editor, path).await;
    let input = request.body.or_report_after(check).await?;
    let only = conditions.if_match.as_ref();
    let article = service::update_article(writer, editor, path, input, only, clock.now()).await?;
    Ok(HttpResponse::Ok().insert_header(EntityTag::of_row(article.state).header()).json(article))
}

/// Delete an article
///
/// Only the author and administrators can delete an article. Deletion cannot be undone.
#[utoipa::path(
    delete, path = "/articles/{article_id}", tag = "articles", operation_id = "delete_article",
    params(ArticlePath, IfMatch),
    responses((status = 204, description = "The article was deleted."), DeleteErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn delete_article(
    publishing: ThinData<Publishing>,
    client: ClientAddress,
    request: ApiRequest<CurrentUser, ArticlePath>,
    conditions: Conditions,
) -> Result<HttpResponse> {
    let editor = publishing.editor(&request.caller, client);
    let (only, now) = (conditions.if_match.as_ref(), publishing.clock.now());
    service::delete_article(&publishing.writer, &editor, &request.path, only, now).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A redirect that clients must not remember: another article may take the old slug.
fn redirect(mut location: String, expand: &Expansions) -> HttpResponse {
    let parameter = expand.parameter();
    if !parameter.is_empty() {
        location = format!("{location}?expand={parameter}");
    }
    let no_cache = CacheControl(vec![CacheDirective::NoCache]);
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, location))
        .insert_header(no_cache)
        .finish()
}

/// The parameters that the links of a page keep; the cursor carries the others.
fn link_parameters(query: &ArticleFilter) -> [(&'static str, Option<String>); 3] {
    let name = |choice: Option<serde_json::Value>| choice.and_then(|name| name.as_str().map(str::to_owned));
    [
        ("limit", Some(query.limit.0.to_string())),
        ("count", name(query.count.and_then(|count| to_value(count).ok()))),
        ("expand", query.expand.as_ref().map(Expansions::parameter)),
    ]
}
