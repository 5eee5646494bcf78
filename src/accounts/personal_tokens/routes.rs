//! The HTTP routes of personal access tokens. No such token can manage tokens.

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Json, ThinData},
};
use serde_json::json;

use super::{
    schemas::{PersonalTokenCreate, PersonalTokenCreated, PersonalTokenPath, PersonalTokenResponse},
    service,
};
use crate::{
    accounts::{Accounts, CurrentUser, MAX_BODY_BYTES},
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
pub fn endpoints() -> [Endpoint; 3] {
    [
        endpoint!(list_personal_tokens),
        endpoint!(create_personal_token).max_body_bytes(MAX_BODY_BYTES),
        endpoint!(revoke_personal_token),
    ]
}

error_responses! {
    /// Errors of listing.
    ListErrors = [Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed];
    /// Errors of creating one.
    CreateErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::AdminOnly,
        Error::Conflict("The account has too many personal access tokens; revoke one first"),
        examples::unparsed(), Error::TooLarge(MAX_BODY_BYTES), examples::missing("scopes", json!({"name": "site builder"})),
    ];
    /// Errors of revoking one.
    RevokeErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::NotFound("Personal access token"),
        examples::unparsed_integer("path", "token_id"),
    ];
}

/// List the personal access tokens of the account
///
/// The newest first; at most 100. The tokens themselves are not shown.
#[utoipa::path(
    get, path = "/users/me/tokens", tag = "users", operation_id = "list_personal_tokens",
    responses((status = 200, description = "All tokens.", body = Vec<PersonalTokenResponse>), ListErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn list_personal_tokens(
    accounts: ThinData<Accounts>,
    request: ApiRequest<CurrentUser>,
) -> Result<Json<Vec<PersonalTokenResponse>>> {
    service::list(&accounts.reader, &request.caller).await.map(Json)
}

/// Create a personal access token
///
/// A credential for a script. Only this response shows it.
#[utoipa::path(
    post, path = "/users/me/tokens", tag = "users", operation_id = "create_personal_token",
    request_body = PersonalTokenCreate,
    responses((status = 201, description = "The token was created.", body = PersonalTokenCreated), CreateErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn create_personal_token(
    accounts: ThinData<Accounts>,
    request: ApiRequest<CurrentUser, (), (), validation::Json<PersonalTokenCreate>>,
) -> Result<(Json<PersonalTokenCreated>, StatusCode)> {
    let now = accounts.clock.now();
    let token = service::create(&accounts.writer, &request.caller, request.body.0, now).await?;
    Ok((Json(token), StatusCode::CREATED))
}

/// Revoke a personal access token
///
/// The token stops working at once, on every server.
#[utoipa::path(
    delete, path = "/users/me/tokens/{token_id}", tag = "users", operation_id = "revoke_personal_token",
    params(PersonalTokenPath),
    responses((status = 204, description = "The token was revoked."), RevokeErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn revoke_personal_token(
    accounts: ThinData<Accounts>,
    request: ApiRequest<CurrentUser, PersonalTokenPath>,
) -> Result<HttpResponse> {
    service::revoke(&accounts.writer, &request.caller, &request.path).await?;
    Ok(HttpResponse::NoContent().finish())
}
