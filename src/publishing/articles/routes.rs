//! Articles over HTTP.

use std::sync::Arc;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::header::{self, HeaderValue},
};
use serde::Serialize;

use super::{
    change::Writer,
    schemas::{ArticleDetail, ArticleFilter, ArticlePatch, ArticlePath, ArticleView, NewArticle},
    service::{self, Author, Fresh, Listed},
};
use crate::{
    accounts::{Call, CurrentUser, Viewer},
    http::{
        conditional::{Conditions, Tag},
        error::Result,
        openapi::{ChangeErrors, CreateErrors, DeleteErrors, ListErrors, NotModified, ReadErrors},
        paging::link,
        validation,
    },
    state::State,
};

/// List articles
///
/// Newest first unless `sort` says otherwise. Drafts are listed for their author only. The header `Link` names the next and
/// the previous page by a cursor, which shifts under no insert or delete.
#[utoipa::path(
    get, path = "/articles/", tag = "articles", operation_id = "list_articles",
    params(ArticleFilter, ("If-None-Match" = Option<String>, Header, description = "Entity tags of pages that are there already.")),
    responses(
        (status = 200, description = "One page of articles.", body = Vec<ArticleView>, headers(
            ("ETag" = String, description = "Names the state of this page."),
            ("Link" = String, description = "The pages beside this one, `rel=\"next\"` and `rel=\"prev\"` (RFC 8288)."),
            ("X-Total-Count" = u64, description = "Articles of the whole list, where `count=exact` asks for it."),
        )),
        NotModified, ListErrors,
    ),
    security((), ("OAuth2PasswordBearer" = [])),
)]
pub async fn list_articles(
    state: State,
    call: Call<Viewer, (), ArticleFilter>,
    conditions: Conditions,
) -> Result<HttpResponse> {
    let kept = kept(&call.query);
    let fresh = service::list(&state.db.reader, call.who.sight(), call.query, &conditions).await?;
    Ok(answer(call.who, fresh, |response, listed| show_page(response, listed, &kept)))
}

/// Read an article
///
/// A draft is there for its author only.
#[utoipa::path(
    get, path = "/articles/{article_id}", tag = "articles", operation_id = "read_article",
    params(ArticlePath, ArticleDetail, ("If-None-Match" = Option<String>, Header, description = "Entity tags of states that are there already.")),
    responses(
        (status = 200, description = "The article.", body = ArticleView,
            headers(("ETag" = String, description = "Names the article's state."))),
        NotModified, ReadErrors,
    ),
    security((), ("OAuth2PasswordBearer" = [])),
)]
pub async fn read_article(
    state: State,
    call: Call<Viewer, ArticlePath, ArticleDetail>,
    conditions: Conditions,
) -> Result<HttpResponse> {
    let (sight, expand) = (call.who.sight(), call.query.expand);
    let fresh = service::read(&state.db.reader, sight, &call.path, expand, &conditions).await?;
    Ok(answer(call.who, fresh, |_, article| article))
}

/// Write an article
///
/// A draft unless `published` is true.
#[utoipa::path(
    post, path = "/articles/", tag = "articles", operation_id = "create_article",
    request_body(content = NewArticle, example = json!({
        "title": "On the Analytical Engine", "content": "It weaves algebraical patterns.", "published": true,
    })),
    responses(
        (status = 201, description = "The article is written.", body = ArticleView,
            headers(("Location" = String, description = "The article's path."))),
        CreateErrors,
    ),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn create_article(
    state: State,
    call: Call<CurrentUser, (), (), validation::Json<NewArticle>>,
) -> Result<HttpResponse> {
    let article = service::create(&writer(&state), author(&call.who), call.body.0, state.now()).await?;
    let location = format!("/articles/{}", article.id);
    let tag = Tag::of_version(article.version);
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location))
        .insert_header(tag.header())
        .json(article))
}

/// Change an article
///
/// Its author only. What is left out stays; `updated_at` moves only if a value changes.
#[utoipa::path(
    patch, path = "/articles/{article_id}", tag = "articles", operation_id = "update_article",
    params(ArticlePath, ("If-Match" = Option<String>, Header, description = "Change only these states, so that no edit of somebody else is lost.")),
    request_body(content = ArticlePatch, example = json!({ "published": true })),
    responses(
        (status = 200, description = "The article as it now is.", body = ArticleView,
            headers(("ETag" = String, description = "Names the article's state."))),
        ChangeErrors,
    ),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn update_article(
    state: State,
    call: Call<CurrentUser, ArticlePath, (), validation::Deferred<ArticlePatch>>,
    conditions: Conditions,
) -> Result<HttpResponse> {
    let (writer, author, only) = (writer(&state), author(&call.who), conditions.if_match.as_ref());
    let check = async || service::check_author(&writer.db, author, &call.path).await;
    let patch = call.body.or_report_after(check).await?;
    let article = service::update(&writer, author, &call.path, patch, only, state.now()).await?;
    Ok(HttpResponse::Ok().insert_header(Tag::of_version(article.version).header()).json(article))
}

/// Remove an article
///
/// Its author only, and for good.
#[utoipa::path(
    delete, path = "/articles/{article_id}", tag = "articles", operation_id = "delete_article",
    params(ArticlePath, ("If-Match" = Option<String>, Header, description = "Remove only these states.")),
    responses((status = 204, description = "The article is gone."), DeleteErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn delete_article(
    state: State,
    call: Call<CurrentUser, ArticlePath>,
    conditions: Conditions,
) -> Result<HttpResponse> {
    let (author, only) = (author(&call.who), conditions.if_match.as_ref());
    service::delete(&writer(&state), author, &call.path, only, state.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn writer(state: &State) -> Writer {
    Writer { db: state.db.writer.clone(), cache: Arc::clone(state.cache()) }
}

fn author(user: &CurrentUser) -> Author {
    Author { id: user.id(), sight: user.sight() }
}

/// What the links of a page keep of its query; the rest is in the cursor.
fn kept(query: &ArticleFilter) -> [(&'static str, Option<String>); 3] {
    [("limit", Some(query.limit.0.to_string())), ("count", name(query.count)), ("expand", name(query.expand))]
}

/// The articles of a page; where the list goes on and how many it has stands in headers.
fn show_page(
    response: &mut HttpResponseBuilder,
    listed: Listed,
    kept: &[(&str, Option<String>)],
) -> Vec<ArticleView> {
    if let Some(link) = link("/articles/", kept, listed.previous, listed.next) {
        response.insert_header((header::LINK, link));
    }
    if let Some(total) = listed.total {
        response.insert_header(("x-total-count", total));
    }
    listed.articles
}

/// How a query spells a choice.
fn name(choice: Option<impl Serialize>) -> Option<String> {
    serde_json::to_value(choice?).ok()?.as_str().map(str::to_owned)
}

/// A state with its tag, or 304 where the client has it. Whoever keeps either asks again before using it, so nobody is
/// shown what is gone; what was made for one account is for its own cache only.
fn answer<T, B: Serialize>(
    viewer: Viewer,
    fresh: Fresh<T>,
    show: impl FnOnce(&mut HttpResponseBuilder, T) -> B,
) -> HttpResponse {
    let (mut response, state, tag) = match fresh {
        Fresh::Unchanged(tag) => (HttpResponse::NotModified(), None, tag),
        Fresh::Changed(state, tag) => (HttpResponse::Ok(), Some(state), tag),
    };
    response.insert_header(tag.header());
    let kept_by = if viewer.is_signed_in() { "private, no-cache" } else { "public, no-cache" };
    response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static(kept_by)));
    if viewer.may_sign_in() {
        response.append_header((header::VARY, HeaderValue::from_static("Authorization")));
    }
    match state {
        None => response.finish(),
        Some(state) => {
            let body = show(&mut response, state);
            response.json(body)
        }
    }
}
