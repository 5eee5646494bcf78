//! Receives the bytes of a request's body. The size of one body, the memory of all bodies together and the
//! work on a worker's thread are bounded.

use std::sync::Arc;

use actix_web::{
    HttpMessage as _, HttpRequest, dev::Payload, http::header, rt::task::spawn_blocking, web::Bytes,
};
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    HttpState,
    error::{Error, Result},
};

/// A body that cannot be received or parsed.
pub const UNPARSED: Error = Error::BadRequest("There was an error parsing the body");

/// Bodies of up to this size do not count towards the memory of all bodies, so that large uploads never stop
/// a sign-in. The limit on connections bounds their number.
const SMALL: usize = 16 << 10;

/// The memory of all larger bodies that are received or used at the same time, in bytes.
const MEMORY: usize = 64 << 20;

/// Memory is reserved in blocks of this size as bytes arrive: what a client announces costs nothing.
const BLOCK: usize = 64 << 10;

/// Larger bodies are parsed on a blocking thread. Parsing one of this size takes less than a millisecond.
const MAX_ON_WORKER: usize = 64 << 10;

/// Maximum number of bodies of more than [`SMALL`] bytes that are parsed at the same time. A single one, because
/// the values of a body can take more than thirty times its size, and its parsing a core.
const PARSING: usize = 1;

/// The memory for the bodies of all requests of the process. Clones share it.
#[derive(Clone, Debug)]
pub struct BodyMemory {
    free: Arc<Semaphore>,
    parsing: Arc<Semaphore>,
}

impl BodyMemory {
    /// Enough for two bodies of the maximum size, and for at least 64 MiB.
    pub fn new(max_body_bytes: usize) -> Self {
        let bytes = max_body_bytes.saturating_mul(2).max(MEMORY);
        let blocks = bytes.div_ceil(BLOCK).min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(blocks)), parsing: Arc::new(Semaphore::new(PARSING)) }
    }
}

/// The maximum size of the body, where an endpoint declares one. An extension of the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct MaxBodyBytes(pub(super) usize);

/// An extension of a request whose body has not been received completely.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receiving;

/// Holds the memory of a body until its request ends. An extension of the request.
struct Reserved(#[expect(dead_code, reason = "dropped together with the request")] OwnedSemaphorePermit);

/// Receives the whole body.
///
/// # Errors
/// [`Error::TooLarge`] beyond the limit of the endpoint, before the body is received if it is announced;
/// [`Error::Busy`] if the bodies of other requests occupy the memory.
pub async fn receive(request: &HttpRequest, payload: &mut Payload) -> Result<Bytes> {
    let http = HttpState::of(request)?;
    let declared = request.extensions().get::<MaxBodyBytes>().map(|limit| limit.0);
    let limit = declared.unwrap_or(usize::MAX).min(http.limits.max_body_bytes);
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Error::TooLarge(limit));
    }
    request.extensions_mut().insert(Receiving);
    let mut reserved: Option<OwnedSemaphorePermit> = None;
    let mut room = SMALL;
    let mut body = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| UNPARSED)?;
        let length = body.len().saturating_add(chunk.len());
        if length > limit {
            return Err(Error::TooLarge(limit));
        }
        while length > room {
            let block = Arc::clone(&http.body_memory.free).try_acquire_owned().map_err(|_| Error::Busy)?;
            match &mut reserved {
                Some(reserved) => reserved.merge(block),
                none => *none = Some(block),
            }
            room = room.saturating_add(BLOCK);
        }
        body.extend_from_slice(&chunk);
    }
    let mut extensions = request.extensions_mut();
    extensions.remove::<Receiving>();
    if let Some(permits) = reserved {
        extensions.insert(Reserved(permits));
    }
    Ok(body.into())
}

/// The right to parse a body and to hold its values. The next body is parsed when it is dropped.
#[derive(Debug)]
pub struct ParsingPermit(
    #[expect(dead_code, reason = "dropped when the values are")] Option<OwnedSemaphorePermit>,
);

/// Waits until the body of `request`, which was received, may be parsed: a small one at once. Those that wait
/// hold their memory, which bounds their number.
///
/// # Errors
/// [`Error::Internal`] if the app was built without the state of this layer.
pub async fn admit_parsing(request: &HttpRequest) -> Result<ParsingPermit> {
    if !request.extensions().contains::<Reserved>() {
        return Ok(ParsingPermit(None));
    }
    let parsing = Arc::clone(&HttpState::of(request)?.body_memory.parsing);
    Ok(ParsingPermit(parsing.acquire_owned().await.ok()))
}

/// Parses a body: a large one on a blocking thread, so that it does not delay the other requests of the
/// worker.
///
/// # Errors
/// Those of `parse`.
pub async fn parse<T: Send + 'static>(
    body: Bytes,
    parse: impl FnOnce(&[u8]) -> Result<T> + Send + 'static,
) -> Result<T> {
    if body.len() <= MAX_ON_WORKER {
        return parse(&body);
    }
    spawn_blocking(move || parse(&body)).await.map_err(|error| Error::internal("parse a body", error))?
}
