//! The HTTP routes of administrators.

use actix_web::{
    HttpResponse,
    web::{Json, ThinData},
};
use serde::Serialize;
use serde_json::json;

use super::{
    audit::{self, Actor},
    schemas::{
        AccountResponse, LogFilter, LogList, LogResponse, NOT_FOUND, Prefix, Suspension, UserFilter,
        UserList, UserPath,
    },
    service,
};
use crate::{
    accounts::{Accounts, Admin, MAX_BODY_BYTES, users::service::LAST_ADMIN},
    endpoint, error_responses,
    http::{
        client_address::ClientAddress,
        error::{Error, Result},
        id_paging::IdPage,
        openapi::examples,
        paging::Neighbours,
        request::ApiRequest,
        resource::Endpoint,
        scope::Scope,
        validation,
    },
};

/// The routes of this feature.
pub fn endpoints() -> [Endpoint; 8] {
    [
        endpoint!(list_users),
        endpoint!(read_user),
        endpoint!(delete_user),
        endpoint!(suspend_user).max_body_bytes(MAX_BODY_BYTES),
        endpoint!(reinstate_user),
        endpoint!(promote_user),
        endpoint!(demote_user),
        endpoint!(list_log),
    ]
    .map(|endpoint| endpoint.scope(Scope::Admin))
}

error_responses! {
    /// Errors of listing accounts.
    ListErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::AdminOnly,
        examples::unparsed_integer("query", "limit"),
    ];
    /// Errors of reading an account, of promoting and of reinstating it.
    UserErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::AdminOnly, NOT_FOUND,
        examples::unparsed_integer("path", "user_id"),
    ];
    /// Errors of demoting and of deleting an account.
    RemoveErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::AdminOnly, NOT_FOUND, LAST_ADMIN,
        examples::unparsed_integer("path", "user_id"),
    ];
    /// Errors of suspending an account.
    SuspendErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::AdminOnly, NOT_FOUND, LAST_ADMIN,
        examples::unparsed(), Error::TooLarge(MAX_BODY_BYTES), examples::missing("articles", json!({})),
    ];
}

/// List accounts
///
/// The newest first. The header `Link` has the URLs of the next and the previous page.
#[utoipa::path(
    get, path = "/admin/users", tag = "administration", operation_id = "list_users",
    params(UserFilter),
    responses(
        (status = 200, description = "One page of accounts.", body = Vec<AccountResponse>,
            headers(("Link" = String, description = "The URLs of the next and the previous page, `rel=\"next\"` and `rel=\"prev\"` (RFC 8288), relative to that of the request."))),
        ListErrors,
    ),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn list_users(
    accounts: ThinData<Accounts>,
    request: ApiRequest<Admin, (), UserFilter>,
) -> Result<HttpResponse> {
    let UserFilter { limit, cursor, q } = request.query;
    let page = IdPage::new(UserList { prefix: q.map(Prefix::into_inner) }, limit, cursor)?;
    let (users, neighbours) = service::list_users(&accounts.reader, &page).await?;
    Ok(respond(&users, neighbours, limit.0))
}

/// Read an account
#[utoipa::path(
    get, path = "/admin/users/{user_id}", tag = "administration", operation_id = "read_user",
    params(UserPath),
    responses((status = 200, description = "The account.", body = AccountResponse), UserErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn read_user(
    accounts: ThinData<Accounts>,
    request: ApiRequest<Admin, UserPath>,
) -> Result<Json<AccountResponse>> {
    service::read_user(&accounts.reader, request.path.id()?).await.map(Json)
}

/// Suspend an account
///
/// Its sessions and tokens end at once, on every server. `hide` turns its published articles into drafts until it
/// is reinstated.
#[utoipa::path(
    post, path = "/admin/users/{user_id}/suspend", tag = "administration", operation_id = "suspend_user",
    params(UserPath),
    request_body = Suspension,
    responses((status = 200, description = "The suspended account.", body = AccountResponse), SuspendErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn suspend_user(
    accounts: ThinData<Accounts>,
    client: ClientAddress,
    request: ApiRequest<Admin, UserPath, (), validation::Json<Suspension>>,
) -> Result<Json<AccountResponse>> {
    let Accounts { writer, clock, .. } = &*accounts;
    let actor = Actor::of(&request.caller.0, client);
    let articles = request.body.0.articles;
    service::suspend(writer, &actor, request.path.id()?, articles, clock.now()).await.map(Json)
}

/// End the suspension of an account
///
/// Publishes exactly the articles that the suspension has hidden. Sessions and tokens do not come back.
#[utoipa::path(
    post, path = "/admin/users/{user_id}/reinstate", tag = "administration", operation_id = "reinstate_user",
    params(UserPath),
    responses((status = 200, description = "The active account.", body = AccountResponse), UserErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn reinstate_user(
    accounts: ThinData<Accounts>,
    client: ClientAddress,
    request: ApiRequest<Admin, UserPath>,
) -> Result<Json<AccountResponse>> {
    let Accounts { writer, clock, .. } = &*accounts;
    let actor = Actor::of(&request.caller.0, client);
    service::reinstate(writer, &actor, request.path.id()?, clock.now()).await.map(Json)
}

/// Make an account an administrator
#[utoipa::path(
    post, path = "/admin/users/{user_id}/promote", tag = "administration", operation_id = "promote_user",
    params(UserPath),
    responses((status = 200, description = "The administrator.", body = AccountResponse), UserErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn promote_user(
    accounts: ThinData<Accounts>,
    client: ClientAddress,
    request: ApiRequest<Admin, UserPath>,
) -> Result<Json<AccountResponse>> {
    let Accounts { writer, clock, .. } = &*accounts;
    let actor = Actor::of(&request.caller.0, client);
    service::promote(writer, &actor, request.path.id()?, clock.now()).await.map(Json)
}

/// Take the rights of an administrator from an account
///
/// The last administrator stays one.
#[utoipa::path(
    post, path = "/admin/users/{user_id}/demote", tag = "administration", operation_id = "demote_user",
    params(UserPath),
    responses((status = 200, description = "The account.", body = AccountResponse), RemoveErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn demote_user(
    accounts: ThinData<Accounts>,
    client: ClientAddress,
    request: ApiRequest<Admin, UserPath>,
) -> Result<Json<AccountResponse>> {
    let Accounts { writer, clock, .. } = &*accounts;
    let actor = Actor::of(&request.caller.0, client);
    service::demote(writer, &actor, request.path.id()?, clock.now()).await.map(Json)
}

/// Delete an account
///
/// Deletes the account with its articles. Deletion cannot be undone.
#[utoipa::path(
    delete, path = "/admin/users/{user_id}", tag = "administration", operation_id = "delete_user",
    params(UserPath),
    responses((status = 204, description = "The account was deleted."), RemoveErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn delete_user(
    accounts: ThinData<Accounts>,
    client: ClientAddress,
    request: ApiRequest<Admin, UserPath>,
) -> Result<HttpResponse> {
    let Accounts { writer, clock, .. } = &*accounts;
    let actor = Actor::of(&request.caller.0, client);
    service::delete(writer, &actor, request.path.id()?, clock.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Read the log of administrative actions
///
/// The newest entry first. No entry is ever changed or deleted.
#[utoipa::path(
    get, path = "/admin/log", tag = "administration", operation_id = "list_log",
    params(LogFilter),
    responses(
        (status = 200, description = "One page of the log.", body = Vec<LogResponse>,
            headers(("Link" = String, description = "The URLs of the next and the previous page, `rel=\"next\"` and `rel=\"prev\"` (RFC 8288), relative to that of the request."))),
        ListErrors,
    ),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn list_log(
    accounts: ThinData<Accounts>,
    request: ApiRequest<Admin, (), LogFilter>,
) -> Result<HttpResponse> {
    let LogFilter { limit, cursor } = request.query;
    let page = IdPage::new(LogList {}, limit, cursor)?;
    let (entries, neighbours) = audit::list(&accounts.reader, &page).await?;
    Ok(respond(&entries, neighbours, limit.0))
}

fn respond(rows: &impl Serialize, neighbours: Neighbours, limit: u64) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    neighbours.write_link(&mut response, &[("limit", Some(limit.to_string()))]);
    response.json(rows)
}
