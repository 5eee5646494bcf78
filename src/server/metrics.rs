//! The listener for metrics, and what it shows of a server.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use actix_web::{dev, rt};
use chrono::{DateTime, Utc};

use super::app::AppState;
use crate::{
    clock::Clock,
    db::Db,
    http::metrics::HttpCounters,
    operations::metrics::{Sources, listen, serve},
    tasks::Tasks,
};

/// A listener that is bound, and what the workers count.
pub(super) struct Metrics {
    listener: TcpListener,
    address: SocketAddr,
    counters: Arc<HttpCounters>,
    started: DateTime<Utc>,
}

impl Metrics {
    /// Binds to `METRICS_BIND`. The process has started about now.
    ///
    /// # Errors
    /// If the address is not available.
    pub(super) fn bind(address: SocketAddr, counters: Arc<HttpCounters>, clock: &Clock) -> io::Result<Self> {
        let listener = listen(address)?;
        Ok(Self { address: listener.local_addr()?, listener, counters, started: clock.now() })
    }

    /// The address of the listener.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves metrics until the result is used to stop. `pools` are those of the workers.
    ///
    /// # Errors
    /// If no thread is available.
    pub(super) fn serve(
        self,
        state: &AppState,
        pools: Arc<[Db]>,
        tasks_db: Db,
        tasks: &Tasks,
    ) -> io::Result<dev::ServerHandle> {
        let sources = Sources {
            http: self.counters,
            pools,
            tasks_db,
            cache: Arc::clone(&state.http.cache),
            passwords: Arc::clone(&state.accounts.passwords),
            delivery: state.accounts.delivery.clone(),
            tasks: tasks.statuses(),
            started: self.started,
        };
        let server = serve(self.listener, sources)?;
        let handle = server.handle();
        rt::spawn(server);
        Ok(handle)
    }
}
