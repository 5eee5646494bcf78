//! Login over HTTP.

use actix_web::web::Json;

use super::{
    schemas::{LoginForm, Token},
    service,
};
use crate::{
    accounts::{Anyone, Call},
    http::{error::Result, openapi::LoginErrors, validation::Form},
    state::State,
};

/// Sign in with user name and password
///
/// Answers with an access token, the way OAuth2's password grant does (RFC 6749, section 4.3).
#[utoipa::path(
    post, path = "/auth/login", tag = "auth", operation_id = "login",
    request_body(content = LoginForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Signed in.", body = Token), LoginErrors),
)]
pub async fn login(state: State, call: Call<Anyone, (), (), Form<LoginForm>>) -> Result<Json<Token>> {
    let (passwords, tokens) = (state.passwords(), state.tokens());
    let access_token =
        service::sign_in(&state.db.reader, passwords, tokens, call.body.0, state.now()).await?;
    Ok(Json(Token { access_token, token_type: "bearer" }))
}
