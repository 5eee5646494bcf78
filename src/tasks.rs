//! Background tasks: named, restarted after failures, cancelled and joined on shutdown.
//!
//! All tasks share one thread with its own runtime, so that they never block a worker. The runtime ends after
//! the last task, because database drivers spawn work while a task ends.

mod supervisor;
#[cfg(test)]
mod tests;

use std::{
    fmt::Display,
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    task::LocalSet,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::supervisor::{Entry, supervise};

/// How long a failed task waits before it is restarted.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first wait. Each further wait is twice as long.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// A task that has run for this long is healthy. Its next wait is `first` again.
    pub healthy_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(250),
            longest: Duration::from_secs(30),
            healthy_after: Duration::from_mins(1),
        }
    }
}

/// The status of a task, for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStatus {
    /// Its name.
    pub name: &'static str,
    /// Whether it is running. False while it waits for a restart and after its end.
    pub running: bool,
    /// The number of restarts.
    pub restarts: u64,
    /// How often it failed with an error or a panic.
    pub failures: u64,
    /// The most recent of these errors; for logs and operators only.
    pub last_failure: Option<String>,
}

/// The status of every task, also for those who do not own the tasks.
#[derive(Clone, Debug, Default)]
pub struct Statuses(Arc<Mutex<Vec<Arc<Entry>>>>);

impl Statuses {
    /// In the order of [`Tasks::spawn`].
    pub fn all(&self) -> Vec<TaskStatus> {
        self.entries().iter().map(|entry| entry.status()).collect()
    }

    fn entries(&self) -> Vec<Arc<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn push(&self, entry: Arc<Entry>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
}

/// Starts a task; called on the thread of the tasks.
type Start = Box<dyn FnOnce(&TaskTracker) + Send>;

/// The background tasks of a process. Dropping it cancels them but does not wait for their end.
#[derive(Debug)]
pub struct Tasks {
    /// Unbounded, but holds at most one message per call of [`Tasks::spawn`].
    starts: mpsc::UnboundedSender<Start>,
    entries: Statuses,
    cancellation: CancellationToken,
    /// Resolves when the thread has ended.
    ended: oneshot::Receiver<()>,
}

impl Tasks {
    /// Starts the thread of the tasks.
    ///
    /// # Errors
    /// If the thread or its runtime cannot be created.
    pub fn start() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (starts, receiver) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        let cancellation = CancellationToken::new();
        let token = cancellation.clone();
        thread::Builder::new().name("tasks".to_owned()).spawn(move || {
            // The future is dropped inside the runtime, because some values need the runtime when they are
            // dropped.
            runtime.block_on(async move { LocalSet::new().run_until(run(receiver, token)).await });
            // Ends the work that drivers spawned.
            drop(runtime);
            // Fails if `shutdown` is not waiting, which is not an error.
            let _ = end.send(());
        })?;
        Ok(Self { starts, entries: Statuses::default(), cancellation, ended })
    }

    /// Runs a task until shutdown. `task` builds its future on the thread of the tasks, at the start and for
    /// every restart. The future should end soon after its token is cancelled.
    ///
    /// After an error or a panic, the task is restarted with the default [`Backoff`]. After `Ok`, it is not
    /// restarted.
    pub fn spawn<F, E>(&self, name: &'static str, task: F)
    where
        F: AsyncFn(CancellationToken) -> Result<(), E> + Send + 'static,
        E: Display + 'static,
    {
        self.spawn_with(name, Backoff::default(), task);
    }

    /// Runs a task like [`Tasks::spawn`], with another backoff.
    pub fn spawn_with<F, E>(&self, name: &'static str, backoff: Backoff, task: F)
    where
        F: AsyncFn(CancellationToken) -> Result<(), E> + Send + 'static,
        E: Display + 'static,
    {
        let entry = Arc::new(Entry::new(name));
        self.entries.push(Arc::clone(&entry));
        let token = self.cancellation.child_token();
        let start: Start = Box::new(move |tracker| {
            tracker.spawn_local(async move { supervise(&entry, &token, backoff, task).await });
        });
        // Fails only after shutdown, when no task must start.
        let _ = self.starts.send(start);
    }

    /// The status of every task, now and later.
    pub fn statuses(&self) -> Statuses {
        self.entries.clone()
    }

    /// Cancels all tasks and waits for their end, at most for `within`. Logs and returns the names of the
    /// tasks that are still running then; they end with the process.
    pub async fn shutdown(mut self, within: Duration) -> Vec<&'static str> {
        self.cancellation.cancel();
        if timeout(within, &mut self.ended).await.is_ok() {
            return Vec::new();
        }
        let late: Vec<&'static str> = self
            .entries
            .entries()
            .iter()
            .filter(|entry| !entry.has_ended())
            .map(|entry| entry.name())
            .collect();
        for task in &late {
            tracing::warn!(task, "a background task did not end in time");
        }
        late
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.cancellation.cancel();
    }
}

/// Starts tasks until cancellation, then waits until the running ones have ended.
async fn run(mut starts: mpsc::UnboundedReceiver<Start>, cancellation: CancellationToken) {
    let tracker = TaskTracker::new();
    while let Some(Some(start)) = cancellation.run_until_cancelled(starts.recv()).await {
        start(&tracker);
    }
    tracker.close();
    tracker.wait().await;
}
