//! Receiving and extracting the body of a request (contract, sections 2 and 5).

use std::sync::Arc;

use actix_multipart::Multipart;
use actix_web::{
    HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap},
    web::Bytes,
};
use futures_util::{TryStreamExt as _, stream};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    Extractor, FieldErrors, Fields, Input, InvalidValue, Limits, Members, Pair, echo_object, parse_object,
    syntax::Syntax,
};
use crate::http::{
    error::{Error, Result},
    receive::{UNPARSED, admit_parsing, parse, receive},
};

/// The value of an absent body.
static NULL: Value = Value::Null;

/// The body that a handler declares, in two steps. The caller is identified between them, so that a body of a
/// stranger costs no more than the check of its syntax.
pub trait Body: Sized {
    /// The body with its syntax checked.
    type Received;

    /// Receives the body and checks its syntax.
    ///
    /// # Errors
    /// 400, 408, 413, 422 `json_invalid`, or 503 if other bodies occupy the memory.
    fn receive(request: &HttpRequest, payload: &mut Payload) -> impl Future<Output = Result<Self::Received>>;

    /// Extracts the fields, or the errors of those that are invalid.
    ///
    /// # Errors
    /// [`Error::Internal`] if the thread that decodes a large body fails.
    fn extract(
        received: Self::Received,
        limits: &Arc<Limits>,
    ) -> impl Future<Output = Result<Extracted<Self>>>;
}

/// The fields of a body, or their errors.
type Extracted<B> = std::result::Result<B, FieldErrors>;

/// The handler declares no body. If a client sends one, it is ignored.
impl Body for () {
    type Received = ();

    async fn receive(_request: &HttpRequest, _payload: &mut Payload) -> Result<()> {
        Ok(())
    }

    async fn extract(_received: (), _limits: &Arc<Limits>) -> Result<Extracted<Self>> {
        Ok(Ok(()))
    }
}

/// A JSON object.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// The body received where JSON is declared.
#[derive(Debug)]
pub enum Document {
    /// No body, or an empty one.
    Absent,
    /// JSON whose syntax is correct.
    Json(Bytes),
    /// The text of a body with another content type.
    Text(String),
}

impl<T: Fields + Send + 'static> Body for Json<T> {
    type Received = Document;

    async fn receive(request: &HttpRequest, payload: &mut Payload) -> Result<Self::Received> {
        let bytes = receive(request, payload).await?;
        if bytes.is_empty() {
            return Ok(Document::Absent);
        }
        if !is_json(request.headers()) {
            return Ok(Document::Text(String::from_utf8_lossy(&bytes).into_owned()));
        }
        let _permit = admit_parsing(request).await?;
        parse(bytes.clone(), parse_json::<Syntax>).await?;
        Ok(Document::Json(bytes))
    }

    async fn extract(received: Self::Received, limits: &Arc<Limits>) -> Result<Extracted<Self>> {
        match received {
            Document::Absent => Ok(extract_json(&NULL, limits)),
            Document::Text(text) => Ok(extract_object(Input::Text(&text), limits)),
            Document::Json(bytes) => {
                let limits = Arc::clone(limits);
                // The values are dropped on the same thread: those of a large body are many.
                parse(bytes, move |bytes| Ok(extract_json(&parse_json(bytes)?, &limits))).await
            }
        }
    }
}

fn extract_json<T: Fields>(value: &Value, limits: &Limits) -> Extracted<Json<T>> {
    match value {
        Value::Null => Err(invalid_object::<T>(InvalidValue::missing(), Input::Json(value))),
        value => extract_object(Input::Json(value), limits),
    }
}

fn extract_object<T: Fields>(input: Input<'_>, limits: &Limits) -> Extracted<Json<T>> {
    parse_object(input, limits).map(Json).map_err(|invalid| invalid_object::<T>(invalid, input))
}

fn invalid_object<T: Fields>(invalid: InvalidValue, input: Input<'_>) -> FieldErrors {
    let mut errors = FieldErrors::default();
    errors.add(invalid, vec!["body".into()], || echo_object::<T>(input));
    errors
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

impl<T: Fields + Send + 'static> Body for Deferred<T> {
    type Received = Document;

    async fn receive(request: &HttpRequest, payload: &mut Payload) -> Result<Self::Received> {
        Json::<T>::receive(request, payload).await
    }

    async fn extract(received: Self::Received, limits: &Arc<Limits>) -> Result<Extracted<Self>> {
        Ok(match Json::extract(received, limits).await? {
            Ok(Json(fields)) => Ok(Self(Ok(fields))),
            Err(errors) if errors.has_early() => Err(errors),
            Err(errors) => Ok(Self(Err(errors))),
        })
    }
}

/// A form, `application/x-www-form-urlencoded` or `multipart/form-data`.
#[derive(Debug)]
pub struct Form<T>(pub T);

impl<T: Fields> Body for Form<T> {
    type Received = Vec<Pair<'static>>;

    /// A body of another content type counts as a form without fields.
    async fn receive(request: &HttpRequest, payload: &mut Payload) -> Result<Self::Received> {
        let bytes = receive(request, payload).await?;
        match media_type(request.headers()).as_str() {
            "application/x-www-form-urlencoded" => {
                let pairs = form_urlencoded::parse(&bytes).into_owned();
                Ok(pairs.map(|(name, value)| (name.into(), value.into())).collect())
            }
            "multipart/form-data" => multipart(request.headers(), bytes).await,
            _ => Ok(Vec::new()),
        }
    }

    async fn extract(received: Self::Received, limits: &Arc<Limits>) -> Result<Extracted<Self>> {
        let mut errors = FieldErrors::default();
        let fields = Extractor::extract("body", Members::Form(&received), limits, &mut errors);
        Ok(fields.map(Self).ok_or(errors))
    }
}

/// Parses JSON as `T`; as [`Syntax`] only to check it.
fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let text = str::from_utf8(bytes).map_err(|_| UNPARSED)?;
    // RFC 8259, section 8.1, allows to ignore a byte order mark; the old blog did.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_json::from_str(text).map_err(|error| syntax_error(text, &error))
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
    errors.add(invalid, vec!["body".into(), position.into()], || json!({}).into());
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
