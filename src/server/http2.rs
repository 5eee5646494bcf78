//! Serves HTTP/2 on a connection, with a limit on everything that a client can make the server hold.
//!
//! actix's dispatcher limits neither the requests of a connection nor the size of their heads, keeps idle connections
//! and those whose client does not read as long as the client likes, executes requests that the client has cancelled,
//! and does not notice that the server stops.

use std::{cell::Cell, future::poll_fn, net::SocketAddr, pin::pin, rc::Rc, time::Duration};

use actix_http::{
    Payload, Request, Response,
    error::{DispatchError, PayloadError},
};
use actix_rt::time::{Instant, sleep, timeout};
use actix_service::Service;
use actix_web::{
    body::{BodySize, BoxBody, MessageBody as _},
    http::{
        ConnectionType, Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    web::Bytes,
};
use futures_util::{
    StreamExt as _,
    stream::{self, FuturesUnordered},
};
use h2::{
    Reason, RecvStream, SendStream,
    server::{Builder, SendResponse},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    select,
    sync::{Semaphore, SemaphorePermit},
};

use super::connections::{HEAD_TIMEOUT, KEEP_ALIVE, Limits};
use crate::clock::Clock;

/// Maximum number of concurrent requests of a connection.
const MAX_STREAMS: u32 = 100;

/// Maximum size of the head of a request, uncompressed.
const MAX_HEAD_BYTES: u32 = 64 << 10;

/// How much of a request's body a client may send before the server uses it.
const STREAM_WINDOW: u32 = 64 << 10;

/// The same for all requests of a connection together.
const CONNECTION_WINDOW: u32 = 256 << 10;

/// Maximum size of what is buffered of a response.
const SEND_BUFFER: usize = 32 << 10;

/// How long a client may read a response before it learns that the rest of its request is not wanted.
const LINGER: Duration = Duration::from_secs(1);

/// HTTP/2 for the connections of one worker.
pub(super) struct Http2<S> {
    app: Rc<S>,
    limits: Limits,
    /// Requests that may begin. The limit on connections does not bound their number.
    free: Semaphore,
    /// For the header `Date`.
    clock: Clock,
}

/// A request, and where its response goes.
type Exchange = (http::Request<RecvStream>, SendResponse<Bytes>);

impl<S> Http2<S>
where
    S: Service<Request, Response = Response<BoxBody>, Error = Response<BoxBody>>,
{
    pub(super) fn new(app: Rc<S>, limits: Limits) -> Self {
        let free = Semaphore::new(limits.requests.min(Semaphore::MAX_PERMITS));
        Self { app, limits, free, clock: Clock::system() }
    }

    /// Serves a connection until the client or the server closes it.
    ///
    /// # Errors
    /// If the client violates the protocol or disconnects.
    pub(super) async fn serve<T>(&self, io: T, peer: Option<SocketAddr>) -> Result<(), DispatchError>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = Builder::new()
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEAD_BYTES)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buffer_size(SEND_BUFFER)
            .handshake(io);
        let handshake = timeout(HEAD_TIMEOUT, handshake).await;
        let mut connection = handshake.map_err(|_| DispatchError::SlowRequestTimeout)??;
        let mut exchanges = FuturesUnordered::new();
        let mut stopping = pin!(self.limits.stopping.notified());
        let mut idle = pin!(sleep(KEEP_ALIVE));
        let mut is_closing = false;
        loop {
            let mut must_close = false;
            select! {
                accepted = connection.accept() => match accepted {
                    Some(exchange) => exchanges.extend(self.admit(exchange?, peer)),
                    None => return Ok(()),
                },
                Some(closes) = exchanges.next() => {
                    must_close = closes;
                    idle.as_mut().reset(Instant::now() + self.idle_timeout(is_closing));
                }
                () = &mut stopping, if !is_closing => must_close = true,
                () = &mut idle, if exchanges.is_empty() => {
                    if is_closing {
                        return Ok(());
                    }
                    must_close = true;
                }
            }
            if must_close && !is_closing {
                // Tells the client which of its requests are served (GOAWAY). The connection ends with the last one.
                connection.graceful_shutdown();
                is_closing = true;
                idle.as_mut().reset(Instant::now() + self.idle_timeout(is_closing));
            }
        }
    }

    /// How long a connection without requests stays open. A client can take as long for the rest of a response.
    fn idle_timeout(&self, is_closing: bool) -> Duration {
        if is_closing { self.limits.write_timeout } else { KEEP_ALIVE }
    }

    /// The exchange that begins with a request. If the worker has too many, the client may repeat the request
    /// (RFC 9113, section 8.7).
    fn admit(&self, mut exchange: Exchange, peer: Option<SocketAddr>) -> Option<impl Future<Output = bool>> {
        let Ok(permit) = self.free.try_acquire() else {
            exchange.1.send_reset(Reason::REFUSED_STREAM);
            return None;
        };
        Some(self.answer(exchange, peer, permit))
    }

    /// Answers a request, unless the client cancels it. Returns whether the connection must be closed.
    async fn answer(
        &self,
        exchange: Exchange,
        peer: Option<SocketAddr>,
        permit: SemaphorePermit<'_>,
    ) -> bool {
        let (request, mut response) = exchange;
        let (parts, body) = request.into_parts();
        let is_head = parts.method == Method::HEAD;
        let is_received = Rc::new(Cell::new(body.is_end_stream()));
        let mut request = Request::with_payload(payload(body, &is_received));
        let head = request.head_mut();
        head.uri = parts.uri;
        head.method = parts.method;
        head.version = parts.version;
        head.headers = parts.headers.into();
        head.peer_addr = peer;
        let answer = select! {
            biased;
            _ = poll_fn(|context| response.poll_reset(context)) => return false,
            answer = async { self.app.call(request).await } => answer.unwrap_or_else(|error| error),
        };
        let (head, body) = answer.into_parts();
        let size = match head.status() {
            // They have no body (RFC 9110, section 6.4.1), and no length either.
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => BodySize::None,
            _ => body.size(),
        };
        let is_empty = is_head || size.is_eof();
        let must_close = head.head().connection_type() == ConnectionType::Close;
        if let Ok(stream) = response.send_response(self.head(&head, size), is_empty)
            && !is_empty
        {
            self.send(body, stream).await;
        }
        if !is_received.get() {
            // Then the rest of the body is declined, at which many clients discard a response that they have not
            // read.
            drop(permit);
            timeout(LINGER, poll_fn(|context| response.poll_reset(context))).await.ok();
        }
        must_close
    }

    /// Sends a body. A client that accepts nothing for the write timeout loses the rest.
    async fn send(&self, body: BoxBody, mut stream: SendStream<Bytes>) {
        let mut body = pin!(body);
        while let Some(part) = poll_fn(|context| body.as_mut().poll_next(context)).await {
            let mut part = match part {
                Ok(part) => part,
                Err(cause) => {
                    tracing::error!(%cause, "the body of a response failed");
                    return stream.send_reset(Reason::INTERNAL_ERROR);
                }
            };
            while !part.is_empty() {
                stream.reserve_capacity(part.len());
                let capacity = poll_fn(|context| stream.poll_capacity(context));
                match timeout(self.limits.write_timeout, capacity).await {
                    Ok(Some(Ok(bytes))) => {
                        let piece = part.split_to(bytes.min(part.len()));
                        if stream.send_data(piece, false).is_err() {
                            return;
                        }
                    }
                    Err(_) => return stream.send_reset(Reason::CANCEL),
                    // The client has cancelled the request or disconnected.
                    Ok(_) => return,
                }
            }
        }
        // It fails only if the client has cancelled the request.
        let _ = stream.send_data(Bytes::new(), true);
    }

    /// The head of a response: without what concerns the connection (RFC 9113, section 8.2.2), and with the fields
    /// that actix adds for HTTP/1.1.
    fn head(&self, response: &Response<()>, size: BodySize) -> http::Response<()> {
        let mut head = http::Response::new(());
        *head.status_mut() = response.status();
        let fields = head.headers_mut();
        for (name, value) in response.headers() {
            let is_length_of_actix = *name == header::CONTENT_LENGTH && size != BodySize::Stream;
            if !is_length_of_actix && !concerns_connection(name) {
                fields.append(name.clone(), value.clone());
            }
        }
        if let BodySize::Sized(bytes) = size {
            fields.insert(header::CONTENT_LENGTH, bytes.into());
        }
        if !fields.contains_key(header::DATE) {
            let date = self.clock.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            fields.extend(HeaderValue::try_from(date).map(|date| (header::DATE, date)));
        }
        head
    }
}

/// The body of a request. Sets `is_received` at its end.
fn payload(body: RecvStream, is_received: &Rc<Cell<bool>>) -> Payload {
    if is_received.get() {
        return Payload::None;
    }
    let body = stream::unfold((body, Rc::clone(is_received)), async |(mut body, is_received)| {
        let Some(chunk) = poll_fn(|context| body.poll_data(context)).await else {
            is_received.set(true);
            return None;
        };
        let chunk = chunk.and_then(|chunk| {
            body.flow_control().release_capacity(chunk.len())?;
            Ok(chunk)
        });
        Some((chunk.map_err(PayloadError::Http2Payload), (body, is_received)))
    });
    Payload::Stream { payload: Box::pin(body) }
}

fn concerns_connection(name: &HeaderName) -> bool {
    [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE].contains(name)
        || ["keep-alive", "proxy-connection"].contains(&name.as_str())
}
