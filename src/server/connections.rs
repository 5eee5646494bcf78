//! Serves HTTP on each client connection, and logs the connections that end with an error.
//!
//! actix's `HttpServer` drops such an error together with the client's address. Its dispatcher logs it at
//! `ERROR`, so that a port scan would fill the log; `telemetry` turns that line off. Apart from this, the
//! module does what `HttpServer` does.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs},
    time::Duration,
};

use actix_http::{HttpService, Request, Response, error::DispatchError};
use actix_rt::net::TcpStream;
use actix_server::GracefulShutdownSignal;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory, map_config,
};
use actix_web::{
    Error as ActixError,
    body::MessageBody,
    dev::{AppConfig, ServiceResponse},
};
#[cfg(any(target_os = "linux", target_os = "android"))]
use socket2::SockFilter;
use socket2::SockRef;

use crate::http::sending::send_in_pieces;

/// How long idle client connections stay open: longer than the 60 seconds after which nginx closes them.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Maximum time for a client to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum time for a client to close its side of a connection that the server has closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum number of connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Binds to every address that `host` resolves to and that is available.
///
/// # Errors
/// If none is available: the last error.
pub(super) fn listen(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    let mut error = io::Error::other("the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match listen_on(address) {
            Ok(listener) => listeners.push(listener),
            Err(cause) => error = cause,
        }
    }
    if listeners.is_empty() { Err(error) } else { Ok(listeners) }
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    // The standard library allows only 128.
    SockRef::from(&listener).listen(BACKLOG)?;
    Ok(listener)
}

/// Ignores the packets that open a connection, so that clients try again a second later, when the listener is closed,
/// or connect to another server. Closing it at once would reset connections that were not accepted yet, together with
/// their requests.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn refuse_new(listener: &TcpListener) {
    // A program of the Berkeley Packet Filter, which sees packets from their TCP header on: load the byte of the
    // flags; if it has SYN, drop the packet; otherwise pass all of it.
    const PROGRAM: [SockFilter; 4] = [
        SockFilter::new(0x30, 0, 0, 13),
        SockFilter::new(0x45, 0, 1, 0x02),
        SockFilter::new(0x06, 0, 0, 0),
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ];
    if let Err(error) = SockRef::from(listener).attach_filter(&PROGRAM) {
        tracing::warn!(cause = %error, "new connections cannot be refused before the server stops");
    }
}

/// Other systems have no such filter.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn refuse_new(_listener: &TcpListener) {}

/// The service of one worker: `app` on every connection. A connection whose client accepts nothing for
/// `write_timeout` is closed.
pub(super) fn serve<I, S, B>(
    app: I,
    write_timeout: Duration,
    stopping: GracefulShutdownSignal,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
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
    let app = app.into_factory().map(send_in_pieces).map_err(|error| Response::from(error.error_response()));
    let http = HttpService::build()
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
        .finish(map_config(app, |()| AppConfig::default()))
        .tcp();
    apply_fn_factory(http, move |stream: TcpStream, http| {
        limit_writes(&stream, write_timeout);
        let client = stream.peer_addr().ok().map(|peer| peer.ip().to_canonical());
        let served = http.call(stream);
        async move {
            let outcome = served.await;
            if let Err(error) = &outcome {
                log(client, error);
            }
            outcome
        }
    })
}

/// Makes the kernel close the connection if the client acknowledges nothing, or its window stays closed, for
/// `timeout`. actix has no timeout for writing: a client that does not read would hold its response forever.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn limit_writes(stream: &TcpStream, timeout: Duration) {
    // It fails only if the client has disconnected.
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(timeout));
}

/// Other systems have no such option.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn limit_writes(_stream: &TcpStream, _timeout: Duration) {}

/// Clients that send something else than HTTP, or disappear, are no failure of the server.
fn log(client: Option<IpAddr>, error: &DispatchError) {
    let client = client.map_or_else(|| "-".to_owned(), |client| client.to_string());
    match error {
        DispatchError::Body(_) | DispatchError::Service(_) | DispatchError::InternalError => {
            tracing::error!(%client, cause = %error, "a connection failed");
        }
        _ => tracing::debug!(%client, cause = %error, "a connection ended with an error"),
    }
}
