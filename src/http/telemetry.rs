//! Logging and request ids. The only place that logs requests and the causes of failures.

use std::{net::IpAddr, time::Instant};

use actix_web::{
    HttpMessage as _, HttpRequest,
    body::{BodySize, MessageBody},
    dev::ServiceRequest,
    http::{
        Method, StatusCode,
        header::{HeaderName, HeaderValue},
    },
    middleware::Next,
};
use tracing::Instrument as _;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

use crate::{
    config::{LogFormat, Settings},
    http::{
        HttpState,
        amend::{Outcome, amend, error_of},
        client_address::ClientAddress,
        error::Error,
        metrics::{MatchedRoute, WorkerCounters},
        request::UserId,
    },
    traces::within,
};

/// The header with the id of a request, which is also part of every log line about the request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Maximum length of a request id that a proxy sends.
const MAX_REQUEST_ID: usize = 64;

/// The log of actix's dispatcher: an `ERROR` line for each connection that sends something else than HTTP.
/// `server/connections` logs these errors with the address of the client. The lines of OpenTelemetry about each failed
/// export, of which `traces` logs the first. The warnings of h2 about each client that violates the protocol. `LOG` can turn
/// them on again.
const OFF: &str = "actix_http::h1::dispatcher=off,opentelemetry=off,h2=error";

/// Maximum number of log lines that wait to be written; further ones are lost. The default of 128,000 takes 5 MB
/// while it is empty.
const MAX_QUEUED_LINES: usize = 16_384;

/// Starts logging to standard output. A separate thread writes the lines from a bounded queue, so that a
/// blocked terminal does not block the server. Dropping the guard writes the queued lines.
pub fn start(settings: &Settings) -> WorkerGuard {
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(MAX_QUEUED_LINES).finish(std::io::stdout());
    let more = if settings.log.debug { ",byline=debug" } else { "" };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{OFF},{}{more}", settings.log.filter)))
        .with_writer(writer)
        .with_target(false);
    // Starting again in the same process, as tests do, has no effect.
    let _ = match settings.log.format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stdout())).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    guard
}

/// Assigns an id to the request, counts it and logs its outcome.
pub async fn log_requests<B: MessageBody>(mut request: ServiceRequest, next: Next<B>) -> Outcome<B> {
    let started = Instant::now();
    let id = request_id(&mut request);
    let state = request.app_data::<HttpState>();
    let measurement = state.and_then(|state| state.counters.as_ref()).map(WorkerCounters::begin);
    let ClientAddress(client) = ClientAddress::of(request.head(), state);
    // Of the highest level, so that no line loses the id of its request.
    let span = tracing::error_span!("request", id = id.to_str().unwrap_or_default());
    let method = request.method().clone();
    let tracer = state.map(|state| &state.tracer);
    let trace = tracer.and_then(|tracer| tracer.begin_request(method.as_str(), client, header_of(&request)));
    let outcome = within(trace.as_ref(), next.call(request).instrument(span.clone())).await;
    if let Some(measurement) = measurement {
        let (request, status) = request_and_status(&outcome);
        let route = request.and_then(HttpRequest::app_data);
        measurement.end(route, &method, status, started.elapsed());
    }
    if let Some(trace) = &trace {
        let (request, status) = request_and_status(&outcome);
        trace.finish(method.as_str(), request.and_then(pattern), status.as_u16(), request.and_then(user_id));
    }
    let trace_id = trace.map(|trace| trace.trace_id());
    span.in_scope(|| log(&outcome, &method, client, started, trace_id.as_deref()));
    amend(outcome, move |head| {
        head.headers.insert(REQUEST_ID, id.clone());
    })
}

/// The id that a proxy sent, if it has only plain characters; otherwise a new one.
fn request_id(request: &mut ServiceRequest) -> HeaderValue {
    let plain = |value: &&HeaderValue| {
        !value.is_empty()
            && value.len() <= MAX_REQUEST_ID
            && value.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    };
    request.headers().get(REQUEST_ID).filter(plain).cloned().unwrap_or_else(|| {
        let mut text = Uuid::encode_buffer();
        let id = Uuid::new_v4().simple().encode_lower(&mut text);
        HeaderValue::from_str(id).unwrap_or_else(|_| HeaderValue::from_static("-"))
    })
}

/// An error of a middleware no longer has its request.
fn request_and_status<B>(outcome: &Outcome<B>) -> (Option<&HttpRequest>, StatusCode) {
    match outcome {
        Ok(response) => (Some(response.request()), response.status()),
        Err(error) => (None, error.as_response_error().status_code()),
    }
}

/// A header that a request has once.
fn header_of<'r>(request: &'r ServiceRequest) -> impl Fn(&str) -> Option<&'r str> {
    move |name| {
        let mut values = request.headers().get_all(name);
        let value = values.next()?;
        values.next().is_none().then(|| value.to_str().ok())?
    }
}

/// The path of the route as it was declared. Unlike the path of the request, it contains no input of the client.
fn pattern(request: &HttpRequest) -> Option<&str> {
    request.app_data::<MatchedRoute>().map(|route| &*route.pattern)
}

fn user_id(request: &HttpRequest) -> Option<i32> {
    request.extensions().get::<UserId>().map(|user| user.0)
}

/// The size of the body as it is sent; `None` if it is not known before.
fn size_of_body<B: MessageBody>(outcome: &Outcome<B>, method: &Method) -> Option<u64> {
    match outcome.as_ref().ok()?.response().body().size() {
        _ if *method == Method::HEAD => Some(0),
        BodySize::None => Some(0),
        BodySize::Sized(bytes) => Some(bytes),
        BodySize::Stream => None,
    }
}

fn log<B: MessageBody>(
    outcome: &Outcome<B>,
    method: &Method,
    client: IpAddr,
    started: Instant,
    trace_id: Option<&str>,
) {
    let error = error_of(outcome);
    let failure = error.and_then(Error::failure);
    let login_failed = matches!(error, Some(Error::BadLogin));
    if failure.is_none() && !login_failed && !tracing::enabled!(tracing::Level::INFO) {
        return;
    }
    let (request, status) = request_and_status(outcome);
    let bytes = size_of_body(outcome, method);
    let (method, status) = (method.as_str(), status.as_u16());
    let route = request.and_then(pattern).unwrap_or("-");
    let duration_ms = started.elapsed().as_secs_f64() * 1000.0;
    let user_id = request.and_then(user_id);
    if let Some(failure) = failure {
        let (attempt, location) = (failure.attempt(), failure.location());
        let cause = failure.causes();
        tracing::error!(
            method, route, status, duration_ms, bytes, %client, user_id, trace_id, attempt, %location, cause,
            "request failed"
        );
    } else if login_failed {
        // Programs such as fail2ban read this line: its beginning is documented in the README.
        tracing::warn!(
            %client, outcome = "bad_credentials", method, route, status, duration_ms, bytes, trace_id, "login failed"
        );
    } else if route.starts_with("/health/") {
        // Probes send these every few seconds. Their lines would dominate the log.
        tracing::debug!(method, route, status, duration_ms, bytes, %client, trace_id, "request");
    } else {
        tracing::info!(method, route, status, duration_ms, bytes, %client, user_id, trace_id, "request");
    }
}
