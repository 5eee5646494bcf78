//! Binding, running and stopping the server.

pub mod app;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use actix_web::{
    HttpServer, dev,
    web::{Data, ServiceConfig},
};

use self::app::{AppState, create_app, document};
use crate::{
    clock::Clock,
    config::Settings,
    db::Db,
    http::{
        cache::{Cache, listener::Watch},
        cors::Policy,
        docs::Documentation,
    },
    publishing::articles::ARTICLES,
};

/// How long idle connections stay open: longer than the 60 seconds after which nginx closes its own.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The highest number of open connections per worker.
const CONNECTIONS_PER_WORKER: usize = 10_000;

/// A server that is bound to its address.
pub struct Server {
    inner: dev::Server,
    state: AppState,
    db: Db,
    address: SocketAddr,
}

impl Server {
    /// Binds to the address of the settings; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is not available.
    pub fn bind(settings: &Settings, db: Db, clock: &Clock) -> io::Result<Self> {
        Self::bind_with(settings, db, clock, |_| {})
    }

    /// The same with further routes, for benchmarks.
    ///
    /// # Errors
    /// When the address is not available.
    pub fn bind_with(
        settings: &Settings,
        db: Db,
        clock: &Clock,
        further: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let documentation = Documentation::new(&document(settings)).map_err(io::Error::other)?;
        let documentation = Data::from(Arc::new(documentation));
        let policy = Policy::new(&settings.http.cors_origins);
        let cache = Arc::new(Cache::new(settings.cache.bytes));
        let state = AppState::new(settings, &db, cache, clock);
        let workers = settings.http.workers.max(1);
        let per_worker = settings.database.connections.div_ceil(u32::try_from(workers).unwrap_or(u32::MAX));
        // One for each hash that is computed at the same time, and as many for compression. Waiting for one takes no thread.
        let blocking = state.accounts.passwords.max_concurrent().saturating_mul(2);
        let (first, first_db) = (state.clone(), db.clone());
        let server = HttpServer::new(move || {
            let state = first.on(&first_db.for_worker(per_worker));
            create_app(state, policy.clone(), documentation.clone()).configure(further.clone())
        })
        .workers(workers)
        .worker_max_blocking_threads(blocking)
        .max_connections(CONNECTIONS_PER_WORKER)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .shutdown_timeout(settings.http.shutdown_timeout.as_secs())
        .bind((settings.http.host.as_str(), settings.http.port))?;
        let address =
            server.addrs().first().copied().ok_or_else(|| io::Error::other("no address is bound"))?;
        Ok(Self { inner: server.run(), state, db, address })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The state that its workers' states are made from.
    pub fn state(&self) -> &AppState {
        &self.state
    }

    /// Stops the server from elsewhere.
    pub fn handle(&self) -> dev::ServerHandle {
        self.inner.handle()
    }

    /// Serves until SIGTERM, which lets requests in flight finish for `SHUTDOWN_TIMEOUT_SECONDS`, or SIGINT.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(self) -> io::Result<()> {
        let _watch = Watch::start(self.db, self.state.http.cache, ARTICLES)?;
        self.inner.await
    }
}
