//! Traces in the form of OpenTelemetry: a span for each request and for each SQL statement of it.
//!
//! They are sent to a collector by a thread of their own, from a bounded queue: if it is full, spans are dropped.
//! Without `OTEL_EXPORTER_OTLP_ENDPOINT`, there is neither a thread nor a span. `tracing-opentelemetry` is not used:
//! the fields of its spans would also be part of the log lines, and each log line would have to pass its filters.

mod export;
mod request;
mod statement;

use std::{sync::Arc, time::Duration};

use opentelemetry::{
    KeyValue,
    global::{self, BoxedTracer},
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};

use self::export::Client;
pub use self::{
    request::{RequestSpan, within},
    statement::StatementSpan,
};
use crate::config::MonitoringSettings;

/// The name of the service, unless `OTEL_SERVICE_NAME` is another one, and of the instrumentation.
const NAME: &str = "byline";

/// Maximum time for the last spans to be sent when the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The export of spans. Dropping it sends the last ones.
#[derive(Debug)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Starts the thread that sends spans, if the settings name a collector. Called once per process.
    ///
    /// # Errors
    /// If a variable of OpenTelemetry is invalid.
    pub fn start(settings: &MonitoringSettings) -> Result<Self, String> {
        let Some(endpoint) = &settings.traces_endpoint else { return Ok(Self(None)) };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::default())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/')))
            .build()
            .map_err(|error| format!("OTEL_EXPORTER_OTLP_ENDPOINT: {error}"))?;
        let resource =
            Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let resource = match std::env::var_os("OTEL_SERVICE_NAME") {
            Some(_) => resource,
            None => resource.with_service_name(NAME),
        };
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(exporter)
            .build();
        global::set_tracer_provider(provider.clone());
        Ok(Self(Some(provider)))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take()
            && let Err(error) = provider.shutdown_with_timeout(FLUSH_TIMEOUT)
        {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// Begins spans; none without a collector. Cloning it only increments a reference count.
#[derive(Clone, Debug)]
pub struct Tracer(Option<Arc<BoxedTracer>>);

impl Tracer {
    /// Begins no span.
    pub const OFF: Self = Self(None);

    /// The tracer for these settings, after [`Traces::start`].
    pub fn new(settings: &MonitoringSettings) -> Self {
        Self(settings.traces_endpoint.as_ref().map(|_| Arc::new(global::tracer(NAME))))
    }
}
