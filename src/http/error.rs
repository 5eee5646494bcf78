//! The one error enum and its wire form: `{"detail": …}` (contract, sections 3, 4 and 9).
//!
//! `Display` is safe to send to a client. The [`Failure`] of an internal or a temporary error is never sent;
//! it is logged once, together with the request.

use std::{fmt, panic::Location};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        Method, StatusCode,
        header::{self, HeaderValue},
    },
};
use sea_orm::{DbErr, RuntimeErr};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use serde_json::Value;
use thiserror::Error;

use crate::http::{field_errors::FieldErrors, scope::Scope};

/// The value of `Retry-After`, sent with every 503, in seconds (RFC 9110, section 10.2.3).
pub const RETRY_AFTER_SECONDS: u8 = 1;

/// Every way in which a request can fail.
#[derive(Debug, Error)]
pub enum Error {
    /// 400: the body cannot be parsed as its content type.
    #[error("{0}")]
    BadRequest(&'static str),
    /// 401: no access token.
    #[error("Not authenticated")]
    NotAuthenticated,
    /// 401: an invalid access token.
    #[error("Could not validate credentials")]
    BadCredentials,
    /// 401: an unknown user name or a wrong password.
    #[error("Incorrect username or password")]
    BadLogin,
    /// 403: the article has another author.
    #[error("Not authorized")]
    Forbidden,
    /// 403: the personal access token lacks the scope of the route; `None` if the route accepts no such token.
    #[error("{}", insufficient(*.0))]
    InsufficientScope(Option<Scope>),
    /// 403: the route is for administrators.
    #[error("Only administrators may do this")]
    AdminOnly,
    /// 403: the password that confirms an action is wrong.
    #[error("The password is wrong")]
    WrongPassword,
    /// 403: an administrator suspended the account. Sent only after the correct password.
    #[error("The account is suspended")]
    Suspended,
    /// 403: only the operator can create accounts.
    #[error("Registration is closed")]
    RegistrationClosed,
    /// 403: the password is right, but the account cannot be used before its address is confirmed.
    #[error("The e-mail address is not confirmed")]
    EmailNotConfirmed,
    /// 404: it does not exist, or the caller may not see it.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// 404: the server does not know the URL of the site.
    #[error("PUBLIC_URL is not set")]
    NoSite,
    /// 404: no route has this path.
    #[error("Not Found")]
    NoRoute,
    /// 405: the resource supports only these methods.
    #[error("Method Not Allowed")]
    MethodNotAllowed(Vec<Method>),
    /// 409: a unique value is taken.
    #[error("{0}")]
    Conflict(&'static str),
    /// 412: the current state is not one of those in `If-Match`.
    #[error("The {0} has changed")]
    PreconditionFailed(&'static str),
    /// 408: the body did not arrive within the request's deadline.
    #[error("The body was not received in time")]
    BodyTimeout,
    /// 413: the body has more than this many bytes.
    #[error("The body has more than {0} bytes")]
    TooLarge(usize),
    /// 422: all errors of the request's values, in the contract's order.
    #[error("{0}")]
    Invalid(FieldErrors),
    /// 429: a limit was reached; the number of seconds after which it is not any more.
    #[error("Too many requests")]
    TooManyRequests(u32),
    /// 503: no server for outgoing e-mail is configured.
    #[error("This server sends no e-mail")]
    NoMail,
    /// 503: a queue of the server is full.
    #[error("The server is busy")]
    Busy,
    /// 503: the database is unavailable, or the request exceeded its deadline.
    #[error("The service is unavailable")]
    Unavailable(#[source] Failure),
    /// 500: an internal error.
    #[error("Internal Server Error")]
    Internal(#[source] Failure),
}

/// An error of any library.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The result of handlers and services.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The operation that failed, the location and the cause; for the log only.
#[derive(Debug)]
pub struct Failure {
    attempt: &'static str,
    location: &'static Location<'static>,
    cause: Cause,
}

impl Failure {
    #[track_caller]
    fn new(attempt: &'static str, cause: impl Into<Cause>) -> Self {
        Self { attempt, location: Location::caller(), cause: cause.into() }
    }

    /// The attempted operation, a verb phrase.
    pub fn attempt(&self) -> &'static str {
        self.attempt
    }

    /// The source location where the failure became an [`enum@Error`].
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// The chain of causes, outermost first. A cause whose text its predecessor already contains is omitted.
    pub fn causes(&self) -> String {
        let mut causes = self.cause.to_string();
        let mut next = self.cause.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if !causes.contains(&text) {
                causes = format!("{causes}: {text}");
            }
            next = cause.source();
        }
        causes
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to {}: {}", self.attempt, self.causes())
    }
}

impl std::error::Error for Failure {}

impl Error {
    /// An internal error. `attempt` completes the sentence "failed to …". Inside `map_err`, call it in a
    /// closure: passed by name, it would report the location of `map_err`.
    #[track_caller]
    pub fn internal(attempt: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Internal(Failure::new(attempt, cause))
    }

    /// A temporary error. `attempt` completes the sentence "failed to …".
    #[track_caller]
    pub fn unavailable(attempt: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Unavailable(Failure::new(attempt, cause))
    }

    /// The failure of an internal or a temporary error.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Unavailable(failure) | Self::Internal(failure) => Some(failure),
            _ => None,
        }
    }

    /// The JSON body.
    pub fn body(&self) -> Value {
        serde_json::to_value(ErrorBody(self)).unwrap_or_default()
    }
}

/// The wire form of an error.
struct ErrorBody<'a>(&'a Error);

impl Serialize for ErrorBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("ErrorBody", 1)?;
        match self.0 {
            Error::Invalid(errors) => body.serialize_field("detail", errors)?,
            other => body.serialize_field("detail", &other.to_string())?,
        }
        body.end()
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NotAuthenticated | Self::BadCredentials | Self::BadLogin => StatusCode::UNAUTHORIZED,
            Self::Forbidden
            | Self::InsufficientScope(_)
            | Self::AdminOnly
            | Self::WrongPassword
            | Self::Suspended
            | Self::EmailNotConfirmed
            | Self::RegistrationClosed => StatusCode::FORBIDDEN,
            Self::NotFound(_) | Self::NoSite | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::PreconditionFailed(_) => StatusCode::PRECONDITION_FAILED,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoMail | Self::Busy | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Self::NotAuthenticated | Self::BadCredentials | Self::BadLogin => {
                response.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
            }
            Self::InsufficientScope(scope) => {
                response.insert_header((header::WWW_AUTHENTICATE, challenge(*scope)));
            }
            Self::MethodNotAllowed(methods) => {
                let allow: Vec<&str> = methods.iter().map(Method::as_str).collect();
                response.insert_header((header::ALLOW, allow.join(", ")));
            }
            Self::TooManyRequests(seconds) => {
                response.insert_header((header::RETRY_AFTER, HeaderValue::from(*seconds)));
            }
            Self::NoMail | Self::Busy | Self::Unavailable(_) => {
                response
                    .insert_header((header::RETRY_AFTER, HeaderValue::from(u16::from(RETRY_AFTER_SECONDS))));
            }
            // RFC 9110, section 15.5.9: the rest of the body may still arrive.
            Self::BodyTimeout => {
                response.force_close();
            }
            _ => {}
        }
        response.json(ErrorBody(self))
    }
}

fn insufficient(scope: Option<Scope>) -> String {
    match scope {
        Some(scope) => format!("The token does not have the scope {scope}"),
        None => "A personal access token cannot be used here".to_owned(),
    }
}

/// The challenge for a token without the scope (RFC 6750, section 3).
fn challenge(scope: Option<Scope>) -> String {
    let scope = scope.map(|scope| format!(", scope=\"{scope}\"")).unwrap_or_default();
    format!("Bearer error=\"insufficient_scope\"{scope}")
}

impl From<FieldErrors> for Error {
    fn from(errors: FieldErrors) -> Self {
        Self::Invalid(errors)
    }
}

impl From<DbErr> for Error {
    /// An unavailable or overloaded database is a 503. Every other error that a service did not map is a 500.
    /// The location is that of the `?` that converts the error.
    #[track_caller]
    fn from(error: DbErr) -> Self {
        const ATTEMPT: &str = "query the database";
        if is_unavailable(&error) {
            Self::unavailable(ATTEMPT, error)
        } else {
            Self::internal(ATTEMPT, error)
        }
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
                sqlx::Error::Database(answer) => answer.code().is_some_and(|code| is_temporary(&code)),
                _ => false,
            }
        }
        _ => false,
    }
}

/// Whether an error code means a condition that an operator or time ends. PostgreSQL: the classes 08
/// (connection), 53 (resources, a full disk among them), 57 (operator intervention, `statement_timeout` among
/// them), 58 (errors of the system), 25006 (a server that became a standby), 40001 and 40P01 (serialisation,
/// deadlock) and 55P03 (lock timeout); SQLite: 5 (busy), 6 (locked), 8 (read-only), 10 (I/O error), 13 (full) and
/// 14 (cannot open) with their extended forms.
fn is_temporary(code: &str) -> bool {
    match code.len() {
        5 => {
            ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class))
                || ["25006", "40001", "40P01", "55P03"].contains(&code)
        }
        _ => code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_conditions_of_both_engines_are_distinguished_from_other_errors() {
        for code in [
            "08006", "53300", "53100", "57P01", "57014", "58030", "25006", "40P01", "5", "517", "6", "13",
            "14", "1032", "4874",
        ] {
            assert!(is_temporary(code), "{code}");
        }
        for code in ["23505", "42P01", "22021", "1", "2067", "1555"] {
            assert!(!is_temporary(code), "{code}");
        }
    }

    #[test]
    fn a_cause_stays_out_of_the_body() {
        let error = Error::internal("list articles", "relation \"articles\" does not exist");
        assert_eq!(error.body().to_string(), r#"{"detail":"Internal Server Error"}"#);
    }

    #[test]
    fn a_converted_database_error_has_the_location_of_its_question_mark() {
        fn fail() -> Result<(), DbErr> {
            Err(DbErr::Custom("no such table".to_owned()))
        }
        fn convert() -> Result<()> {
            fail()?;
            Ok(())
        }
        let error = convert().unwrap_err();
        let location = error.failure().unwrap().location();
        assert_eq!((location.file(), location.line()), (file!(), line!() - 5));
    }

    #[test]
    fn a_cause_that_repeats_its_own_cause_is_shown_once() {
        let inner = sqlx::Error::Protocol("unexpected message".to_owned());
        let error = Error::from(DbErr::Query(RuntimeErr::SqlxError(inner.into())));
        let causes = error.failure().unwrap().causes();
        assert_eq!(causes.matches("unexpected message").count(), 1, "{causes}");
    }
}
