//! Tests of background tasks on their own runtime.

use std::{
    future::pending,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use super::{
    Backoff, Tasks,
    supervisor::{Entry, supervise},
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_secs(30);

const QUICK: Backoff =
    Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(4), healthy_after: LONG };

async fn until(mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < LONG, "never happened");
        sleep(Duration::from_millis(1)).await;
    }
}

async fn until_cancelled(token: CancellationToken) -> io::Result<()> {
    token.cancelled().await;
    Ok(())
}

#[actix_web::test]
async fn tasks_are_cancelled_and_joined() {
    let tasks = Tasks::start().unwrap();
    let ended = Arc::new(AtomicUsize::new(0));
    for name in ["first", "second"] {
        let ended = Arc::clone(&ended);
        tasks.spawn(name, async move |token| {
            until_cancelled(token).await?;
            // The end of a task may take a moment.
            sleep(Duration::from_millis(20)).await;
            ended.fetch_add(1, SeqCst);
            io::Result::Ok(())
        });
    }
    until(|| tasks.statuses().all().iter().all(|task| task.running)).await;
    assert!(tasks.shutdown(LONG).await.is_empty());
    assert_eq!(ended.load(SeqCst), 2);
}

#[actix_web::test]
async fn a_task_that_does_not_end_in_time_is_named() {
    let tasks = Tasks::start().unwrap();
    tasks.spawn("prompt", until_cancelled);
    tasks.spawn("stubborn", async |_| pending::<io::Result<()>>().await);
    until(|| tasks.statuses().all().iter().all(|task| task.running)).await;
    assert_eq!(tasks.shutdown(Duration::from_millis(200)).await, ["stubborn"]);
}

#[actix_web::test]
async fn dropping_the_tasks_cancels_them() {
    let tasks = Tasks::start().unwrap();
    let (cancelled, at_end) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (started, counted) = (Arc::clone(&at_end), Arc::clone(&cancelled));
    tasks.spawn("dropped", async move |token| {
        started.fetch_add(1, SeqCst);
        until_cancelled(token).await?;
        counted.fetch_add(1, SeqCst);
        io::Result::Ok(())
    });
    until(|| at_end.load(SeqCst) == 1).await;
    drop(tasks);
    until(|| cancelled.load(SeqCst) == 1).await;
}

#[actix_web::test]
async fn a_task_that_fails_is_restarted_and_its_failures_are_counted() {
    let tasks = Tasks::start().unwrap();
    let runs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    tasks.spawn_with("flaky", QUICK, async move |token| {
        if counted.fetch_add(1, SeqCst) < 3 {
            return Err(io::Error::other("no luck"));
        }
        until_cancelled(token).await
    });
    until(|| runs.load(SeqCst) == 4).await;
    let status = tasks.statuses().all().remove(0);
    assert_eq!((status.name, status.running), ("flaky", true));
    assert_eq!((status.restarts, status.failures), (3, 3));
    assert_eq!(status.last_failure.as_deref(), Some("no luck"));
}

#[actix_web::test]
async fn a_task_that_panics_is_restarted_and_does_not_affect_others() {
    let tasks = Tasks::start().unwrap();
    tasks.spawn("calm", until_cancelled);
    let runs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    tasks.spawn_with("panicking", QUICK, async move |token| {
        assert!(counted.fetch_add(1, SeqCst) > 0, "the first run fails");
        until_cancelled(token).await
    });
    until(|| runs.load(SeqCst) == 2).await;
    let [calm, panicking] = tasks.statuses().all().try_into().unwrap();
    assert_eq!((calm.running, calm.failures), (true, 0));
    assert_eq!(
        (panicking.failures, panicking.last_failure.as_deref()),
        (1, Some("panicked: the first run fails"))
    );
    assert!(tasks.shutdown(LONG).await.is_empty());
}

#[actix_web::test]
async fn a_task_that_is_done_is_not_restarted() {
    let tasks = Tasks::start().unwrap();
    let runs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    tasks.spawn_with("once", QUICK, async move |_| {
        counted.fetch_add(1, SeqCst);
        io::Result::Ok(())
    });
    until(|| runs.load(SeqCst) == 1).await;
    assert!(tasks.shutdown(LONG).await.is_empty());
    assert_eq!(runs.load(SeqCst), 1);
}

#[actix_web::test]
async fn the_wait_before_a_restart_doubles_up_to_the_longest() {
    let backoff =
        Backoff { first: Duration::from_millis(20), longest: Duration::from_millis(80), healthy_after: LONG };
    let (entry, token) = (Entry::new("failing"), CancellationToken::new());
    let runs = AtomicU64::new(0);
    let started = Instant::now();
    supervise(&entry, &token, backoff, async |token: CancellationToken| {
        if runs.fetch_add(1, SeqCst) == 4 {
            token.cancel();
        }
        Err::<(), _>("fails")
    })
    .await;
    // 20, 40, 80 and again 80: a busy machine can only take longer.
    assert!(started.elapsed() >= Duration::from_millis(220), "{:?}", started.elapsed());
    assert_eq!(entry.status().failures, 5);
}

#[actix_web::test]
async fn the_wait_of_a_task_that_was_healthy_starts_over() {
    let backoff = Backoff { first: Duration::from_millis(1), longest: LONG, healthy_after: Duration::ZERO };
    let (entry, token) = (Entry::new("unlucky"), CancellationToken::new());
    let runs = AtomicU64::new(0);
    // Without the reset, these waits would add up to half an hour.
    supervise(&entry, &token, backoff, async |token: CancellationToken| {
        if runs.fetch_add(1, SeqCst) == 20 {
            token.cancel();
        }
        sleep(Duration::from_millis(5)).await;
        Err::<(), _>("fails")
    })
    .await;
    assert_eq!(entry.status().failures, 21);
}

#[test]
fn failing_and_recovering_are_each_reported_once() {
    let entry = Entry::new("flaky");
    assert!(!entry.recovered());
    assert!(entry.failed("first".to_owned()));
    assert!(!entry.failed("second".to_owned()));
    assert!(entry.recovered());
    assert!(!entry.recovered());
    assert!(entry.failed("third".to_owned()));
    let status = entry.status();
    assert_eq!((status.failures, status.last_failure.as_deref()), (3, Some("third")));
}

#[actix_web::test]
async fn a_task_is_healthy_after_it_has_run_for_a_while() {
    let backoff = Backoff { healthy_after: Duration::from_millis(20), ..QUICK };
    let (entry, token) = (Entry::new("slow"), CancellationToken::new());
    let runs = AtomicU64::new(0);
    let supervised = supervise(&entry, &token, backoff, async |token: CancellationToken| {
        if runs.fetch_add(1, SeqCst) == 0 {
            return Err("fails at once");
        }
        until(|| !entry.is_failing()).await;
        token.cancel();
        Ok(())
    });
    timeout(LONG, supervised).await.unwrap();
    assert_eq!(runs.load(SeqCst), 2);
}
