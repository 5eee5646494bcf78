//! What the server listens on: ports of TCP, or a Unix socket.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    num::NonZeroU32,
    os::unix::net::UnixListener,
};

use actix_server::ServerBuilder;
use socket2::SockRef;

use super::{
    connections::{self, BACKLOG, Http, Limits},
    tls,
    unix_socket::UnixSocket,
};
use crate::config::{Host, HttpSettings, Identity};

/// The sockets on which clients connect.
#[derive(Debug)]
pub(super) enum Listeners {
    /// One for each address of the host.
    Tcp(Vec<TcpListener>),
    /// For a proxy on this machine.
    Unix(UnixSocket, UnixListener),
}

impl Listeners {
    /// Binds to the address in the settings; port 0 selects a free port.
    ///
    /// # Errors
    /// If the address is not available: names the setting at fault.
    pub(super) fn bind(http: &HttpSettings) -> io::Result<Self> {
        match &http.host {
            Host::Name(host) => {
                let listeners = listen(host, http.port);
                listeners.map(Self::Tcp).map_err(|error| bind_error(host, http.port, &error))
            }
            Host::Unix(path) => {
                let listener = UnixSocket::listen(path);
                let named = |error: io::Error| {
                    let message = format!("HOST: {} cannot be used: {error}", path.display());
                    io::Error::new(error.kind(), message)
                };
                listener.map(|(socket, listener)| Self::Unix(socket, listener)).map_err(named)
            }
        }
    }

    /// The first address; none for a Unix socket.
    pub(super) fn address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(listeners) => listeners.first().map(TcpListener::local_addr).transpose(),
            Self::Unix(..) => Ok(None),
        }
    }

    /// Serves on these sockets what `app` creates for each worker.
    ///
    /// # Errors
    /// If a socket cannot be used, or TLS cannot be set up.
    pub(super) fn serve<A: Http>(
        &self,
        builder: ServerBuilder,
        identity: Option<&Identity>,
        limits: &Limits,
        app: impl Fn() -> A + Clone + Send + 'static,
    ) -> io::Result<ServerBuilder> {
        let limits = limits.clone();
        match (self, identity) {
            (Self::Unix(_, listener), _) => builder.listen_uds("http", listener.try_clone()?, move || {
                connections::serve_unix(app(), limits.clone())
            }),
            (Self::Tcp(listeners), None) => {
                let worker = move || connections::serve(app(), limits.clone());
                let mut listeners = listeners.iter();
                listeners.try_fold(builder, |builder, listener| {
                    builder.listen("http", listener.try_clone()?, worker.clone())
                })
            }
            (Self::Tcp(listeners), Some(identity)) => {
                let acceptor = tls::acceptor(identity).map_err(io::Error::other)?;
                let worker = move || tls::serve(app(), acceptor.clone(), limits.clone());
                let mut listeners = listeners.iter();
                listeners.try_fold(builder, |builder, listener| {
                    builder.listen("https", listener.try_clone()?, worker.clone())
                })
            }
        }
    }

    /// Lets no new connections begin, while those that wait are accepted.
    pub(super) fn refuse_new(&self) {
        match self {
            Self::Tcp(listeners) => listeners.iter().for_each(refuse_new),
            Self::Unix(socket, _) => socket.remove(),
        }
    }
}

/// Binds to every address that `host` resolves to and that is available.
///
/// # Errors
/// If none is available: the last error.
fn listen(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
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

/// Refuses new connections, while those that have begun are completed and can be accepted. Closing the listener at once
/// would reset connections that were not accepted yet, together with their requests.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn refuse_new(listener: &TcpListener) {
    // No interface of a network has this index, so packets that open a connection do not find the socket. A packet
    // filter would need a privilege.
    const NO_INTERFACE: Option<NonZeroU32> = NonZeroU32::new(i32::MAX.unsigned_abs());
    if let Err(error) = SockRef::from(listener).bind_device_by_index_v4(NO_INTERFACE) {
        tracing::warn!(cause = %error, "new connections cannot be refused before the server stops");
    }
}

/// Other systems have no such option.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn refuse_new(_listener: &TcpListener) {}

/// Names the setting at fault and the address.
fn bind_error(host: &str, port: u16, error: &io::Error) -> io::Error {
    let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let message = match error.kind() {
        io::ErrorKind::AddrInUse => format!("PORT: another program listens on {address}: {error}"),
        io::ErrorKind::PermissionDenied => format!("PORT: {address} cannot be used: {error}"),
        _ => format!("HOST: {host} is not an address of this machine: {error}"),
    };
    io::Error::new(error.kind(), message)
}
