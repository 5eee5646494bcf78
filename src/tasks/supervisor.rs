//! Runs one task, restarts it after failures, and records its status.

use std::{
    any::Any,
    fmt::Display,
    mem,
    panic::AssertUnwindSafe,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{pin, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{Backoff, TaskStatus};

/// The recorded status of a task.
#[derive(Debug)]
pub(super) struct Entry {
    name: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: bool,
    ended: bool,
    restarts: u64,
    failures: u64,
    last_failure: Option<String>,
    /// Whether it has failed and has not been healthy since.
    failing: bool,
}

impl Entry {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, state: Mutex::default() }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state().ended
    }

    #[cfg(test)]
    pub(super) fn is_failing(&self) -> bool {
        self.state().failing
    }

    pub(super) fn status(&self) -> TaskStatus {
        let state = self.state();
        TaskStatus {
            name: self.name,
            running: state.running,
            restarts: state.restarts,
            failures: state.failures,
            last_failure: state.last_failure.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn started(&self, again: bool) {
        let mut state = self.state();
        state.running = true;
        state.restarts += u64::from(again);
    }

    /// Counts a failure. Returns whether the task starts to fail: true for the first failure, and for the
    /// first one after the task was healthy.
    pub(super) fn failed(&self, cause: String) -> bool {
        let mut state = self.state();
        state.running = false;
        state.failures += 1;
        state.last_failure = Some(cause);
        !mem::replace(&mut state.failing, true)
    }

    /// Records that the task is healthy. Returns whether it was failing before.
    pub(super) fn recovered(&self) -> bool {
        mem::take(&mut self.state().failing)
    }

    fn ended(&self) {
        let mut state = self.state();
        state.running = false;
        state.ended = true;
    }
}

/// Runs `task` until it ends without an error, or its token is cancelled.
pub(super) async fn supervise<F, E>(entry: &Entry, token: &CancellationToken, backoff: Backoff, task: F)
where
    F: AsyncFn(CancellationToken) -> Result<(), E>,
    E: Display,
{
    let mut pause = backoff.first;
    let mut again = false;
    while !token.is_cancelled() {
        entry.started(again);
        again = true;
        let (outcome, was_healthy) = run_once(entry, backoff.healthy_after, task(token.clone())).await;
        let Err(cause) = outcome else { break };
        // One line when the task starts to fail. Further failures are only counted until it is healthy again.
        if entry.failed(cause.clone()) {
            tracing::warn!(task = entry.name, cause, "a background task failed and will be restarted");
        } else {
            tracing::debug!(task = entry.name, cause, "a background task failed again");
        }
        if was_healthy {
            pause = backoff.first;
        }
        if token.run_until_cancelled(sleep(pause)).await.is_none() {
            break;
        }
        pause = pause.saturating_mul(2).min(backoff.longest);
    }
    entry.ended();
}

/// Runs a task to its end. Returns the reason if it failed, and whether it was healthy before.
async fn run_once<E: Display>(
    entry: &Entry,
    healthy_after: Duration,
    run: impl Future<Output = Result<(), E>>,
) -> (Result<(), String>, bool) {
    let run = AssertUnwindSafe(run).catch_unwind();
    let healthy = sleep(healthy_after);
    pin!(run, healthy);
    let mut was_healthy = false;
    let outcome = loop {
        tokio::select! {
            outcome = &mut run => break outcome,
            () = &mut healthy, if !was_healthy => {
                was_healthy = true;
                if entry.recovered() {
                    tracing::info!(task = entry.name, "a background task runs again");
                }
            }
        }
    };
    let outcome = match outcome {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(panic) => Err(message(&*panic)),
    };
    (outcome, was_healthy)
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("no message"))
}
