//! The HTTP route of search.

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::header, web::ThinData};

use super::{
    schemas::{SearchFilter, SearchResult},
    service::{self, SearchPage},
};
use crate::{
    accounts::Viewer,
    endpoint, error_responses,
    http::{
        error::{Error, Result},
        openapi::examples,
        request::ApiRequest,
        resource::Endpoint,
        scope::Scope,
        validation::query_pairs,
    },
    publishing::Publishing,
};

/// The routes of this feature.
pub fn endpoints() -> [Endpoint; 1] {
    [endpoint!(search_articles).scope(Scope::ArticlesRead)]
}

error_responses! {
    /// Errors of searching.
    SearchErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::AdminOnly, Error::Busy,
        examples::unparsed_integer("query", "skip"),
    ];
}

/// Search articles
///
/// Looks for words in titles, contents, tags and names of authors, best results first. Drafts are found by their
/// author, and by administrators with `drafts=all`. The header `Link` has the URLs of the next and the previous page.
#[utoipa::path(
    get, path = "/search", tag = "articles", operation_id = "search_articles",
    params(SearchFilter),
    responses(
        (status = 200, description = "One page of results.", body = Vec<SearchResult>, headers(
            ("Link" = String, description = "The URLs of the next and the previous page, `rel=\"next\"` and `rel=\"prev\"` (RFC 8288), relative to that of the request."),
            ("X-Search-Incomplete" = bool, description = "`true` while many articles wait to be indexed, and are not found."),
        )),
        SearchErrors,
    ),
    security((), ("OAuth2PasswordBearer" = [])),
)]
pub async fn search_articles(
    publishing: ThinData<Publishing>,
    http: HttpRequest,
    request: ApiRequest<Viewer, (), SearchFilter>,
) -> Result<HttpResponse> {
    let Publishing { reader, search_throttle, .. } = &*publishing;
    let visibility = publishing.list_visibility(request.caller, request.query.drafts)?;
    let page = service::search_articles(reader, search_throttle, visibility, request.query).await?;
    let mut response = HttpResponse::Ok();
    write_headers(&mut response, &page, http.query_string());
    Ok(response.json(page.results))
}

fn write_headers(response: &mut HttpResponseBuilder, page: &SearchPage, query: &str) {
    let link = |(skip, relation): (Option<u64>, &str)| {
        let skip = skip?.to_string();
        let mut link = form_urlencoded::Serializer::new(String::new());
        link.extend_pairs(query_pairs(query).into_iter().filter(|(name, _)| name != "skip"));
        Some(format!("<?{}>; rel=\"{relation}\"", link.append_pair("skip", &skip).finish()))
    };
    let links: Vec<String> =
        [(page.previous, "prev"), (page.next, "next")].into_iter().filter_map(link).collect();
    if !links.is_empty() {
        response.insert_header((header::LINK, links.join(", ")));
    }
    if !page.is_complete {
        response.insert_header(("x-search-incomplete", "true"));
    }
}
