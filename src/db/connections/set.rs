//! The connections of one pool: checked out, checked in, closed.

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use sqlx::{Connection as _, Database};
use tokio::{
    runtime,
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};

use super::{
    monitor::{Monitor, Running},
    opener::{Opener, Options},
};
use crate::{histogram::Distribution, traces::Tracer};

/// A connection that was idle for longer than this is pinged before its next use.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// A connection that takes longer to answer a ping is closed: a request must not wait its whole acquire timeout
/// for a dead network connection.
const PING_TIMEOUT: Duration = Duration::from_millis(500);

/// How many connections a set has, and for how long.
#[derive(Clone, Debug)]
pub(in crate::db) struct Limits {
    /// The most connections. They are opened when they are first needed.
    pub(in crate::db) connections: u32,
    /// The longest wait for a connection.
    pub(in crate::db) acquire_timeout: Duration,
    /// An idle connection is closed after this time.
    pub(in crate::db) idle_timeout: Duration,
    /// The longest wait for a connection to close, before another one may be opened in its place.
    pub(in crate::db) close_timeout: Duration,
    /// Whether the durations of statements are observed.
    pub(in crate::db) measures: bool,
    /// Records statements in traces.
    pub(in crate::db) tracer: Tracer,
}

/// What differs between sessions and transactions as the unit that a pooler assigns.
#[derive(Clone, Debug, Default)]
pub(in crate::db) struct Pooling {
    /// Runs on each new connection.
    pub(in crate::db) on_open: Option<String>,
    /// Begins each transaction, and a transaction around each single statement: without one, a pooler that
    /// assigns a session to a transaction could run the parts of a statement in different sessions. Statements
    /// are not prepared for later use.
    pub(in crate::db) begin: Option<String>,
}

/// The connections and what they have in common.
pub(super) struct ConnectionSet<D: Database> {
    opener: Opener<D>,
    limits: Limits,
    pooling: Pooling,
    /// One per connection that may be in use or is being closed.
    permits: Semaphore,
    /// The connections that are not in use, the one used last at the end.
    idle: Mutex<Vec<Idle<D>>>,
    /// How many connections were opened.
    opened: AtomicU64,
    /// How many owners wait for a permit.
    waiting: AtomicU64,
    monitor: Monitor,
}

/// How a set of connections is used, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolUsage {
    /// Connections that are in use or being closed.
    pub in_use: u64,
    /// Connections that are open and not in use.
    pub idle: u64,
    /// Owners that wait for a connection.
    pub waiting: u64,
    /// How many connections were opened so far.
    pub opened: u64,
    /// The durations of statements so far.
    pub statements: Distribution,
}

struct Idle<D: Database> {
    connection: D::Connection,
    since: Instant,
}

/// A connection and the permit of its set.
pub(in crate::db) struct CheckedOut<D: Database> {
    connection: Option<D::Connection>,
    /// No statement ran on it yet.
    new: bool,
    set: Arc<ConnectionSet<D>>,
}

impl<D: Database> ConnectionSet<D> {
    /// `system` is the name that OpenTelemetry has for the database.
    pub(super) fn new(
        options: Options<D>,
        limits: Limits,
        pooling: Pooling,
        system: &'static str,
    ) -> Arc<Self> {
        let connections = usize::try_from(limits.connections).unwrap_or(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            opener: Opener::new(options),
            permits: Semaphore::new(connections),
            idle: Mutex::new(Vec::new()),
            opened: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            monitor: Monitor::new(limits.measures, limits.tracer.clone(), system),
            limits,
            pooling,
        })
    }

    /// A connection that works, as far as can be known.
    pub(super) async fn check_out(self: &Arc<Self>) -> Result<CheckedOut<D>, DbErr> {
        let deadline = Instant::now() + self.limits.acquire_timeout;
        self.take_permit(deadline).await?;
        // From here on, dropping `checked_out` returns the permit.
        let idle = self.idle().pop();
        let is_fresh = idle.as_ref().is_some_and(|idle| idle.since.elapsed() <= FRESH_FOR);
        let mut checked_out =
            CheckedOut { connection: idle.map(|idle| idle.connection), new: false, set: Arc::clone(self) };
        if !is_fresh && !checked_out.answers().await {
            checked_out.close().await;
            self.opened.fetch_add(1, SeqCst);
            checked_out.connection = Some(self.opener.open(deadline).await.map_err(unavailable)?);
            checked_out.new = true;
        }
        Ok(checked_out)
    }

    async fn take_permit(&self, deadline: Instant) -> Result<(), DbErr> {
        // The usual case needs no timer.
        if let Ok(permit) = self.permits.try_acquire() {
            permit.forget();
            return Ok(());
        }
        let _waiting = Waiting::new(&self.waiting);
        match timeout_at(deadline, self.permits.acquire()).await {
            Ok(Ok(permit)) => {
                permit.forget();
                Ok(())
            }
            Ok(Err(_)) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)),
            Err(_) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle<D>>> {
        // No code panics while it holds the lock, and the list is valid after every step.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the connection that was idle for longest, if that was too long.
    fn close_expired(self: &Arc<Self>) {
        let is_expired = |idle: &Idle<D>| idle.since.elapsed() > self.limits.idle_timeout;
        let has_expired = self.idle().first().is_some_and(is_expired);
        // It has no permit while it is idle, but needs one until it is closed.
        if let Some(permit) = has_expired.then(|| self.permits.try_acquire().ok()).flatten() {
            permit.forget();
            let mut checked_out = CheckedOut { connection: None, new: false, set: Arc::clone(self) };
            let mut idle = self.idle();
            if idle.first().is_some_and(is_expired) {
                checked_out.connection = Some(idle.remove(0).connection);
            }
        }
    }

    /// Closes the connections that are not in use, without a farewell.
    pub(super) fn close_idle(&self) {
        self.idle().clear();
    }

    /// How many connections were opened so far.
    pub(super) fn opened(&self) -> u64 {
        self.opened.load(SeqCst)
    }

    pub(super) fn pooling(&self) -> &Pooling {
        &self.pooling
    }

    /// Adds how the set is used to `usage`.
    pub(super) fn add_usage(&self, usage: &mut PoolUsage) {
        let connections = usize::try_from(self.limits.connections).unwrap_or(usize::MAX);
        // A set that is closed has no permits.
        let in_use = if self.permits.is_closed() {
            0
        } else {
            connections.saturating_sub(self.permits.available_permits())
        };
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        usage.in_use = usage.in_use.saturating_add(count(in_use));
        usage.idle = usage.idle.saturating_add(count(self.idle().len()));
        usage.waiting = usage.waiting.saturating_add(self.waiting.load(Relaxed));
        usage.opened = usage.opened.saturating_add(self.opened());
        if let Some(durations) = &self.monitor.durations {
            usage.statements.add(durations);
        }
    }

    /// Closes the connections, after those in use were checked in. Nothing is checked out afterwards.
    pub(super) async fn close(&self) {
        // Later owners wait for their permits behind this, and get none.
        let all = self.permits.acquire_many(self.limits.connections).await;
        self.permits.close();
        drop(all);
        let idle = mem::take(&mut *self.idle());
        for idle in idle {
            // After an error, the connection is closed too.
            let _ = idle.connection.close().await;
        }
    }
}

impl<D: Database> CheckedOut<D> {
    /// Whether the connection answers a ping in time.
    async fn answers(&mut self) -> bool {
        match &mut self.connection {
            Some(connection) => matches!(timeout(PING_TIMEOUT, connection.ping()).await, Ok(Ok(()))),
            None => false,
        }
    }

    async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            // After an error, the connection is closed too.
            let _ = timeout(self.set.limits.close_timeout, connection.close()).await;
        }
    }

    /// Whether no statement ran on the connection yet.
    pub(super) fn is_new(&self) -> bool {
        self.new
    }

    pub(super) fn pooling(&self) -> &Pooling {
        &self.set.pooling
    }

    /// A statement begins on the connection.
    pub(super) fn begin(&self, sql: &str) -> Running {
        self.set.monitor.begin(sql)
    }

    pub(super) fn check_in(mut self) {
        let set = Arc::clone(&self.set);
        if let Some(connection) = self.connection.take() {
            // Before the permit is released, because its next owner would open another connection.
            set.idle().push(Idle { connection, since: Instant::now() });
        }
        drop(self);
        set.close_expired();
    }

    pub(super) fn connection(&mut self) -> Result<&mut D::Connection, sqlx::Error> {
        // The connection is present until it is checked in, which consumes `self`.
        self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)
    }
}

impl<D: Database> Drop for CheckedOut<D> {
    /// Closes a connection whose statement failed or was abandoned, and returns the permit.
    fn drop(&mut self) {
        let permit = Permit(Arc::clone(&self.set));
        // If the worker's runtime has ended, there is no time for a farewell.
        if let Some(connection) = self.connection.take()
            && let Ok(runtime) = runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                let _ = timeout(permit.0.limits.close_timeout, connection.close()).await;
                drop(permit);
            });
        }
    }
}

/// Counts an owner as waiting until it is dropped.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicU64) -> Self {
        waiting.fetch_add(1, Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Returns a permit when it is dropped, also with the task that it belongs to.
struct Permit<D: Database>(Arc<ConnectionSet<D>>);

impl<D: Database> Drop for Permit<D> {
    fn drop(&mut self) {
        self.0.permits.add_permits(1);
    }
}

pub(super) fn unavailable(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        other => DbErr::Conn(RuntimeErr::SqlxError(Arc::new(other))),
    }
}

impl<D: Database> fmt::Debug for ConnectionSet<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionSet").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<D: Database> fmt::Debug for CheckedOut<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.set.fmt(f)
    }
}

#[cfg(test)]
mod tests;
