//! Kills a run with SIGKILL before each of its statements in turn.
//!
//! A test starts itself again as the process to be killed: the first line of the test calls
//! [`Runner::from_environment`].

use std::{
    os::unix::process::ExitStatusExt,
    process::{Command, ExitStatus, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use migration_kit::{Engine, Event, Migrator, Options, catalogue::Schema};

use super::database::{TestDatabase, connect};

/// The process to be killed.
pub(crate) struct Runner {
    step: usize,
    url: String,
}

impl Runner {
    /// `None` in the process that runs the test.
    pub(crate) fn from_environment() -> Option<Self> {
        let step = std::env::var("KILL_AT").ok()?.parse().unwrap();
        Some(Self { step, url: std::env::var("KILL_URL").unwrap() })
    }

    /// Runs the migrations and kills this process before the given statement, counted from 0.
    pub(crate) async fn run(self, migrator: &Migrator) {
        let count = AtomicUsize::new(0);
        let on_event = |event: Event<'_>| {
            let counts = matches!(event, Event::Statement { .. } | Event::Commit);
            if counts && count.fetch_add(1, Ordering::SeqCst) == self.step {
                let me = std::process::id().to_string();
                Command::new("kill").args(["-KILL", &me]).status().unwrap();
            }
        };
        let options = Options { on_event: Some(&on_event), ..Options::default() };
        migrator.up(&connect(&self.url).await, &options).await.unwrap();
    }
}

/// Starts the test `name` as a [`Runner`] and waits for its end. True if it was killed, false if it
/// completed.
pub(crate) fn is_killed(name: &str, step: usize, database: &TestDatabase) -> bool {
    let status: ExitStatus = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--include-ignored"])
        .envs([("KILL_AT", step.to_string()), ("KILL_URL", database.url.clone())])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success() || status.signal() == Some(9), "at statement {step}: {status}");
    !status.success()
}

/// Wherever a run is killed, it leaves the database as it was, and the next run succeeds. A run must have
/// more than `least` statements.
pub(crate) async fn assert_a_killed_run_changes_nothing(
    name: &str,
    migrator: Migrator,
    least: usize,
    create: impl AsyncFn() -> TestDatabase,
) {
    if let Some(runner) = Runner::from_environment() {
        return runner.run(&migrator).await;
    }
    for step in 0.. {
        let database = create().await;
        let before = contents(&database).await;
        if !is_killed(name, step, &database) {
            assert!(step > least, "the run was killed at {step} statements only");
            return;
        }
        assert_eq!(contents(&database).await, before, "after a kill at statement {step}");
        migrator.up(&database.db, &Options::default()).await.unwrap();
        assert!(migrator.up(&database.db, &Options::default()).await.unwrap().applied.is_empty());
    }
}

/// The schema, and on PostgreSQL every row, once the killed process's session has ended.
pub(crate) async fn contents(database: &TestDatabase) -> (Schema, Vec<String>) {
    if database.engine == Engine::Postgres {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                      AND pid <> pg_backend_pid() AND xact_start IS NOT NULL";
        for _ in 0..200 {
            if database.number(others).await == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let schema = Schema::load(&database.db).await.unwrap();
    let mut rows = Vec::new();
    if database.engine == Engine::Postgres {
        for table in schema.tables.keys() {
            rows.extend(database.texts(&format!("SELECT t::text FROM {table} t ORDER BY 1")).await);
        }
    }
    (schema, rows)
}
