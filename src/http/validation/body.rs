//! Receiving a request's body and telling its parts (contract, sections 2 and 5).

use std::borrow::Cow;

use actix_multipart::Multipart;
use actix_web::{
    HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap},
    web::Bytes,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::{Extractor, FieldErrors, Fields, InvalidValue, Limits, Members, redact};
use crate::http::error::{Error, LocationPart, Result};

const UNPARSED: Error = Error::BadRequest("There was an error parsing the body");

/// A body that a handler asks for: first received, its syntax checked, then read field by field, as authentication comes between.
pub trait Body: Sized {
    /// The body with its syntax checked.
    type Received;

    /// Takes the body off the wire.
    ///
    /// # Errors
    /// 400, 413 or 422 `json_invalid`, before anything is known of the caller.
    fn receive(
        request: &HttpRequest,
        payload: &mut Payload,
        limits: &Limits,
    ) -> impl Future<Output = Result<Self::Received>>;

    /// Reads its fields; none if any was faulty.
    fn extract(received: &Self::Received, limits: &Limits, errors: &mut FieldErrors) -> Option<Self>;
}

/// No body is asked for, and one that comes is not looked at.
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

/// What came where JSON is wanted.
#[derive(Debug)]
pub enum Document {
    /// No body.
    Absent,
    /// JSON.
    Json(Value),
    /// The text of a body with another content type.
    Text(String),
}

impl<T: Fields> Body for Json<T> {
    type Received = Document;

    async fn receive(request: &HttpRequest, payload: &mut Payload, limits: &Limits) -> Result<Document> {
        let bytes = bytes(request.headers(), payload, limits).await?;
        if bytes.is_empty() {
            return Ok(Document::Absent);
        }
        if !takes_json(request.headers()) {
            return Ok(Document::Text(String::from_utf8_lossy(&bytes).into_owned()));
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| UNPARSED)?;
        match serde_json::from_str(text) {
            Ok(Value::Null) => Ok(Document::Absent),
            Ok(value) => Ok(Document::Json(value)),
            Err(error) => Err(syntax_error(text, &error)),
        }
    }

    fn extract(received: &Document, limits: &Limits, errors: &mut FieldErrors) -> Option<Self> {
        let body = || vec![LocationPart::Name("body")];
        let no_object = || {
            let msg = "Input should be a valid dictionary or object to extract fields from";
            InvalidValue::new("model_attributes_type", msg)
        };
        match received {
            Document::Json(whole @ Value::Object(map)) => {
                Extractor::extract("body", Members::Object(whole, map), limits, errors).map(Self)
            }
            Document::Json(other) => {
                errors.push(no_object(), body(), redact::<T>(other));
                None
            }
            Document::Text(text) => {
                errors.push(no_object(), body(), redact::<T>(&json!(text)));
                None
            }
            Document::Absent => {
                errors.push(InvalidValue::new("missing", "Field required"), body(), Value::Null);
                None
            }
        }
    }
}

/// A JSON object whose late errors the handler tells, behind its own 404 and 403.
#[derive(Debug)]
pub struct Deferred<T>(pub Result<T>);

impl<T: Fields> Body for Deferred<T> {
    type Received = Document;

    async fn receive(request: &HttpRequest, payload: &mut Payload, limits: &Limits) -> Result<Document> {
        Json::<T>::receive(request, payload, limits).await
    }

    fn extract(received: &Document, limits: &Limits, errors: &mut FieldErrors) -> Option<Self> {
        let mut own = FieldErrors::default();
        let read = Json::extract(received, limits, &mut own);
        if own.early.is_empty() {
            return Some(Self(read.map(|Json(read)| read).ok_or_else(|| own.into_error())));
        }
        errors.early.append(&mut own.early);
        None
    }
}

/// A form, `application/x-www-form-urlencoded` or `multipart/form-data`.
#[derive(Debug)]
pub struct Form<T>(pub T);

impl<T: Fields> Body for Form<T> {
    type Received = Vec<(String, String)>;

    /// A body of another type is a form without fields.
    async fn receive(
        request: &HttpRequest,
        payload: &mut Payload,
        limits: &Limits,
    ) -> Result<Self::Received> {
        let bytes = bytes(request.headers(), payload, limits).await?;
        match media_type(request.headers()).as_str() {
            "application/x-www-form-urlencoded" => Ok(form_urlencoded::parse(&bytes).into_owned().collect()),
            "multipart/form-data" => multipart(request.headers(), bytes).await,
            _ => Ok(Vec::new()),
        }
    }

    fn extract(received: &Self::Received, limits: &Limits, errors: &mut FieldErrors) -> Option<Self> {
        Extractor::extract("body", Members::Form(received), limits, errors).map(Self)
    }
}

/// The pairs of a query or a decoded path.
pub fn query_pairs(query: &str) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(query.as_bytes()).collect()
}

/// The whole body, at most `max_body_bytes` of it.
async fn bytes(headers: &HeaderMap, payload: &mut Payload, limits: &Limits) -> Result<Bytes> {
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

/// The content type without its parameters, in lower case; empty where there is none.
fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn takes_json(headers: &HeaderMap) -> bool {
    let media_type = media_type(headers);
    match media_type.split_once('/') {
        Some(("application", subtype)) => subtype == "json" || subtype.ends_with("+json"),
        _ => media_type.is_empty(),
    }
}

/// A syntax error as FastAPI words it, at the character where our parser stopped; nesting beyond the parser's 128
/// levels is a body that can't be parsed at all.
fn syntax_error(text: &str, error: &serde_json::Error) -> Error {
    let words = error.to_string();
    if words.starts_with("recursion limit exceeded") {
        return UNPARSED;
    }
    let above: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let byte = above.saturating_add(error.column().saturating_sub(1));
    let position = text.char_indices().take_while(|(at, _)| *at < byte).count();
    let loc = vec![LocationPart::Name("body"), LocationPart::Position(position)];
    let mut errors = FieldErrors::default();
    errors.push(InvalidValue::new("json_invalid", "JSON decode error").with("error", words), loc, json!({}));
    errors.into_error()
}

/// The text fields of a multipart body; files are none.
async fn multipart(headers: &HeaderMap, bytes: Bytes) -> Result<Vec<(String, String)>> {
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
            pairs.push((name, String::from_utf8_lossy(&value).into_owned()));
        }
    }
    Ok(pairs)
}
