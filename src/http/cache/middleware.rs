//! Serving from the cache, in front of a resource's handlers.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode, header},
    middleware::Next,
};
use entity::article::Sight;

use super::{Entry, Stamp, Subject};
use crate::{
    http::{
        compression::Coding,
        conditional::{Conditions, Tag},
    },
    state::{AppState, State},
};

/// Answers a stranger's read from memory where it can, and keeps the answer where it can't.
pub async fn from_memory<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(state) = strangers_state(&request) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let coding = Coding::of(request.headers());
    if let Some(entry) = state.cache().find(path, coding) {
        let response = answer(&entry, &Conditions::of(request.request()));
        return Ok(request.into_response(response));
    }
    let expected = subject(&request).and_then(|subject| state.cache().expect(subject));
    let path = path.to_owned();
    let response = next.call(request).await?;
    Ok(match expected {
        Some(stamp) if response.status() == StatusCode::OK => keep(&state, &path, coding, stamp, response),
        _ => response.map_into_boxed_body(),
    })
}

/// The state, if this is a read with nobody's eyes: without a token, or where tokens are not looked at.
fn strangers_state(request: &ServiceRequest) -> Option<AppState> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let state = request.app_data::<State>()?;
    let stranger =
        state.public_sight() == Sight::Everything || !request.headers().contains_key(header::AUTHORIZATION);
    (stranger && state.cache().is_on()).then(|| state.0.clone())
}

/// What the request asks for: an article where its path has an id, else a list.
fn subject(request: &ServiceRequest) -> Option<Subject> {
    match request.match_info().get("article_id") {
        Some(id) => id.parse().ok().map(Subject::Article),
        None => Some(Subject::List),
    }
}

fn keep<B: MessageBody + 'static>(
    state: &AppState,
    path: &str,
    coding: Option<Coding>,
    stamp: Stamp,
    response: ServiceResponse<B>,
) -> ServiceResponse<BoxBody> {
    let (request, response) = response.into_parts();
    let (head, body) = response.into_parts();
    let body = match body.try_into_bytes() {
        Ok(body) => body,
        Err(body) => return ServiceResponse::new(request, head.set_body(body).map_into_boxed_body()),
    };
    let tag = head.headers().get(header::ETAG).and_then(|tag| Tag::parse(tag.to_str().ok()?));
    if let Some(tag) = tag {
        let headers = head.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        state.cache().keep(path, coding, stamp, tag, headers, &body);
    }
    ServiceResponse::new(request, head.set_body(body).map_into_boxed_body())
}

fn answer(entry: &Arc<Entry>, conditions: &Conditions) -> HttpResponse {
    let unchanged = conditions.has(&entry.tag);
    let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    for (name, value) in &entry.headers {
        // A 304 has no body that a type or a coding could be said of.
        if !(unchanged && [header::CONTENT_TYPE, header::CONTENT_ENCODING].contains(name)) {
            response.append_header((name.clone(), value.clone()));
        }
    }
    if unchanged { response.finish() } else { response.body(entry.body.clone()) }
}
