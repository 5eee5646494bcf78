//! Sends large bodies in pieces, so that a client that does not read holds little more than the body itself.
//!
//! actix copies each part of a body into the buffer of its connection as a whole.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    dev::ServiceResponse,
    web::Bytes,
};

use super::page_json::ReservedMemory;

/// The maximum size of a piece, in bytes.
const MAX_PIECE: usize = 32 << 10;

/// A body in pieces. It holds the memory of a page until the body has been sent or the client has
/// disconnected.
struct Pieces {
    body: BoxBody,
    /// The rest of the part that was taken from `body` last.
    part: Bytes,
    _memory: Option<ReservedMemory>,
}

impl MessageBody for Pieces {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        while this.part.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_next(context)) {
                Some(Ok(part)) => this.part = part,
                end => return Poll::Ready(end),
            }
        }
        let piece = this.part.split_to(this.part.len().min(MAX_PIECE));
        Poll::Ready(Some(Ok(piece)))
    }
}

/// Sends the body of `response` in pieces if it is large.
pub fn send_in_pieces(mut response: ServiceResponse<impl MessageBody + 'static>) -> ServiceResponse<BoxBody> {
    let memory = response.response_mut().extensions_mut().remove::<ReservedMemory>();
    let large = match response.response().body().size() {
        BodySize::Sized(bytes) => usize::try_from(bytes).is_ok_and(|bytes| bytes > MAX_PIECE),
        BodySize::None => false,
        BodySize::Stream => true,
    };
    let response = response.map_into_boxed_body();
    if !large && memory.is_none() {
        return response;
    }
    response.map_body(|_, body| BoxBody::new(Pieces { body, part: Bytes::new(), _memory: memory }))
}
