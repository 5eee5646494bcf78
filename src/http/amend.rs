//! Changes the response to a request, also if a middleware failed and returned an error instead.
//!
//! actix turns such an error into a response after all middleware has run. Without this module, it would have
//! neither CORS headers nor a request id.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    dev::{ResponseHead, ServiceResponse},
    http::StatusCode,
};

use super::error::Error;

/// What a service returns to the middleware around it.
pub type Outcome<B> = Result<ServiceResponse<B>, actix_web::Error>;

/// Changes the head of a response, now or when actix builds it from the error.
///
/// # Errors
/// The same error, if `outcome` is one.
pub fn amend<B>(outcome: Outcome<B>, change: impl Fn(&mut ResponseHead) + 'static) -> Outcome<B> {
    match outcome {
        Ok(mut response) => {
            change(response.response_mut().head_mut());
            Ok(response)
        }
        Err(error) => Err(AmendedError { error, change: Box::new(change) }.into()),
    }
}

/// The error of a response or of a failed middleware, if it is one of ours.
pub fn error_of<B>(outcome: &Outcome<B>) -> Option<&Error> {
    let mut error = match outcome {
        Ok(response) => response.response().error()?,
        Err(error) => error,
    };
    while let Some(amended) = error.as_error::<AmendedError>() {
        error = &amended.error;
    }
    error.as_error()
}

struct AmendedError {
    error: actix_web::Error,
    change: Box<dyn Fn(&mut ResponseHead)>,
}

impl fmt::Debug for AmendedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl fmt::Display for AmendedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for AmendedError {
    fn status_code(&self) -> StatusCode {
        self.error.as_response_error().status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self.error.error_response();
        (self.change)(response.head_mut());
        response
    }
}
