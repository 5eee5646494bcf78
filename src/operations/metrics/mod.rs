//! Serves the metrics of the process on a listener of their own, apart from the public one.
//!
//! The listener has its own thread, and its page consists of what the process knows: it answers while every worker
//! is busy and while the database does not respond.

mod page;
mod resources;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{
    App, HttpResponse, HttpServer, dev, error,
    http::header::{CACHE_CONTROL, HeaderValue},
    web::{self, ThinData},
};
use prometheus_client::{
    encoding::prometheus_text::{self, CONTENT_TYPE},
    registry::Registry,
};

pub use self::page::Sources;

/// The path of the page.
const PATH: &str = "/metrics";

/// Maximum number of connections. Usually, one program asks.
const MAX_CONNECTIONS: usize = 16;

/// Maximum time for a client to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum time for a client to close its side of a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Binds to `METRICS_BIND`.
///
/// # Errors
/// If the address is not available. The error names the setting.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| {
        let message = match error.kind() {
            io::ErrorKind::AddrInUse => format!("{address} is in use: {error}"),
            io::ErrorKind::PermissionDenied => format!("{address} cannot be used: {error}"),
            _ => format!("{address} is not an address of this machine: {error}"),
        };
        io::Error::new(error.kind(), format!("METRICS_BIND: {message}"))
    })
}

/// Starts to serve the metrics of `sources`. The result ends only if it is stopped.
///
/// # Errors
/// If no thread is available.
pub fn serve(listener: TcpListener, sources: Sources) -> io::Result<dev::Server> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(sources));
    let registry = Arc::new(registry);
    let app = move || App::new().app_data(ThinData(Arc::clone(&registry))).route(PATH, web::get().to(show));
    let server = HttpServer::new(app)
        .workers(1)
        .worker_max_blocking_threads(1)
        .max_connections(MAX_CONNECTIONS)
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(CLOSE_TIMEOUT)
        .shutdown_timeout(CLOSE_TIMEOUT.as_secs())
        .disable_signals();
    Ok(server.listen(listener)?.run())
}

/// The page.
async fn show(registry: ThinData<Arc<Registry>>) -> Result<HttpResponse, error::Error> {
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry).map_err(error::ErrorInternalServerError)?;
    Ok(HttpResponse::Ok()
        .content_type(CONTENT_TYPE)
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .body(text))
}
