//! The one error enum and its wire form: `{"detail": …}` (contract, sections 3, 4 and 9).
//!
//! `Display` is what a client may read; `source()` is what the log keeps, once, at the edge.

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        Method, StatusCode,
        header::{self, HeaderValue},
    },
};
use sea_orm::{DbErr, RuntimeErr};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::http::field_errors::FieldErrors;

/// Seconds after which a client may try again, sent as `Retry-After` with every 503 (RFC 9110, section 10.2.3).
pub const RETRY_AFTER_SECONDS: u8 = 1;

/// Whatever can go wrong with a request.
#[derive(Debug, Error)]
pub enum Error {
    /// 400: the body can't be read as what its content type says.
    #[error("{0}")]
    BadRequest(&'static str),
    /// 401: no token where one is needed.
    #[error("Not authenticated")]
    NotAuthenticated,
    /// 401: a token that proves nothing.
    #[error("Could not validate credentials")]
    BadCredentials,
    /// 401: a login that fits no account.
    #[error("Incorrect username or password")]
    BadLogin,
    /// 403: somebody else's article.
    #[error("Not authorized")]
    Forbidden,
    /// 403: accounts are made by the operator only.
    #[error("Registration is closed")]
    RegistrationClosed,
    /// 404: there is no such thing, or none that this viewer may know of.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// 404: no route has this path.
    #[error("Not Found")]
    NoRoute,
    /// 405: the route is there, the method isn't.
    #[error("Method Not Allowed")]
    MethodNotAllowed(Vec<Method>),
    /// 409: a unique name is taken.
    #[error("{0}")]
    Conflict(&'static str),
    /// 412: the article is not in the state that the client knows.
    #[error("The article has changed")]
    PreconditionFailed,
    /// 413: the body has more bytes than `MAX_BODY_BYTES`.
    #[error("The body has more than {0} bytes")]
    TooLarge(usize),
    /// 422: every field that is wrong, in the contract's order.
    #[error("{0}")]
    Invalid(FieldErrors),
    /// 503: more is asked than the server takes on at once.
    #[error("The server is busy")]
    Busy,
    /// 503: the database is away, or too slow for the deadline.
    #[error("The service is unavailable")]
    Unavailable(#[source] Cause),
    /// 500: our fault.
    #[error("Internal Server Error")]
    Internal(#[source] Cause),
}

/// What is only logged.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The answer of handlers and services.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An internal error from anything that explains itself.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    /// The JSON body.
    pub fn body(&self) -> Value {
        let detail = match self {
            Self::Invalid(errors) => serde_json::to_value(errors).unwrap_or_default(),
            other => Value::String(other.to_string()),
        };
        Value::Object(Map::from_iter([("detail".to_owned(), detail)]))
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NotAuthenticated | Self::BadCredentials | Self::BadLogin => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::RegistrationClosed => StatusCode::FORBIDDEN,
            Self::NotFound(_) | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Busy | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        // A cache on the way may keep a 404 by its own rule (RFC 9111, section 4.2.2), and would hide what is published meanwhile.
        response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
        match self {
            Self::NotAuthenticated | Self::BadCredentials | Self::BadLogin => {
                response.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
            }
            Self::MethodNotAllowed(methods) => {
                let allow: Vec<&str> = methods.iter().map(Method::as_str).collect();
                response.insert_header((header::ALLOW, allow.join(", ")));
            }
            Self::Busy | Self::Unavailable(_) => {
                response
                    .insert_header((header::RETRY_AFTER, HeaderValue::from(u16::from(RETRY_AFTER_SECONDS))));
            }
            _ => {}
        }
        response.json(self.body())
    }
}

impl From<FieldErrors> for Error {
    fn from(errors: FieldErrors) -> Self {
        Self::Invalid(errors)
    }
}

impl From<DbErr> for Error {
    /// A database that is away or out of patience is a 503; every other failure that reaches this place is ours.
    fn from(error: DbErr) -> Self {
        if is_unavailable(&error) { Self::Unavailable(error.into()) } else { Self::Internal(error.into()) }
    }
}

fn is_unavailable(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
            match cause.as_ref() {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => true,
                sqlx::Error::Database(answer) => answer.code().is_some_and(|code| is_passing(&code)),
                _ => false,
            }
        }
        _ => false,
    }
}

/// Codes that say «not now»: of PostgreSQL the classes 08 (connection), 53 (resources), 57 (operator intervention,
/// `statement_timeout` among them), 25006 (a server that became a standby), 40001 and 40P01 (serialisation, deadlock) and 55P03 (lock timeout);
/// of SQLite 5 (busy) and 6 (locked) with their extended forms.
fn is_passing(code: &str) -> bool {
    match code.len() {
        5 => {
            ["08", "53", "57"].iter().any(|class| code.starts_with(class))
                || ["25006", "40001", "40P01", "55P03"].contains(&code)
        }
        _ => code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_faults_of_both_engines_are_told_from_our_own() {
        for code in ["08006", "53300", "57P01", "57014", "25006", "40P01", "5", "517", "6"] {
            assert!(is_passing(code), "{code}");
        }
        for code in ["23505", "42P01", "22021", "1", "2067", "1555"] {
            assert!(!is_passing(code), "{code}");
        }
    }

    #[test]
    fn a_cause_stays_out_of_the_body() {
        let error = Error::internal("relation \"articles\" does not exist");
        assert_eq!(error.body().to_string(), r#"{"detail":"Internal Server Error"}"#);
    }
}
