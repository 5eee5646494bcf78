//! Accounts over HTTP.

use actix_web::{http::StatusCode, web::Json};

use super::{
    schemas::{NewUser, UserView},
    service,
};
use crate::{
    accounts::{Anyone, Call, CurrentUser},
    config::Registration,
    http::{
        error::{Error, Result},
        openapi::{RegisterErrors, SignedInErrors},
        validation,
    },
    state::State,
};

/// Read the account that is signed in
#[utoipa::path(
    get, path = "/users/me", tag = "users", operation_id = "read_me",
    responses((status = 200, description = "The account.", body = UserView), SignedInErrors),
    security(("OAuth2PasswordBearer" = [])),
)]
pub async fn read_me(call: Call<CurrentUser>) -> Json<UserView> {
    Json(service::view(call.who.into_account()))
}

/// Make an account
///
/// Open or closed by `REGISTRATION`; the operator can make accounts either way. bcrypt reads no more than 72 bytes of a
/// password, so longer ones are refused instead of cut.
#[utoipa::path(
    post, path = "/auth/register", tag = "auth", operation_id = "register_user",
    request_body(content = NewUser, example = json!({
        "email": "ada@example.com", "username": "ada", "password": "correct horse battery",
    })),
    responses((status = 201, description = "The account is made.", body = UserView), RegisterErrors),
)]
pub async fn register_user(
    state: State,
    call: Call<Anyone, (), (), validation::Json<NewUser>>,
) -> Result<(Json<UserView>, StatusCode)> {
    if state.settings().auth.registration == Registration::Closed {
        return Err(Error::RegistrationClosed);
    }
    let account = service::register(&state.db.writer, state.passwords(), call.body.0, state.now()).await?;
    Ok((Json(account), StatusCode::CREATED))
}
