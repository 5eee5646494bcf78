//! Binds, runs and stops the server.

pub mod app;
mod connections;
pub mod descriptors;
mod http2;
mod listeners;
mod metrics;
mod stop;
mod systemd;
mod tls;
mod turns;
mod unix_socket;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use actix_server::ServerBuilder;
use actix_web::{
    dev,
    rt::time::timeout,
    web::{Data, ServiceConfig},
};

use self::{
    app::{AppState, create_app},
    connections::Limits,
    listeners::Listeners,
    metrics::Metrics,
    stop::{Signals, Stop, Stopped},
};
use crate::{
    accounts,
    clock::Clock,
    config::{MailSettings, Settings},
    db::Db,
    http::{
        cache::{Cache, listener},
        cors::Policy,
        metrics::HttpCounters,
    },
    publishing::{self, articles::ARTICLES},
    tasks::Tasks,
};

/// Maximum number of open client connections per worker, if the limit on open files allows it.
const CONNECTIONS_PER_WORKER: usize = 10_000;

/// Minimum time for background tasks to end, even if `SHUTDOWN_TIMEOUT_SECONDS` is 0: a task ends only
/// between two statements.
const MIN_TASK_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum wait for database connections to close: a dead network connection must not delay the end of the
/// process.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum time to stop, in addition to `DRAIN_SECONDS` and to `SHUTDOWN_TIMEOUT_SECONDS`, which requests and tasks have
/// one after the other.
const LONGEST_STOP: Duration = Duration::from_secs(10);

/// A server that is bound to its address.
pub struct Server {
    inner: dev::Server,
    state: AppState,
    db: Db,
    /// The pools of each worker.
    pools: Arc<[Db]>,
    /// The connections of background tasks.
    tasks_db: Db,
    /// The listener for metrics, and what they count.
    metrics: Option<Metrics>,
    mail: MailSettings,
    site: String,
    shutdown_timeout: Duration,
    stop: Stop,
    address: Option<SocketAddr>,
}

impl Server {
    /// Binds to the address in the settings; port 0 selects a free port.
    ///
    /// # Errors
    /// If the address is not available.
    pub fn bind(settings: &Settings, db: Db, clock: &Clock) -> io::Result<Self> {
        Self::bind_with(settings, db, clock, |_| {})
    }

    /// Binds a server with additional routes, for benchmarks.
    ///
    /// # Errors
    /// If the address is not available.
    pub fn bind_with(
        settings: &Settings,
        db: Db,
        clock: &Clock,
        further: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let documentation = settings.app.docs.then(|| Data::new(app::documentation(settings)));
        let policy = Policy::new(&settings.http.cors_origins);
        // A server that cannot detect changes by other processes must not cache.
        let bytes = if db.obstacle_to_listening().is_none() { settings.cache.bytes } else { 0 };
        let cache = Arc::new(Cache::new(bytes));
        let state = AppState::new(settings, &db, cache, clock);
        let workers = settings.http.workers.max(1);
        // One thread for each concurrent hash, and as many for compression. Queued passwords need no thread.
        let blocking = state.accounts.passwords.max_concurrent().saturating_mul(2);
        let pools: Arc<[Db]> = db.split(workers).into();
        let started = Arc::new(AtomicUsize::new(0));
        let database_connections = usize::try_from(db.max_connections()).unwrap_or(usize::MAX);
        let clients = descriptors::clients_per_worker(CONNECTIONS_PER_WORKER, workers, database_connections);
        let counters = Arc::new(HttpCounters::new(workers));
        let connections = Arc::clone(&counters.connections);
        let measures = settings.monitoring.metrics_bind.is_some();
        let (shared, pools_of_workers) = (state.clone(), Arc::clone(&pools));
        let builder = ServerBuilder::new()
            .workers(workers)
            .worker_max_blocking_threads(blocking)
            .max_concurrent_connections(clients)
            .shutdown_timeout(settings.http.shutdown_timeout.as_secs())
            .disable_signals();
        let limits = Limits {
            write_timeout: settings.http.write_timeout,
            requests: clients,
            stopping: builder.graceful_shutdown_signal(),
            connections,
        };
        let counters_of_workers = Arc::clone(&counters);
        let app = move || {
            // A worker that is restarted after a panic takes the next pools.
            let number = started.fetch_add(1, Relaxed).checked_rem(pools_of_workers.len());
            let pools = number.and_then(|number| pools_of_workers.get(number));
            let mut state = pools.map_or_else(|| shared.clone(), |pools| shared.on(pools));
            state.http.counters =
                number.filter(|_| measures).and_then(|number| counters_of_workers.worker(number));
            let app = create_app(state, policy.clone(), documentation.clone());
            connections::answer(app.configure(further.clone()))
        };
        let listeners = Listeners::bind(&settings.http)?;
        let address = listeners.address()?;
        // After the public listener, so that an address for both is an error of this setting.
        let metrics = settings.monitoring.metrics_bind;
        let metrics = metrics.map(|address| Metrics::bind(address, counters, clock)).transpose()?;
        let server = listeners.serve(builder, settings.http.identity.as_ref(), &limits, app)?;
        let stop = Stop {
            signals: Signals::listen()?,
            draining: state.http.draining.clone(),
            drain: settings.http.drain,
            longest: settings.http.drain + LONGEST_STOP + settings.http.shutdown_timeout * 2,
            listeners,
        };
        let shutdown_timeout = settings.http.shutdown_timeout;
        let tasks_db = db.for_tasks(&pools);
        let (mail, site) = (settings.mail.clone(), settings.app.name.clone());
        Ok(Self {
            inner: server.run(),
            state,
            db,
            pools,
            tasks_db,
            metrics,
            mail,
            site,
            shutdown_timeout,
            stop,
            address,
        })
    }

    /// The address that the server listens on; none for a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The address that metrics are served on.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(Metrics::address)
    }

    /// The state from which the states of the workers are built.
    pub fn state(&self) -> &AppState {
        &self.state
    }

    /// A handle to stop the server from another task.
    pub fn server_handle(&self) -> dev::ServerHandle {
        self.inner.handle()
    }

    /// Serves until SIGTERM or SIGINT. After SIGTERM, serves for `DRAIN_SECONDS`; then requests in flight have
    /// `SHUTDOWN_TIMEOUT_SECONDS` to finish. Then ends the background tasks within the same time, but at least one
    /// second, and closes all database connections. A second signal ends all of this.
    ///
    /// # Errors
    /// If accepting connections fails, or no thread is available.
    pub async fn run(self) -> io::Result<()> {
        let tasks = Tasks::start()?;
        listener::start(&tasks, &self.db, &self.state.http.cache, ARTICLES);
        accounts::start(&tasks, &self.state.accounts.on(&self.tasks_db), &self.mail, &self.site);
        publishing::start(&tasks, &self.state.publishing.on(&self.tasks_db));
        let metrics = match self.metrics {
            Some(metrics) => {
                Some(metrics.serve(&self.state, Arc::clone(&self.pools), self.tasks_db.clone(), &tasks)?)
            }
            None => None,
        };
        systemd::ready();
        let served = self.stop.serve(self.inner).await;
        let for_tasks = match served {
            Ok(Stopped::AtOnce) => MIN_TASK_TIMEOUT,
            _ => self.shutdown_timeout.max(MIN_TASK_TIMEOUT),
        };
        tasks.shutdown(for_tasks).await;
        if let Some(metrics) = metrics {
            metrics.stop(false).await;
        }
        let close = async {
            for db in self.pools.iter().chain([&self.tasks_db, &self.db]) {
                db.close().await;
            }
        };
        if timeout(CLOSE_TIMEOUT, close).await.is_err() {
            tracing::warn!("the database connections could not be closed in time");
        }
        served.map(drop)
    }
}
