//! The HTTP routes of user accounts.

use actix_web::{
    http::StatusCode,
    web::{Json, ThinData},
};
use serde_json::json;

use super::{
    schemas::{UserCreate, UserResponse},
    service,
};
use crate::{
    accounts::{Accounts, CurrentUser, MAX_BODY_BYTES, Registrant},
    endpoint, error_responses,
    http::{
        client_address::ClientAddress,
        error::{Error, Result},
        openapi::examples,
        request::ApiRequest,
        resource::Endpoint,
        validation,
    },
};

/// The routes of this feature.
pub fn endpoints() -> [Endpoint; 2] {
    [endpoint!(register_user).max_body_bytes(MAX_BODY_BYTES), endpoint!(read_me)]
}

error_responses! {
    /// Errors of registration.
    RegisterErrors = [
        Error::RegistrationClosed,
        Error::Conflict("Username already registered"),
        Error::Conflict("Email already registered"),
        examples::unparsed(), Error::TooLarge(MAX_BODY_BYTES),
        examples::missing("email", json!({"username": "ada", "password": "[redacted]"})),
        Error::TooManyRequests(60), Error::Busy,
    ];
    /// Errors of requests that send only a token.
    SignedInErrors = [Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed];
}

/// Read the signed-in account
#[utoipa::path(
    get, path = "/users/me", tag = "users", operation_id = "read_me",
    responses((status = 200, description = "The account.", body = UserResponse), SignedInErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn read_me(request: ApiRequest<CurrentUser>) -> Json<UserResponse> {
    Json(service::view(request.caller.into_row()))
}

/// Create an account
///
/// Available only if `REGISTRATION` is `open`; the operator can always create accounts. bcrypt reads at most
/// 72 bytes of a password, so longer passwords are rejected instead of truncated. With `EMAIL_VERIFICATION`, a link
/// to confirm the address is sent there.
#[utoipa::path(
    post, path = "/auth/register", tag = "auth", operation_id = "register_user",
    request_body = UserCreate,
    responses((status = 201, description = "The account was created.", body = UserResponse), RegisterErrors),
)]
pub async fn register_user(
    accounts: ThinData<Accounts>,
    client: ClientAddress,
    request: ApiRequest<Registrant, (), (), validation::Json<UserCreate>>,
) -> Result<(Json<UserResponse>, StatusCode)> {
    let account = service::register(&accounts, client, request.body.0, accounts.clock.now()).await?;
    Ok((Json(account), StatusCode::CREATED))
}
