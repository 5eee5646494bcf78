//! Binding, running, draining and stopping.

pub mod app;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use actix_web::{
    HttpServer, dev,
    web::{Data, ServiceConfig},
};

use crate::{
    http::{cache::listener::Watch, docs::Documentation},
    server::app::{create_app, document},
    state::AppState,
};

/// Idle connections are kept for this long: longer than the 60 seconds after which nginx closes its own.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A client has this long to send the head of its request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The most connections that one worker holds open.
const CONNECTIONS_PER_WORKER: usize = 10_000;

/// A server that is bound to its address.
pub struct Server {
    inner: dev::Server,
    watched: AppState,
    address: SocketAddr,
}

impl Server {
    /// Binds to the address of the settings; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address can't be had.
    pub fn bind(state: AppState) -> io::Result<Self> {
        Self::bind_with(state, |_| {})
    }

    /// The same with further routes, as benchmarks have them.
    ///
    /// # Errors
    /// When the address can't be had.
    pub fn bind_with(
        state: AppState,
        further: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let settings = state.settings().clone();
        let documentation = Documentation::new(&document(&settings)).map_err(io::Error::other)?;
        let documentation = Data::from(Arc::new(documentation));
        let workers = settings.http.workers.max(1);
        let per_worker = settings.database.connections.div_ceil(u32::try_from(workers).unwrap_or(u32::MAX));
        // As many as may hash at once, and as many beside them that compress; what waits for one holds no stack and no heap.
        let blocking = state.passwords().at_once().saturating_mul(2);
        let watched = state.clone();
        let server = HttpServer::new(move || {
            let state = state.with_db(state.db.for_worker(per_worker));
            create_app(state, documentation.clone()).configure(further.clone())
        })
        .workers(workers)
        .worker_max_blocking_threads(blocking)
        .max_connections(CONNECTIONS_PER_WORKER)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .shutdown_timeout(settings.http.shutdown_timeout.as_secs())
        .bind((settings.http.host.as_str(), settings.http.port))?;
        let address = server.addrs().first().copied().ok_or_else(|| io::Error::other("nothing is bound"))?;
        Ok(Self { inner: server.run(), address, watched })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops the server from elsewhere.
    pub fn handle(&self) -> dev::ServerHandle {
        self.inner.handle()
    }

    /// Serves until SIGTERM, which lets what is in flight finish for `SHUTDOWN_TIMEOUT_SECONDS`, or SIGINT.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(self) -> io::Result<()> {
        let _watch = Watch::start(self.watched)?;
        self.inner.await
    }
}
