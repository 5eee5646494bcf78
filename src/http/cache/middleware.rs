//! Serves responses from the cache, in front of a handler.

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header},
    middleware::Next,
};

use super::{Entry, Stamp, Subject};
use crate::{
    db::Topic,
    http::{
        HttpState,
        compression::Coding,
        conditional::{Conditions, EntityTag},
    },
};

/// Which callers a handler distinguishes.
pub trait Audience {
    /// Whether `request` gets the response that every anonymous request gets.
    fn is_anonymous(request: &HttpRequest) -> bool;
}

/// Declares how the responses of an endpoint are cached.
#[derive(Clone, Copy, Debug)]
pub struct Cached {
    topic: Topic,
    /// The path parameter that holds the id of the row; a list has none.
    id: Option<&'static str>,
    shows: Option<Topic>,
    is_anonymous: fn(&HttpRequest) -> bool,
}

impl Cached {
    /// The responses are lists of `topic`.
    pub fn list<A: Audience>(topic: Topic) -> Self {
        Self { topic, id: None, shows: None, is_anonymous: A::is_anonymous }
    }

    /// Each response is a row of `topic`; the path parameter `id` is its id.
    pub fn row<A: Audience>(topic: Topic, id: &'static str) -> Self {
        Self { id: Some(id), ..Self::list::<A>(topic) }
    }

    /// The responses also show rows of `topic`.
    #[must_use]
    pub fn showing(self, topic: Topic) -> Self {
        Self { shows: Some(topic), ..self }
    }

    fn subject(&self, request: &ServiceRequest) -> Option<Subject> {
        match self.id {
            None => Some(Subject::List(self.topic)),
            Some(name) => Some(Subject::Row(self.topic, request.match_info().get(name)?.parse().ok()?)),
        }
    }
}

/// Responds to an anonymous read from the cache, or stores the response for later reads.
pub async fn serve_cached<B: MessageBody + 'static>(
    cached: Cached,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let HttpState { cache, counters, .. } = HttpState::of(request.request())?;
    if !(cache.is_on() && (cached.is_anonymous)(request.request())) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let coding = Coding::of(&request);
    if let Some(entry) = cache.get(path, coding) {
        if let Some(counters) = counters {
            counters.cache_hit();
        }
        let response = respond(&entry, &Conditions::of(request.request()));
        return Ok(request.into_response(response));
    }
    if let Some(counters) = counters {
        counters.cache_miss();
    }
    let stamp = cached.subject(&request).and_then(|subject| cache.begin_fill(subject, cached.shows));
    let response = next.call(request).await?;
    Ok(match stamp {
        // A body that cannot be stored is not copied.
        Some(stamp) if response.status() == StatusCode::OK && fits(&response) => {
            store(coding, stamp, response)
        }
        _ => response.map_into_boxed_body(),
    })
}

fn fits(response: &ServiceResponse<impl MessageBody>) -> bool {
    let cache = HttpState::of(response.request()).map(|state| &state.cache);
    match response.response().body().size() {
        BodySize::Sized(bytes) => cache.is_ok_and(|cache| cache.fits(bytes)),
        BodySize::None | BodySize::Stream => false,
    }
}

fn store<B: MessageBody + 'static>(
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
    let tag = head.headers().get(header::ETAG).and_then(|tag| EntityTag::parse(tag.to_str().ok()?));
    if let (Some(tag), Ok(state)) = (tag, HttpState::of(&request)) {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let headers = head.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        state.cache.insert(path, coding, stamp, tag, headers, &body);
    }
    ServiceResponse::new(request, head.set_body(body).map_into_boxed_body())
}

fn respond(entry: &Entry, conditions: &Conditions) -> HttpResponse {
    let not_modified = conditions.is_current(&entry.tag);
    let mut response = if not_modified { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    for (name, value) in &entry.headers {
        // A 304 has no body, so it has no content type and no content coding.
        if !(not_modified && [header::CONTENT_TYPE, header::CONTENT_ENCODING].contains(name)) {
            response.append_header((name.clone(), value.clone()));
        }
    }
    if not_modified { response.finish() } else { response.body(entry.body.clone()) }
}
