//! The HTTP routes of user accounts.

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Json, ThinData},
};
use serde_json::json;

use super::{
    schemas::{
        PasswordChange, PasswordConfirmation, ProfilePath, ProfileResponse, UserCreate, UserResponse,
        UserUpdate,
    },
    service,
};
use crate::{
    accounts::{Accounts, Anyone, CurrentUser, MAX_BODY_BYTES, Registrant},
    endpoint, error_responses,
    http::{
        client_address::ClientAddress,
        conditional::Conditions,
        error::{Error, Result},
        openapi::{IfMatch, examples},
        request::ApiRequest,
        resource::Endpoint,
        scope::Scope,
        validation,
    },
};

/// The routes of this feature.
pub fn endpoints() -> [Endpoint; 6] {
    [
        endpoint!(register_user).max_body_bytes(MAX_BODY_BYTES),
        endpoint!(read_me).scope(Scope::ProfileRead),
        endpoint!(update_me).scope(Scope::ProfileWrite).max_body_bytes(MAX_BODY_BYTES),
        endpoint!(change_password).max_body_bytes(MAX_BODY_BYTES),
        endpoint!(delete_me).max_body_bytes(MAX_BODY_BYTES),
        endpoint!(read_profile),
    ]
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
    /// Errors of changing the account.
    UpdateErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::PreconditionFailed("account"),
        Error::Conflict("Username already registered"), Error::Conflict("Email already registered"),
        examples::unparsed(), Error::TooLarge(MAX_BODY_BYTES), examples::missing_body(), Error::TooManyRequests(60),
    ];
    /// Errors of changing the password.
    PasswordErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::WrongPassword, examples::unparsed(),
        Error::TooLarge(MAX_BODY_BYTES), examples::missing("new_password", json!({"current_password": "[redacted]"})),
        Error::TooManyRequests(60), Error::Busy,
    ];
    /// Errors of deleting the account.
    DeleteErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::WrongPassword, service::LAST_ADMIN,
        examples::unparsed(), Error::TooLarge(MAX_BODY_BYTES), examples::missing("password", json!({})),
        Error::TooManyRequests(60), Error::Busy,
    ];
    /// Errors of a public profile.
    ProfileErrors = [Error::NotFound("User")];
}

/// Read the signed-in account
#[utoipa::path(
    get, path = "/users/me", tag = "users", operation_id = "read_me",
    responses(
        (status = 200, description = "The account.", body = UserResponse,
            headers(("ETag" = String, description = "The entity tag of the account's current state."))),
        SignedInErrors,
    ),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn read_me(request: ApiRequest<CurrentUser>) -> Result<HttpResponse> {
    let account = service::view(request.caller.into_row());
    let tag = service::tag(&account)?;
    Ok(HttpResponse::Ok().insert_header(tag.header()).json(account))
}

/// Change the signed-in account
///
/// Absent members stay unchanged. `updated_at` changes only if a value changes. Unless `EMAIL_VERIFICATION` is `off`, a
/// new address takes effect when it is confirmed with the link that is sent there.
#[utoipa::path(
    patch, path = "/users/me", tag = "users", operation_id = "update_me",
    params(IfMatch),
    request_body(content = UserUpdate, example = json!({ "display_name": "Ada Lovelace" })),
    responses(
        (status = 200, description = "The changed account.", body = UserResponse,
            headers(("ETag" = String, description = "The entity tag of the account's current state."))),
        UpdateErrors,
    ),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn update_me(
    accounts: ThinData<Accounts>,
    request: ApiRequest<CurrentUser, (), (), validation::Json<UserUpdate>>,
    conditions: Conditions,
) -> Result<HttpResponse> {
    let (id, only, now) = (request.caller.id(), conditions.if_match, accounts.clock.now());
    let account = service::update(&accounts, id, request.body.0, only, now).await?;
    let tag = service::tag(&account)?;
    Ok(HttpResponse::Ok().insert_header(tag.header()).json(account))
}

/// Change the password
///
/// Ends every other session of the account, its personal access tokens, and its access tokens of the FastAPI blog.
#[utoipa::path(
    post, path = "/users/me/password", tag = "users", operation_id = "change_password",
    request_body = PasswordChange,
    responses((status = 204, description = "The password was changed."), PasswordErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn change_password(
    accounts: ThinData<Accounts>,
    client: ClientAddress,
    request: ApiRequest<CurrentUser, (), (), validation::Json<PasswordChange>>,
) -> Result<HttpResponse> {
    let now = accounts.clock.now();
    service::change_password(&accounts, &request.caller, client, request.body.0, now).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Delete the signed-in account
///
/// Deletes the account with its articles. Deletion cannot be undone. A POST, because some clients and proxies drop
/// the body of a DELETE (RFC 9110, section 9.3.5).
#[utoipa::path(
    post, path = "/users/me/delete", tag = "users", operation_id = "delete_me",
    request_body = PasswordConfirmation,
    responses((status = 204, description = "The account was deleted."), DeleteErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn delete_me(
    accounts: ThinData<Accounts>,
    client: ClientAddress,
    request: ApiRequest<CurrentUser, (), (), validation::Json<PasswordConfirmation>>,
) -> Result<HttpResponse> {
    let now = accounts.clock.now();
    service::delete(&accounts, &request.caller, client, request.body.0, now).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Read a public profile
///
/// The public part of an account. Suspended accounts have none.
#[utoipa::path(
    get, path = "/users/{username}", tag = "users", operation_id = "read_profile",
    params(ProfilePath),
    responses((status = 200, description = "The profile.", body = ProfileResponse), ProfileErrors),
)]
pub async fn read_profile(
    accounts: ThinData<Accounts>,
    request: ApiRequest<Anyone, ProfilePath>,
) -> Result<Json<ProfileResponse>> {
    service::profile(&accounts.reader, request.path.username).await.map(Json)
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
