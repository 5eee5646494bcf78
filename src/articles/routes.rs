//! Articles over HTTP.

use actix_web::{HttpResponse, http::header, web::Json};

use super::{
    schemas::{ArticleFilter, ArticlePatch, ArticlePath, ArticleView, NewArticle},
    service::{self, Author},
};
use crate::{
    auth::{Call, CurrentUser, Viewer},
    error::Result,
    openapi::{ChangeErrors, CreateErrors, DeleteErrors, ListErrors, ReadErrors},
    state::State,
    validation,
};

/// List articles
///
/// Newest first. Drafts are listed for their author only.
#[utoipa::path(
    get, path = "/articles/", tag = "articles", operation_id = "list_articles",
    params(ArticleFilter),
    responses((status = 200, description = "One page of articles.", body = Vec<ArticleView>), ListErrors),
    security((), ("OAuth2PasswordBearer" = [])),
)]
pub async fn list_articles(
    state: State,
    call: Call<Viewer, (), ArticleFilter>,
) -> Result<Json<Vec<ArticleView>>> {
    service::list(&state.db.reader, call.who.sight(), &call.query).await.map(Json)
}

/// Read an article
///
/// A draft is there for its author only.
#[utoipa::path(
    get, path = "/articles/{article_id}", tag = "articles", operation_id = "read_article",
    params(ArticlePath),
    responses((status = 200, description = "The article.", body = ArticleView), ReadErrors),
    security((), ("OAuth2PasswordBearer" = [])),
)]
pub async fn read_article(state: State, call: Call<Viewer, ArticlePath>) -> Result<Json<ArticleView>> {
    service::read(&state.db.reader, call.who.sight(), &call.path).await.map(Json)
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
    let article = service::create(&state.db.writer, author(&call.who), call.body.0, state.now()).await?;
    let location = format!("/articles/{}", article.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(article))
}

/// Change an article
///
/// Its author only. What is left out stays; `updated_at` moves only if a value changes.
#[utoipa::path(
    patch, path = "/articles/{article_id}", tag = "articles", operation_id = "update_article",
    params(ArticlePath),
    request_body(content = ArticlePatch, example = json!({ "published": true })),
    responses((status = 200, description = "The article as it now is.", body = ArticleView), ChangeErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn update_article(
    state: State,
    call: Call<CurrentUser, ArticlePath, (), validation::Deferred<ArticlePatch>>,
) -> Result<Json<ArticleView>> {
    let (author, now) = (author(&call.who), state.now());
    service::update(&state.db.writer, author, &call.path, call.body.0, now).await.map(Json)
}

/// Remove an article
///
/// Its author only, and for good.
#[utoipa::path(
    delete, path = "/articles/{article_id}", tag = "articles", operation_id = "delete_article",
    params(ArticlePath),
    responses((status = 204, description = "The article is gone."), DeleteErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn delete_article(state: State, call: Call<CurrentUser, ArticlePath>) -> Result<HttpResponse> {
    service::delete(&state.db.writer, author(&call.who), &call.path, state.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn author(user: &CurrentUser) -> Author {
    Author { id: user.id(), sight: user.sight() }
}
