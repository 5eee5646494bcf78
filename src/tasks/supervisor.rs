//! Runs one task, again after every failure, and records how it is.

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

/// What is recorded of a task.
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
    /// It failed, and has not been well since.
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

    /// Counts a failure; answers whether it is news, which it is until the task fails again without having been well.
    pub(super) fn failed(&self, cause: String) -> bool {
        let mut state = self.state();
        state.running = false;
        state.failures += 1;
        state.last_failure = Some(cause);
        !mem::replace(&mut state.failing, true)
    }

    /// Notes that it has run for a while; answers whether that is news.
    pub(super) fn is_well(&self) -> bool {
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
        let (outcome, was_well) = watch(entry, backoff.well_after, task(token.clone())).await;
        let Err(cause) = outcome else { break };
        // One line when it starts to fail. What follows is only counted, until it is well again.
        if entry.failed(cause.clone()) {
            tracing::warn!(
                task = entry.name,
                cause,
                "a background task failed; it is restarted until it runs"
            );
        } else {
            tracing::debug!(task = entry.name, cause, "a background task failed again");
        }
        if was_well {
            pause = backoff.first;
        }
        if token.run_until_cancelled(sleep(pause)).await.is_none() {
            break;
        }
        pause = pause.saturating_mul(2).min(backoff.longest);
    }
    entry.ended();
}

/// Runs a task to its end. Answers with the reason if it failed, and whether it had been well before.
async fn watch<E: Display>(
    entry: &Entry,
    well_after: Duration,
    run: impl Future<Output = Result<(), E>>,
) -> (Result<(), String>, bool) {
    let run = AssertUnwindSafe(run).catch_unwind();
    let well = sleep(well_after);
    pin!(run, well);
    let mut was_well = false;
    let outcome = loop {
        tokio::select! {
            outcome = &mut run => break outcome,
            () = &mut well, if !was_well => {
                was_well = true;
                if entry.is_well() {
                    tracing::info!(task = entry.name, "a background task runs again");
                }
            }
        }
    };
    let outcome = match outcome {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(panic) => Err(message(&*panic)),
    };
    (outcome, was_well)
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("no message"))
}
