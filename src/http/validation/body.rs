//! Receiving and extracting the body of a request (contract, sections 2 and 5).

use actix_multipart::Multipart;
use actix_web::{
    HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap},
    web::Bytes,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::{
    Extractor, FieldErrors, Fields, Input, InvalidValue, Limits, Members, Pair, echo_object, parse_object,
};
use crate::http::error::{Error, Result};

const UNPARSED: Error = Error::BadRequest("There was an error parsing the body");

/// The value of an absent body.
static NULL: Value = Value::Null;

/// The body that a handler declares. It is received first, which checks its syntax, and extracted later,
/// because the caller is authenticated in between.
pub trait Body: Sized {
    /// The body with its syntax checked.
    type Received;

    /// Receives the body and checks its syntax.
    ///
    /// # Errors
    /// 400, 413 or 422 `json_invalid`. The caller is not authenticated yet.
    fn receive(
        request: &HttpRequest,
        payload: &mut Payload,
        limits: &Limits,
    ) -> impl Future<Output = Result<Self::Received>>;

    /// Extracts the fields; none if any is invalid.
    fn extract(received: &Self::Received, limits: &Limits, errors: &mut FieldErrors) -> Option<Self>;
}

/// The handler declares no body. If a client sends one, it is ignored.
impl Body for () {
    type Received = ();

    async fn receive(_request: &HttpRequest, _payload: &mut Payload, _limits: &Limits) -> Result<()> {
        Ok(())
    }

    fn extract(_received: &(), _limits: &Limits, _errors: &mut FieldErrors) -> Option<Self> {
        Some(())
    }
}

/// A JSON object.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// The body received where JSON is declared.
#[derive(Debug)]
pub enum Document {
    /// No body, an empty one, or `null`.
    Absent,
    /// A JSON value other than `null`.
    Json(Value),
    /// The text of a body with another content type.
    Text(String),
}

impl<T: Fields> Body for Json<T> {
    type Received = Document;

    async fn receive(request: &HttpRequest, payload: &mut Payload, limits: &Limits) -> Result<Document> {
        let bytes = receive_bytes(request.headers(), payload, limits).await?;
        if bytes.is_empty() {
            return Ok(Document::Absent);
        }
        if !is_json(request.headers()) {
            return Ok(Document::Text(String::from_utf8_lossy(&bytes).into_owned()));
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| UNPARSED)?;
        // RFC 8259, section 8.1, allows to ignore a byte order mark; the old blog did.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match serde_json::from_str(text) {
            Ok(Value::Null) => Ok(Document::Absent),
            Ok(value) => Ok(Document::Json(value)),
            Err(error) => Err(syntax_error(text, &error)),
        }
    }

    fn extract(received: &Document, limits: &Limits, errors: &mut FieldErrors) -> Option<Self> {
        let (input, parsed) = match received {
            Document::Absent => (Input::Json(&NULL), Err(InvalidValue::missing())),
            Document::Json(value) => (Input::Json(value), parse_object(Input::Json(value), limits)),
            Document::Text(text) => (Input::Text(text), parse_object(Input::Text(text), limits)),
        };
        parsed
            .map(Self)
            .map_err(|invalid| errors.add(invalid, vec!["body".into()], || echo_object::<T>(input)))
            .ok()
    }
}

/// A JSON object whose late errors are reported after the handler's own 404 and 403.
#[derive(Debug)]
pub struct Deferred<T>(std::result::Result<T, FieldErrors>);

impl<T> Deferred<T> {
    /// The fields. If there are late errors, `check` runs first, and its error, a 404 or a 403, takes
    /// precedence over them. If there are none, `check` does not run, because the service makes the same
    /// check anyway.
    ///
    /// # Errors
    /// The error of `check`, or 422.
    pub async fn or_report_after(self, check: impl AsyncFnOnce() -> Result<()>) -> Result<T> {
        match self.0 {
            Ok(fields) => Ok(fields),
            Err(errors) => {
                check().await?;
                Err(errors.into())
            }
        }
    }
}

impl<T: Fields> Body for Deferred<T> {
    type Received = Document;

    async fn receive(request: &HttpRequest, payload: &mut Payload, limits: &Limits) -> Result<Document> {
        Json::<T>::receive(request, payload, limits).await
    }

    fn extract(received: &Document, limits: &Limits, errors: &mut FieldErrors) -> Option<Self> {
        let mut own = FieldErrors::default();
        match Json::extract(received, limits, &mut own) {
            Some(Json(fields)) => Some(Self(Ok(fields))),
            None if own.has_early() => {
                errors.append(own);
                None
            }
            None => Some(Self(Err(own))),
        }
    }
}

/// A form, `application/x-www-form-urlencoded` or `multipart/form-data`.
#[derive(Debug)]
pub struct Form<T>(pub T);

impl<T: Fields> Body for Form<T> {
    type Received = Vec<Pair<'static>>;

    /// A body of another content type counts as a form without fields.
    async fn receive(
        request: &HttpRequest,
        payload: &mut Payload,
        limits: &Limits,
    ) -> Result<Self::Received> {
        let bytes = receive_bytes(request.headers(), payload, limits).await?;
        match media_type(request.headers()).as_str() {
            "application/x-www-form-urlencoded" => {
                let pairs = form_urlencoded::parse(&bytes).into_owned();
                Ok(pairs.map(|(name, value)| (name.into(), value.into())).collect())
            }
            "multipart/form-data" => multipart(request.headers(), bytes).await,
            _ => Ok(Vec::new()),
        }
    }

    fn extract(received: &Self::Received, limits: &Limits, errors: &mut FieldErrors) -> Option<Self> {
        Extractor::extract("body", Members::Form(received), limits, errors).map(Self)
    }
}

/// Receives the whole body, if it has at most `max_body_bytes`.
async fn receive_bytes(headers: &HeaderMap, payload: &mut Payload, limits: &Limits) -> Result<Bytes> {
    let limit = limits.max_body_bytes;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Error::TooLarge(limit));
    }
    let mut body = Vec::with_capacity(announced.unwrap_or_default());
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| UNPARSED)?;
        if body.len().saturating_add(chunk.len()) > limit {
            return Err(Error::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

/// The content type without its parameters, in lower case; empty if there is none.
fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = media_type(headers);
    match media_type.split_once('/') {
        Some(("application", subtype)) => subtype == "json" || subtype.ends_with("+json"),
        _ => media_type.is_empty(),
    }
}

/// A syntax error as FastAPI reports it, at the character where the parser stopped. Nesting beyond the
/// parser's 128 levels is 400, like a body that is not UTF-8.
fn syntax_error(text: &str, error: &serde_json::Error) -> Error {
    let message = error.to_string();
    if message.starts_with("recursion limit exceeded") {
        return UNPARSED;
    }
    let preceding: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let byte = preceding.saturating_add(error.column().saturating_sub(1));
    let position = text.char_indices().take_while(|(at, _)| *at < byte).count();
    let invalid = InvalidValue::new("json_invalid", "JSON decode error").with("error", message);
    let mut errors = FieldErrors::default();
    errors.add(invalid, vec!["body".into(), position.into()], || json!({}));
    errors.into()
}

/// The text fields of a multipart body; files are ignored.
async fn multipart(headers: &HeaderMap, bytes: Bytes) -> Result<Vec<Pair<'static>>> {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.to_ascii_lowercase().contains("boundary=") {
        return Err(Error::BadRequest("Missing boundary in multipart."));
    }
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut form = Multipart::new(headers, stream::iter([Ok(bytes)]));
    let mut pairs = Vec::new();
    while let Some(mut field) = form.try_next().await.map_err(|_| UNPARSED)? {
        let name = field.name().unwrap_or_default().to_owned();
        let is_file =
            field.content_disposition().is_some_and(|disposition| disposition.get_filename().is_some());
        let mut value = Vec::new();
        while let Some(chunk) = field.try_next().await.map_err(|_| UNPARSED)? {
            value.extend_from_slice(&chunk);
        }
        if !is_file {
            pairs.push((name.into(), String::from_utf8_lossy(&value).into_owned().into()));
        }
    }
    Ok(pairs)
}
