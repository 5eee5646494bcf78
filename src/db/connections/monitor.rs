//! Measures statements, and records them in traces.

use std::sync::Arc;

use crate::{
    histogram::{Histogram, Timer},
    traces::{StatementSpan, Tracer},
};

/// What is recorded of the statements of one set of connections.
#[derive(Debug)]
pub(super) struct Monitor {
    /// Their durations, if metrics are on.
    pub(super) durations: Option<Arc<Histogram>>,
    tracer: Tracer,
    system: &'static str,
}

/// A statement that runs. Its duration counts also if it is abandoned.
#[derive(Debug)]
pub(super) struct Running {
    _timer: Timer,
    span: Option<StatementSpan>,
}

impl Monitor {
    /// `system` is the name that OpenTelemetry has for the database.
    pub(super) fn new(measures: bool, tracer: Tracer, system: &'static str) -> Self {
        Self { durations: measures.then(Arc::default), tracer, system }
    }

    /// A statement begins.
    pub(super) fn begin(&self, sql: &str) -> Running {
        let span = self.tracer.begin_statement(self.system, sql);
        Running { _timer: Histogram::timer(self.durations.as_ref()), span }
    }
}

impl Running {
    /// The statement has ended with this outcome.
    pub(super) fn end<T>(mut self, outcome: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        if let (Some(span), Err(error)) = (&mut self.span, &outcome) {
            let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
            span.fail(code.map_or_else(|| "_OTHER".to_owned(), Into::into));
        }
        outcome
    }
}
