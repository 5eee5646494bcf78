//! The HTTP route of sign-in.

use actix_web::web::{Json, ThinData};

use super::{schemas::LoginForm, service};
use crate::{
    accounts::{Accounts, Anyone, MAX_BODY_BYTES, client::Client, sessions::schemas::TokenResponse},
    endpoint, error_responses,
    http::{
        error::{Error, Result},
        openapi::examples,
        request::ApiRequest,
        resource::Endpoint,
        validation::Form,
    },
};

/// The routes of this feature.
pub fn endpoints() -> [Endpoint; 1] {
    [endpoint!(login).max_body_bytes(MAX_BODY_BYTES)]
}

error_responses! {
    /// Errors of sign-in.
    LoginErrors = [
        Error::BadLogin, Error::Suspended, Error::EmailNotConfirmed, Error::BadRequest("Missing boundary in multipart."),
        Error::TooLarge(MAX_BODY_BYTES),
        examples::missing("username", serde_json::Value::Null), Error::TooManyRequests(60),
        Error::Busy,
    ];
}

/// Sign in with user name and password
///
/// Starts a session and returns its tokens. The request has the form of an OAuth 2.0 password grant (RFC 6749, section 4.3).
#[utoipa::path(
    post, path = "/auth/login", tag = "auth", operation_id = "login",
    request_body(content = LoginForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Signed in.", body = TokenResponse), LoginErrors),
)]
pub async fn login(
    accounts: ThinData<Accounts>,
    client: Client,
    request: ApiRequest<Anyone, (), (), Form<LoginForm>>,
) -> Result<Json<TokenResponse>> {
    service::sign_in(&accounts, client, request.body.0, accounts.clock.now()).await.map(Json)
}
