//! A collector of OpenTelemetry: receives traces as OTLP over HTTP.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{span::SpanKind, status::StatusCode},
};
use prost::Message as _;

/// What it has received.
#[derive(Clone, Default)]
struct Received {
    /// The heads of the requests.
    heads: Vec<String>,
    /// Their bodies.
    bodies: Vec<Vec<u8>>,
}

/// A collector that runs as long as the process of the test.
pub(crate) struct Collector {
    pub(crate) url: String,
    received: Arc<Mutex<Received>>,
}

/// A span that was received.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) trace_id: String,
    pub(crate) id: String,
    pub(crate) parent_id: String,
    pub(crate) kind: SpanKind,
    pub(crate) is_error: bool,
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Collector {
    /// Accepts everything.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Received::default()));
        let record = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming() {
                receive(&stream.unwrap(), &record);
            }
        });
        Self { url, received }
    }

    /// The heads of the requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.received.lock().unwrap().heads.clone()
    }

    /// Whether anything that was received contains this text.
    pub(crate) fn has_received(&self, text: &str) -> bool {
        let received = self.received.lock().unwrap();
        received.bodies.iter().any(|body| body.windows(text.len()).any(|part| part == text.as_bytes()))
    }

    /// The attributes of the service.
    pub(crate) fn service(&self) -> BTreeMap<String, String> {
        let resource = self.requests().into_iter().flat_map(|request| request.resource_spans).next().unwrap();
        attributes(resource.resource.unwrap().attributes)
    }

    /// The spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let resources = self.requests().into_iter().flat_map(|request| request.resource_spans);
        let spans = resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
        spans
            .map(|span| Span {
                kind: span.kind(),
                is_error: span.status.is_some_and(|status| status.code() == StatusCode::Error),
                name: span.name,
                trace_id: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent_id: hex(&span.parent_span_id),
                attributes: attributes(span.attributes),
            })
            .collect()
    }

    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let received = self.received.lock().unwrap();
        received.bodies.iter().map(|body| ExportTraceServiceRequest::decode(&**body).unwrap()).collect()
    }
}

fn receive(mut stream: &TcpStream, record: &Mutex<Received>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or_default() == 0 {
            return;
        }
    }
    let length = head.to_lowercase();
    let length =
        length.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    {
        let mut record = record.lock().unwrap();
        record.heads.push(head);
        record.bodies.push(body);
    }
    let response = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(response.as_bytes()).ok();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn attributes(list: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    list.into_iter().map(|pair| (pair.key, text(pair.value.and_then(|value| value.value)))).collect()
}
