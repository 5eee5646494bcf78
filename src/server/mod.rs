//! Binding, running, draining and stopping.

pub mod app;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use actix_web::{
    HttpServer, dev,
    rt::time::timeout,
    web::{Data, ServiceConfig},
};

use crate::{
    db::Db,
    http::{cache::listener, docs::Documentation},
    server::app::{create_app, document},
    state::AppState,
    tasks::Tasks,
};

/// Idle connections are kept for this long: longer than the 60 seconds after which nginx closes its own.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A client has this long to send the head of its request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The most connections that one worker holds open.
const CONNECTIONS_PER_WORKER: usize = 10_000;

/// Closing the connections takes no longer than this: a dead network connection must not delay the end of the process.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A server that is bound to its address.
pub struct Server {
    inner: dev::Server,
    state: AppState,
    /// The pools of each worker.
    pools: Arc<[Db]>,
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
        let workers = settings.workers.max(1);
        // As many as may hash at once, and as many beside them that compress; what waits for one holds no stack and no heap.
        let blocking = state.passwords().at_once().saturating_mul(2);
        let pools: Arc<[Db]> = state.db.split(workers).into();
        let started = Arc::new(AtomicUsize::new(0));
        let (shared, of_workers) = (state.clone(), Arc::clone(&pools));
        let server = HttpServer::new(move || {
            // A worker that is started again, after a panic, takes the next pools.
            let worker = started.fetch_add(1, Relaxed);
            let db = of_workers.get(worker % of_workers.len().max(1)).unwrap_or(&shared.db);
            create_app(shared.with_db(db.clone()), documentation.clone()).configure(further.clone())
        })
        .workers(workers)
        .worker_max_blocking_threads(blocking)
        .max_connections(CONNECTIONS_PER_WORKER)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .shutdown_timeout(settings.shutdown_timeout.as_secs())
        .bind((settings.host.as_str(), settings.port))?;
        let address = server.addrs().first().copied().ok_or_else(|| io::Error::other("nothing is bound"))?;
        Ok(Self { inner: server.run(), state, pools, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops the server from elsewhere.
    pub fn handle(&self) -> dev::ServerHandle {
        self.inner.handle()
    }

    /// Serves until SIGTERM, which lets what is in flight finish for `SHUTDOWN_TIMEOUT_SECONDS`, or SIGINT. Then it ends the
    /// background tasks within the same time, and closes all database connections.
    ///
    /// # Errors
    /// When the address can no longer be served, or the system refuses a thread.
    pub async fn run(self) -> io::Result<()> {
        let tasks = Tasks::start()?;
        listener::start(&tasks, &self.state);
        let served = self.inner.await;
        tasks.shutdown(self.state.settings().shutdown_timeout).await;
        let close = async {
            for db in self.pools.iter().chain([&self.state.db]) {
                db.close().await;
            }
        };
        if timeout(CLOSE_TIMEOUT, close).await.is_err() {
            tracing::warn!("the database connections could not be closed in time");
        }
        served
    }
}
