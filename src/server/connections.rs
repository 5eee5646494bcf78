//! Serves HTTP on each client connection, and logs the connections that end with an error.
//!
//! actix's `HttpServer` drops such an error together with the client's address. Its dispatcher logs it at
//! `ERROR`, so that a port scan would fill the log; `telemetry` turns that line off. Apart from this, the
//! module does what `HttpServer` does.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use actix_http::{HttpService, Protocol, Request, Response, error::DispatchError};
use actix_rt::net::{TcpStream, UnixStream};
use actix_server::GracefulShutdownSignal;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory, map_config,
};
use actix_web::{
    Error as ActixError,
    body::{BoxBody, MessageBody},
    dev::{AppConfig, ServiceResponse},
};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};

use super::turns::Turns;
use crate::http::{
    metrics::{ClientConnections, OpenConnection},
    sending::send_in_pieces,
};

/// How long idle client connections stay open: longer than the 60 seconds after which nginx closes them.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Maximum time for a client to send the head of a request, and for the handshake of TLS.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum time for a client to close its side of a connection that the server has closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum number of connections that wait to be accepted.
pub(super) const BACKLOG: i32 = 1024;

/// What ends connections, and what counts them.
#[derive(Clone)]
pub(super) struct Limits {
    /// Maximum time for a client to accept a part of a response.
    pub(super) write_timeout: Duration,
    /// Maximum number of concurrent requests of a worker.
    pub(super) requests: usize,
    /// The server stops after the requests in flight.
    pub(super) stopping: GracefulShutdownSignal,
    /// The open connections.
    pub(super) connections: Arc<ClientConnections>,
}

/// The service of one worker: `app` on every connection over TCP. A connection whose client accepts nothing for
/// the write timeout is closed.
pub(super) fn serve(
    app: impl Http,
    limits: Limits,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()> {
    let Limits { write_timeout, stopping, connections, .. } = limits;
    apply_fn_factory(http1(app, stopping), move |stream: TcpStream, http| {
        set_options(&stream, write_timeout);
        let peer = stream.peer_addr().ok();
        logged(connections.open(), peer, http.call((Turns::new(stream), Protocol::Http1, peer)))
    })
}

/// The same for connections to a Unix socket, whose clients have no address. There is no timeout for writing: the
/// client is a proxy on the same machine.
pub(super) fn serve_unix(
    app: impl Http,
    limits: Limits,
) -> impl ServiceFactory<UnixStream, Config = (), Response = (), Error = DispatchError, InitError = ()> {
    let Limits { stopping, connections, .. } = limits;
    apply_fn_factory(http1(app, stopping), move |stream: UnixStream, http| {
        logged(connections.open(), None, http.call((Turns::new(stream), Protocol::Http1, None)))
    })
}

/// An application that answers requests, whichever connection they come from.
pub(super) trait Http:
    ServiceFactory<
        Request,
        Config = (),
        Response = Response<BoxBody>,
        Error = Response<BoxBody>,
        InitError = (),
        Service: Service<Request, Future: 'static> + 'static,
        Future: 'static,
    > + 'static
{
}

impl<F> Http for F where
    F: ServiceFactory<
            Request,
            Config = (),
            Response = Response<BoxBody>,
            Error = Response<BoxBody>,
            InitError = (),
            Service: Service<Request, Future: 'static> + 'static,
            Future: 'static,
        > + 'static
{
}

/// Makes an application of actix-web answer requests of any connection.
pub(super) fn answer<I, S, B>(app: I) -> impl Http
where
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<B>,
            Error = ActixError,
            InitError = (),
        > + 'static,
    S::Future: 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let app = app
        .into_factory()
        .map(|response| send_in_pieces(response).into())
        .map_err(|error| Response::from(error.error_response()));
    map_config(app, |()| AppConfig::default())
}

/// Serves HTTP/1.1 on a connection of any kind.
pub(super) fn http1<T: AsyncRead + AsyncWrite + Unpin + 'static>(
    app: impl Http,
    stopping: GracefulShutdownSignal,
) -> impl ServiceFactory<
    (T, Protocol, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
> {
    HttpService::build()
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        })
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(CLOSE_TIMEOUT)
        // A client that closes its side has gone, as far as TCP can tell: its request must not wait for a core or a
        // connection of the database any longer.
        .h1_allow_half_closed(false)
        .finish(app)
}

/// Sets the options of the connection of a client.
pub(super) fn set_options(stream: &TcpStream, write_timeout: Duration) {
    // The end of a response would otherwise wait until the client acknowledges the part before it, which clients delay by
    // 40 ms. Both calls fail only if the client has disconnected.
    let _ = stream.set_nodelay(true);
    limit_writes(stream, write_timeout);
}

/// Makes the kernel close the connection if the client acknowledges nothing, or its window stays closed, for
/// `timeout`. actix has no timeout for writing: a client that does not read would hold its response forever.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn limit_writes(stream: &TcpStream, timeout: Duration) {
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(timeout));
}

/// Other systems have no such option.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn limit_writes(_stream: &TcpStream, _timeout: Duration) {}

/// Logs the error with which a connection ends. Clients that send something else than HTTP, or disappear, are no
/// failure of the server. The connection counts as open until then.
pub(super) async fn logged(
    _open: OpenConnection,
    peer: Option<SocketAddr>,
    served: impl Future<Output = Result<(), DispatchError>>,
) -> Result<(), DispatchError> {
    let outcome = served.await;
    if let Err(error) = &outcome {
        let client = peer.map(|peer| peer.ip().to_canonical());
        let client = client.map_or_else(|| "-".to_owned(), |client: IpAddr| client.to_string());
        match error {
            DispatchError::Body(_) | DispatchError::Service(_) | DispatchError::InternalError => {
                tracing::error!(%client, cause = %error, "a connection failed");
            }
            _ => tracing::debug!(%client, cause = %error, "a connection ended with an error"),
        }
    }
    outcome
}
