//! The HTTP routes of lost passwords and e-mail addresses.

use actix_web::{HttpResponse, web::ThinData};
use serde_json::{Value, json};

use super::{
    schemas::{EmailConfirmation, PasswordForgot, PasswordReset},
    service,
};
use crate::{
    accounts::{Accounts, Anyone, CurrentUser, MAX_BODY_BYTES},
    endpoint, error_responses,
    http::{
        client_address::ClientAddress,
        error::{Error, Result},
        openapi::examples,
        request::ApiRequest,
        resource::Endpoint,
        validation::Json,
    },
};

/// The routes of this feature.
pub fn endpoints() -> [Endpoint; 4] {
    [
        endpoint!(request_password_reset).max_body_bytes(MAX_BODY_BYTES),
        endpoint!(reset_password).max_body_bytes(MAX_BODY_BYTES),
        endpoint!(confirm_email).max_body_bytes(MAX_BODY_BYTES),
        endpoint!(request_email_confirmation),
    ]
}

error_responses! {
    /// Errors of a request for a link.
    ForgotErrors = [
        examples::unparsed(), Error::TooLarge(MAX_BODY_BYTES), examples::missing("email", json!({})),
        Error::TooManyRequests(60), Error::NoMail,
    ];
    /// Errors of a new password.
    ResetErrors = [
        examples::unparsed(), Error::TooLarge(MAX_BODY_BYTES),
        examples::missing("token", json!({"new_password": "[redacted]"})), Error::Busy,
    ];
    /// Errors of a confirmation.
    ConfirmErrors = [
        examples::unparsed(), Error::TooLarge(MAX_BODY_BYTES), examples::missing("token", Value::Null),
        Error::Conflict("Email already registered"),
    ];
    /// Errors of a request for a confirmation.
    ConfirmationErrors = [
        Error::NotAuthenticated, Error::BadCredentials, Error::EmailNotConfirmed, Error::TooManyRequests(60),
        Error::NoMail,
    ];
}

/// Ask for a link to set a new password
///
/// Sends the link to the address if an active account has it. The response is the same if none has. At most three
/// messages an hour are sent to one mailbox.
#[utoipa::path(
    post, path = "/auth/password/forgot", tag = "auth", operation_id = "request_password_reset",
    request_body = PasswordForgot,
    responses((status = 202, description = "The request was accepted."), ForgotErrors),
)]
pub async fn request_password_reset(
    accounts: ThinData<Accounts>,
    client: ClientAddress,
    request: ApiRequest<Anyone, (), (), Json<PasswordForgot>>,
) -> Result<HttpResponse> {
    service::request_reset(&accounts, client, request.body.0, accounts.clock.now()).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// Set a new password with a link
///
/// The link is valid for 30 minutes and can be used once. Ends all sessions of the account, revokes its tokens, and
/// confirms its address.
#[utoipa::path(
    post, path = "/auth/password/reset", tag = "auth", operation_id = "reset_password",
    request_body = PasswordReset,
    responses((status = 204, description = "The password was set."), ResetErrors),
)]
pub async fn reset_password(
    accounts: ThinData<Accounts>,
    client: ClientAddress,
    request: ApiRequest<Anyone, (), (), Json<PasswordReset>>,
) -> Result<HttpResponse> {
    service::reset_password(&accounts, client, request.body.0, accounts.clock.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Confirm an e-mail address with a link
///
/// If the link was sent for a change of the address, the new address takes effect now.
#[utoipa::path(
    post, path = "/auth/email/confirm", tag = "auth", operation_id = "confirm_email",
    request_body = EmailConfirmation,
    responses((status = 204, description = "The address is confirmed."), ConfirmErrors),
)]
pub async fn confirm_email(
    accounts: ThinData<Accounts>,
    request: ApiRequest<Anyone, (), (), Json<EmailConfirmation>>,
) -> Result<HttpResponse> {
    service::confirm_email(&accounts, request.body.0, accounts.clock.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ask for another link to confirm the e-mail address
///
/// Sends nothing if the address is confirmed.
#[utoipa::path(
    post, path = "/users/me/email/confirmation", tag = "users", operation_id = "request_email_confirmation",
    responses((status = 202, description = "The request was accepted."), ConfirmationErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn request_email_confirmation(
    accounts: ThinData<Accounts>,
    client: ClientAddress,
    request: ApiRequest<CurrentUser>,
) -> Result<HttpResponse> {
    let account = request.caller.into_row();
    service::request_confirmation(&accounts, client, account, accounts.clock.now()).await?;
    Ok(HttpResponse::Accepted().finish())
}
