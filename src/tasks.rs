//! Background tasks: named, restarted after failures, cancelled and joined on shutdown.
//!
//! They share one thread with a runtime of its own, so that no worker is held up by them. What a database driver still
//! spawns while a task ends has a runtime that lives until the last task has ended.

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

/// How long a failed task waits before it starts again.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first wait; each further one is twice as long.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// A task that has run for this long is well, and its next wait is the first again.
    pub well_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(250),
            longest: Duration::from_secs(30),
            well_after: Duration::from_mins(1),
        }
    }
}

/// What is known of a task, for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStatus {
    /// Its name.
    pub name: &'static str,
    /// Whether it runs now: not while it waits for a restart, and not after its end.
    pub running: bool,
    /// How often it was started again.
    pub restarts: u64,
    /// How often it ended with an error or a panic.
    pub failures: u64,
    /// The last of these errors; for logs and operators only.
    pub last_failure: Option<String>,
}

/// Starts a task on the thread of the tasks.
type Start = Box<dyn FnOnce(&TaskTracker) + Send>;

/// The background tasks of a process. Dropping it cancels them, without waiting for their end.
#[derive(Debug)]
pub struct Tasks {
    /// As many messages as there are calls of [`Tasks::spawn`].
    starts: mpsc::UnboundedSender<Start>,
    entries: Mutex<Vec<Arc<Entry>>>,
    cancellation: CancellationToken,
    /// Resolves when the thread has ended.
    ended: oneshot::Receiver<()>,
}

impl Tasks {
    /// Starts their thread.
    ///
    /// # Errors
    /// When the system refuses a thread or a runtime.
    pub fn start() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (starts, receiver) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        let cancellation = CancellationToken::new();
        let token = cancellation.clone();
        thread::Builder::new().name("tasks".to_owned()).spawn(move || {
            // Inside the runtime, so that whatever the tasks drop at the end finds it.
            runtime.block_on(async move { LocalSet::new().run_until(run(receiver, token)).await });
            // Ends what was spawned by drivers.
            drop(runtime);
            // The receiver is gone unless somebody waits.
            let _ = end.send(());
        })?;
        Ok(Self { starts, entries: Mutex::default(), cancellation, ended })
    }

    /// Runs a task until shutdown. `task` builds its future on the thread of the tasks, once at the start and once for every
    /// restart; the future should end soon after its token is cancelled.
    ///
    /// An error or a panic starts the task again, with the default [`Backoff`]. `Ok` ends it for good.
    pub fn spawn<F, E>(&self, name: &'static str, task: F)
    where
        F: AsyncFn(CancellationToken) -> Result<(), E> + Send + 'static,
        E: Display + 'static,
    {
        self.spawn_with(name, Backoff::default(), task);
    }

    /// The same with another backoff.
    pub fn spawn_with<F, E>(&self, name: &'static str, backoff: Backoff, task: F)
    where
        F: AsyncFn(CancellationToken) -> Result<(), E> + Send + 'static,
        E: Display + 'static,
    {
        let entry = Arc::new(Entry::new(name));
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&entry));
        let token = self.cancellation.child_token();
        let start: Start = Box::new(move |tracker| {
            tracker.spawn_local(async move { supervise(&entry, &token, backoff, task).await });
        });
        // The thread is gone only after shutdown, when nothing is to start.
        let _ = self.starts.send(start);
    }

    /// What is known of every task, in the order in which they were spawned.
    pub fn status(&self) -> Vec<TaskStatus> {
        self.entries().iter().map(|entry| entry.status()).collect()
    }

    /// Cancels all tasks and waits for their end, at most for `within`. The names of those that have not ended by then are
    /// logged and returned; they are left to the end of the process.
    pub async fn shutdown(mut self, within: Duration) -> Vec<&'static str> {
        self.cancellation.cancel();
        if timeout(within, &mut self.ended).await.is_ok() {
            return Vec::new();
        }
        let late: Vec<&'static str> =
            self.entries().iter().filter(|entry| !entry.has_ended()).map(|entry| entry.name()).collect();
        for task in &late {
            tracing::warn!(task, "a background task did not end in time");
        }
        late
    }

    fn entries(&self) -> Vec<Arc<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.cancellation.cancel();
    }
}

/// Starts tasks until the cancellation, then waits for those that run.
async fn run(mut starts: mpsc::UnboundedReceiver<Start>, cancellation: CancellationToken) {
    let tracker = TaskTracker::new();
    while let Some(Some(start)) = cancellation.run_until_cancelled(starts.recv()).await {
        start(&tracker);
    }
    tracker.close();
    tracker.wait().await;
}
