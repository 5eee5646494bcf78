//! The span of a request, which continues the trace of its client (W3C Trace Context).

use std::{fmt, net::IpAddr, pin::pin, sync::LazyLock};

use futures_util::future::poll_fn;
use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{SpanKind, Status, TraceContextExt as _, Tracer as _},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;

use super::Tracer;

/// The header that names the trace and the span of the client.
const TRACEPARENT: &str = "traceparent";

/// The header with what tracing systems add to it.
const TRACESTATE: &str = "tracestate";

/// The methods that a span names. A client may send any other.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

static PROPAGATOR: LazyLock<TraceContextPropagator> = LazyLock::new(TraceContextPropagator::new);

/// The span of a request, which ends when it is dropped.
#[derive(Clone)]
pub struct RequestSpan(Context);

impl Tracer {
    /// Begins the span of a request. `header` returns a header of the request.
    pub fn begin_request<'h>(
        &self,
        method: &str,
        client: IpAddr,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Option<RequestSpan> {
        let tracer = self.0.as_deref()?;
        let headers = Headers {
            traceparent: header(TRACEPARENT).filter(|value| is_valid(value)),
            tracestate: header(TRACESTATE),
        };
        let parent = PROPAGATOR.extract_with_context(&Context::new(), &headers);
        let method = method_of(method);
        let span = tracer
            .span_builder(method.to_owned())
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("http.request.method", method.to_owned()),
                KeyValue::new("client.address", client.to_string()),
            ])
            .start_with_context(tracer, &parent);
        Some(RequestSpan(Context::new().with_span(span)))
    }
}

impl RequestSpan {
    /// The id of the trace, for log lines.
    pub fn trace_id(&self) -> String {
        self.0.span().span_context().trace_id().to_string()
    }

    /// Adds the attributes of the response. The path is input of the client, so only the route is named.
    pub fn finish(&self, method: &str, route: Option<&str>, status: u16, user_id: Option<i32>) {
        let span = self.0.span();
        if let Some(route) = route {
            span.update_name(format!("{} {route}", method_of(method)));
            span.set_attribute(KeyValue::new("http.route", route.to_owned()));
        }
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if let Some(user_id) = user_id {
            span.set_attribute(KeyValue::new("user.id", user_id.to_string()));
        }
        // An error of the client is not one of the server.
        if status >= 500 {
            span.set_attribute(KeyValue::new("error.type", status.to_string()));
            span.set_status(Status::error(""));
        }
    }
}

/// Runs `work`. Its statements, and the tasks that it starts in this context, belong to the span.
pub async fn within<T>(span: Option<&RequestSpan>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        let _active = span.map(|span| span.0.clone().attach());
        work.as_mut().poll(context)
    })
    .await
}

fn method_of(method: &str) -> &str {
    if METHODS.contains(&method) { method } else { "_OTHER" }
}

/// The headers of W3C Trace Context.
struct Headers<'h> {
    traceparent: Option<&'h str>,
    tracestate: Option<&'h str>,
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => self.traceparent,
            TRACESTATE => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}

/// Whether a `traceparent` has its exact form, which OpenTelemetry does not check: version, trace, span and flags in
/// lower-case hexadecimal digits. Later versions may append more.
fn is_valid(traceparent: &str) -> bool {
    let parts: Vec<&str> = traceparent.split('-').collect();
    let [version, trace, span, flags, further @ ..] = &*parts else { return false };
    let is_hex = |text: &str, length: usize| {
        text.len() == length
            && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    is_hex(version, 2)
        && is_hex(trace, 32)
        && is_hex(span, 16)
        && is_hex(flags, 2)
        && *version != "ff"
        && (further.is_empty() || *version != "00")
}

impl fmt::Debug for RequestSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestSpan").field(&self.trace_id()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn a_traceparent_has_an_exact_form() {
        for valid in [
            format!("00-{TRACE}-b7ad6b7169203331-01"),
            format!("00-{TRACE}-b7ad6b7169203331-00"),
            format!("01-{TRACE}-b7ad6b7169203331-01-more"),
        ] {
            assert!(is_valid(&valid), "{valid}");
        }
        for invalid in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-b7ad6b7169203331"),
            format!("00-{TRACE}-b7ad6b7169203331-01-more"),
            format!("00-{TRACE}-b7ad6b7169203331-1"),
            format!("00-{TRACE}-b7ad6b71692033-01"),
            format!("00-{}-b7ad6b7169203331-01", TRACE.to_uppercase()),
            format!("ff-{TRACE}-b7ad6b7169203331-01"),
            format!("0-{TRACE}-b7ad6b7169203331-01"),
            format!("00-{TRACE}-b7ad6b716920333g-01"),
            format!(" 00-{TRACE}-b7ad6b7169203331-01"),
            "00-1-1-01".to_owned(),
        ] {
            assert!(!is_valid(&invalid), "{invalid}");
        }
    }

    #[test]
    fn unknown_methods_share_a_name() {
        assert_eq!((method_of("GET"), method_of("get"), method_of("BREW")), ("GET", "_OTHER", "_OTHER"));
    }

    #[test]
    fn without_a_collector_there_is_no_span() {
        let span = Tracer::OFF.begin_request("GET", [127, 0, 0, 1].into(), |_| panic!("a header is read"));
        assert!(span.is_none());
    }
}
