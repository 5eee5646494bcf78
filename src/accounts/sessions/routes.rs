//! The HTTP routes of sessions.

use actix_web::{
    HttpResponse,
    web::{Json, ThinData},
};

use super::{
    schemas::{RefreshRequest, SessionPath, SessionResponse, TokenResponse},
    service,
};
use crate::{
    accounts::{Accounts, Anyone, CurrentUser, MAX_BODY_BYTES, client::Client},
    endpoint, error_responses,
    http::{
        error::{Error, Result},
        openapi::examples,
        request::ApiRequest,
        resource::Endpoint,
        validation,
    },
};

/// The routes of this feature.
pub fn endpoints() -> [Endpoint; 5] {
    [
        endpoint!(refresh).max_body_bytes(MAX_BODY_BYTES),
        endpoint!(logout).max_body_bytes(MAX_BODY_BYTES),
        endpoint!(list_sessions),
        endpoint!(end_other_sessions),
        endpoint!(end_session),
    ]
}

error_responses! {
    /// Errors of a refresh.
    RefreshErrors = [
        Error::BadCredentials, examples::unparsed(), Error::TooLarge(MAX_BODY_BYTES),
        examples::missing("refresh_token", serde_json::json!({})),
    ];
    /// Errors of requests that send only a token.
    SessionErrors = [Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed];
    /// Errors of ending one session.
    EndErrors = [Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::NotFound("Session")];
}

/// Exchange a refresh token for new tokens
///
/// Each refresh token can be used once. If an earlier one is used again, it was probably stolen, and the session
/// ends. For 10 seconds, an earlier one returns the same new refresh token, for clients that lost the response.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "auth", operation_id = "refresh",
    request_body = RefreshRequest,
    responses((status = 200, description = "New tokens of the same session.", body = TokenResponse), RefreshErrors),
)]
pub async fn refresh(
    accounts: ThinData<Accounts>,
    client: Client,
    request: ApiRequest<Anyone, (), (), validation::Json<RefreshRequest>>,
) -> Result<Json<TokenResponse>> {
    let RefreshRequest { refresh_token } = request.body.0;
    service::refresh(&accounts, &refresh_token.0, client, accounts.clock.now()).await.map(Json)
}

/// Sign out
///
/// Ends the session of the access token at once, on every server. An access token of the FastAPI blog has no
/// session; with one, all such tokens of the account end.
#[utoipa::path(
    post, path = "/auth/logout", tag = "auth", operation_id = "logout",
    responses((status = 204, description = "The session has ended."), SessionErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn logout(accounts: ThinData<Accounts>, request: ApiRequest<CurrentUser>) -> Result<HttpResponse> {
    service::sign_out(&accounts.writer, &request.caller, accounts.clock.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// List the sessions of the account
///
/// The most recently used first; at most 100.
#[utoipa::path(
    get, path = "/users/me/sessions", tag = "users", operation_id = "list_sessions",
    responses((status = 200, description = "All sessions.", body = Vec<SessionResponse>), SessionErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn list_sessions(
    accounts: ThinData<Accounts>,
    request: ApiRequest<CurrentUser>,
) -> Result<Json<Vec<SessionResponse>>> {
    service::list(&accounts.reader, &request.caller).await.map(Json)
}

/// End all other sessions
///
/// Ends every session of the account except the one of this request, and every access token of the FastAPI blog.
/// Personal access tokens stay valid.
#[utoipa::path(
    delete, path = "/users/me/sessions", tag = "users", operation_id = "end_other_sessions",
    responses((status = 204, description = "The sessions have ended."), SessionErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn end_other_sessions(
    accounts: ThinData<Accounts>,
    request: ApiRequest<CurrentUser>,
) -> Result<HttpResponse> {
    service::end_others(&accounts.writer, &request.caller, accounts.clock.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// End a session
///
/// Ends a session of the account at once, on every server.
#[utoipa::path(
    delete, path = "/users/me/sessions/{session_id}", tag = "users", operation_id = "end_session",
    params(SessionPath),
    responses((status = 204, description = "The session has ended."), EndErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn end_session(
    accounts: ThinData<Accounts>,
    request: ApiRequest<CurrentUser, SessionPath>,
) -> Result<HttpResponse> {
    service::end(&accounts.writer, &request.caller, request.path.session_id.as_ref()).await?;
    Ok(HttpResponse::NoContent().finish())
}
