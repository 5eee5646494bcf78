//! The span of a SQL statement: its text, never its values.

use opentelemetry::{
    Context, KeyValue,
    global::BoxedSpan,
    trace::{Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _},
};

use super::Tracer;

/// Maximum length of the text of a statement, in bytes.
const MAX_TEXT: usize = 4096;

/// The span of a statement, which ends when it is dropped.
#[derive(Debug)]
pub struct StatementSpan(BoxedSpan);

impl Tracer {
    /// Begins the span of a statement, if it belongs to a request whose span is recorded. `system` is the database.
    pub fn begin_statement(&self, system: &'static str, text: &str) -> Option<StatementSpan> {
        let tracer = self.0.as_deref()?;
        let request = Context::current();
        if !request.span().is_recording() {
            return None;
        }
        let operation = text.split_whitespace().next().unwrap_or_default().to_uppercase();
        let text = text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default();
        let span = tracer
            .span_builder(operation.clone())
            .with_kind(SpanKind::Client)
            .with_attributes([
                KeyValue::new("db.system.name", system),
                KeyValue::new("db.operation.name", operation),
                KeyValue::new("db.query.text", text.to_owned()),
            ])
            .start_with_context(tracer, &request);
        Some(StatementSpan(span))
    }
}

impl StatementSpan {
    /// The statement failed. `kind` is its SQLSTATE or another word; the message may contain values.
    pub fn fail(&mut self, kind: String) {
        self.0.set_attribute(KeyValue::new("error.type", kind));
        self.0.set_status(Status::error(""));
    }
}
