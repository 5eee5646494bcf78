//! Feeds, the sitemap and `robots.txt` over HTTP.

use actix_web::{
    HttpResponse,
    http::header::{self, ContentType},
    web::ThinData,
};
use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    document::FeedFormat,
    schemas::{FeedFilter, SitemapPath},
    service,
    sitemap::{self, http_date},
};
use crate::{
    accounts::{Anyone, users::USERS},
    endpoint, error_responses,
    http::{
        cache::Cached,
        conditional::{Conditional, Conditions, Recipient},
        error::{Error, Result},
        openapi::{IfNoneMatch, NotModified, examples},
        request::ApiRequest,
        resource::Endpoint,
        validation::{FieldErrors, InvalidValue},
    },
    publishing::{Publishing, articles::ARTICLES},
};

const XML: &str = "application/xml; charset=utf-8";

/// The routes of this feature.
pub fn endpoints() -> [Endpoint; 6] {
    let articles = || Cached::list::<Anyone>(ARTICLES);
    [
        endpoint!(read_atom_feed).cached(articles().showing(USERS)),
        endpoint!(read_rss_feed).cached(articles().showing(USERS)),
        endpoint!(read_json_feed).cached(articles().showing(USERS)),
        endpoint!(read_sitemap).cached(articles()),
        endpoint!(read_sitemap_part).cached(articles()),
        endpoint!(read_robots),
    ]
}

error_responses! {
    /// Of feeds.
    FeedErrors = [Error::NoSite, too_many_tags()];
    /// Of `robots.txt`.
    RobotsErrors = [Error::Busy];
    /// Of the sitemap.
    SitemapErrors = [Error::NoSite];
    /// Of a part of the sitemap.
    PartErrors = [Error::NoSite, Error::NotFound("Sitemap"), examples::unparsed_integer("path", "number")];
}

fn too_many_tags() -> Error {
    let invalid = InvalidValue::new("too_long", "List should have at most 5 items after validation, not 6");
    FieldErrors::one(invalid, &["query", "tag"], json!(["a", "b", "c", "d", "e", "f"])).into()
}

/// Read the Atom feed
///
/// The 20 articles that were published last, with their contents as HTML.
#[utoipa::path(
    get, path = "/feeds/atom.xml", tag = "feeds", operation_id = "read_atom_feed",
    params(FeedFilter, IfNoneMatch),
    responses(
        (status = 200, description = "The feed.", body = String, content_type = "application/atom+xml", headers(
            ("ETag" = String, description = "The entity tag of the feed."),
            ("Last-Modified" = String, description = "When one of its articles last changed."))),
        (status = 304, description = "The client's cached response is still valid.", headers(
            ("ETag" = String, description = "The entity tag of the feed."),
            ("Last-Modified" = String, description = "As in the cached response."))),
        FeedErrors,
    ),
)]
pub async fn read_atom_feed(
    publishing: ThinData<Publishing>,
    request: ApiRequest<Anyone, (), FeedFilter>,
    conditions: Conditions,
) -> Result<HttpResponse> {
    read_feed(&publishing, FeedFormat::Atom, &request.query, &conditions).await
}

/// Read the RSS feed
///
/// The 20 articles that were published last, with their contents as HTML.
#[utoipa::path(
    get, path = "/feeds/rss.xml", tag = "feeds", operation_id = "read_rss_feed",
    params(FeedFilter, IfNoneMatch),
    responses(
        (status = 200, description = "The feed.", body = String, content_type = "application/rss+xml", headers(
            ("ETag" = String, description = "The entity tag of the feed."),
            ("Last-Modified" = String, description = "When one of its articles last changed."))),
        (status = 304, description = "The client's cached response is still valid.", headers(
            ("ETag" = String, description = "The entity tag of the feed."),
            ("Last-Modified" = String, description = "As in the cached response."))),
        FeedErrors,
    ),
)]
pub async fn read_rss_feed(
    publishing: ThinData<Publishing>,
    request: ApiRequest<Anyone, (), FeedFilter>,
    conditions: Conditions,
) -> Result<HttpResponse> {
    read_feed(&publishing, FeedFormat::Rss, &request.query, &conditions).await
}

/// Read the JSON feed
///
/// The 20 articles that were published last, with their contents as HTML.
#[utoipa::path(
    get, path = "/feeds/feed.json", tag = "feeds", operation_id = "read_json_feed",
    params(FeedFilter, IfNoneMatch),
    responses(
        (status = 200, description = "The feed.", body = String, content_type = "application/feed+json", headers(
            ("ETag" = String, description = "The entity tag of the feed."),
            ("Last-Modified" = String, description = "When one of its articles last changed."))),
        (status = 304, description = "The client's cached response is still valid.", headers(
            ("ETag" = String, description = "The entity tag of the feed."),
            ("Last-Modified" = String, description = "As in the cached response."))),
        FeedErrors,
    ),
)]
pub async fn read_json_feed(
    publishing: ThinData<Publishing>,
    request: ApiRequest<Anyone, (), FeedFilter>,
    conditions: Conditions,
) -> Result<HttpResponse> {
    read_feed(&publishing, FeedFormat::Json, &request.query, &conditions).await
}

/// Read the sitemap
///
/// The pages of all published articles. Above 49,999 articles, the index of its parts.
#[utoipa::path(
    get, path = "/sitemap.xml", tag = "feeds", operation_id = "read_sitemap",
    params(IfNoneMatch),
    responses(
        (status = 200, description = "The sitemap or its index.", body = String, content_type = "application/xml",
            headers(("ETag" = String, description = "The entity tag of the document."))),
        NotModified, SitemapErrors,
    ),
)]
pub async fn read_sitemap(
    publishing: ThinData<Publishing>,
    _request: ApiRequest<Anyone>,
    conditions: Conditions,
) -> Result<HttpResponse> {
    let (site, Publishing { reader, page_bounds, .. }) = (publishing.site()?, &*publishing);
    let document = sitemap::read_sitemap(reader, page_bounds, site, &conditions).await?;
    send(&publishing, document, |document| (XML, document.into_bytes(), None))
}

/// Read a part of the sitemap
///
/// The pages of up to 49,999 articles, in the order of their ids.
#[utoipa::path(
    get, path = "/sitemap-{number}.xml", tag = "feeds", operation_id = "read_sitemap_part",
    params(SitemapPath, IfNoneMatch),
    responses(
        (status = 200, description = "The part.", body = String, content_type = "application/xml",
            headers(("ETag" = String, description = "The entity tag of the document."))),
        NotModified, PartErrors,
    ),
)]
pub async fn read_sitemap_part(
    publishing: ThinData<Publishing>,
    request: ApiRequest<Anyone, SitemapPath>,
    conditions: Conditions,
) -> Result<HttpResponse> {
    let (site, Publishing { reader, page_bounds, .. }) = (publishing.site()?, &*publishing);
    let number = request.path.number.get();
    let document = sitemap::read_sitemap_part(reader, page_bounds, site, number, &conditions).await?;
    send(&publishing, document, |document| (XML, document.into_bytes(), None))
}

/// Read robots.txt
///
/// Every robot may read everything. Names the sitemap.
#[utoipa::path(
    get, path = "/robots.txt", tag = "feeds", operation_id = "read_robots",
    responses(
        (status = 200, description = "The rules for robots.", body = String, content_type = "text/plain"),
        RobotsErrors,
    ),
)]
pub async fn read_robots(publishing: ThinData<Publishing>, _request: ApiRequest<Anyone>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .insert_header(ContentType::plaintext())
        .body(sitemap::robots(publishing.site().ok()))
}

async fn read_feed(
    publishing: &Publishing,
    format: FeedFormat,
    filter: &FeedFilter,
    conditions: &Conditions,
) -> Result<HttpResponse> {
    let (site, Publishing { reader, renderer, .. }) = (publishing.site()?, publishing);
    let feed = service::read_feed(reader, renderer, site, format, filter, conditions).await?;
    send(publishing, feed, |feed| (format.media_type(), feed.document, Some(feed.updated)))
}

/// Sends a document: its media type, its bytes, and when it last changed, if that is known. Everyone gets the same.
fn send<T>(
    publishing: &Publishing,
    document: Conditional<T>,
    read: impl FnOnce(T) -> (&'static str, Vec<u8>, Option<DateTime<Utc>>),
) -> Result<HttpResponse> {
    let memory = &publishing.page_bounds.memory;
    let mut outcome = Ok(());
    let response = document.respond(Recipient::Everyone, |response, document| {
        let (media_type, bytes, updated) = read(document);
        response.insert_header((header::CONTENT_TYPE, media_type));
        if let Some(updated) = updated {
            response.insert_header((header::LAST_MODIFIED, http_date(updated)));
        }
        match memory.reserve(bytes.len()) {
            Ok(reserved) => drop(response.extensions_mut().insert(reserved)),
            Err(error) => outcome = Err(error),
        }
        response.body(bytes)
    });
    outcome.map(|()| response)
}
