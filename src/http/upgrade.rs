//! Answers a request for another protocol as if it had asked for none (RFC 9110, section 7.8).
//!
//! actix copies the option `upgrade` of a request's `Connection` to the response and then closes the
//! connection, which the client cannot know. It also reads the body of a request with `Upgrade: websocket` up
//! to the end of the connection, whatever its length. It gives no way to keep such a connection open, so the
//! response says `Connection: close`.

use actix_web::{
    HttpMessage as _,
    body::MessageBody,
    dev::{Payload, RequestHead, ServiceRequest},
    error::PayloadError,
    http::{
        ConnectionType,
        header::{self, HeaderValue},
    },
    middleware::Next,
    web::Bytes,
};
use futures_util::{Stream, StreamExt as _, stream};

use super::amend::{Outcome, amend};

/// Declines every upgrade.
pub async fn decline_upgrade<B: MessageBody>(mut request: ServiceRequest, next: Next<B>) -> Outcome<B> {
    let is_endless = has_endless_body(request.head());
    let must_close = is_endless || request.head().connection_type() == ConnectionType::Upgrade;
    if is_endless {
        let payload = Box::pin(limit(request.take_payload(), content_length(request.head())));
        request.set_payload(Payload::Stream { payload });
    }
    amend(next.call(request).await, move |head| {
        if must_close {
            head.set_connection_type(ConnectionType::Close);
        }
    })
}

/// Whether actix takes everything that follows the head for the body.
fn has_endless_body(head: &RequestHead) -> bool {
    let is_websocket = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket");
    head.headers().get_all(header::UPGRADE).any(is_websocket)
        && !head.headers().contains_key(header::TRANSFER_ENCODING)
}

/// The length of the body. Without a `Content-Length` there is none (RFC 9112, section 6.3); actix rejects one
/// that is not a number.
fn content_length(head: &RequestHead) -> u64 {
    let length = head.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|length| length.trim().parse().ok()).unwrap_or_default()
}

/// The first `length` bytes of a payload.
fn limit(payload: Payload, length: u64) -> impl Stream<Item = Result<Bytes, PayloadError>> {
    stream::unfold((payload, length), async |(mut payload, left)| {
        if left == 0 {
            return None;
        }
        let chunk = payload.next().await?.map(|chunk| {
            let length = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
            chunk.slice(..length)
        });
        let received = chunk.as_ref().map_or(left, |chunk| u64::try_from(chunk.len()).unwrap_or(left));
        Some((chunk, (payload, left.saturating_sub(received))))
    })
}
