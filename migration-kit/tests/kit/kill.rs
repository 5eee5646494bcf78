//! A runner killed with SIGKILL at any statement leaves the database exactly as before, and the next run succeeds.
//!
//! Without the harness, because this program starts itself as the runner that is to be killed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "kit/support.rs"]
#[expect(dead_code, reason = "shared with the tests that need the rest of it")]
mod support;

use std::{
    io::Write,
    os::unix::process::ExitStatusExt,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use migration_kit::{DatabaseState, Engine, Error, Event, Migrator, Options, catalogue::Schema};
use support::{Place, connect, kit, sql};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if let Ok(step) = std::env::var("KILL_AT") {
        return run_until(step.parse().unwrap(), &std::env::var("KILL_URL").unwrap()).await;
    }
    kill_everywhere(async || Some(Place::sqlite().await)).await;
    kill_everywhere(Place::postgres).await;
    kill_everywhere(old_blog).await;
    kill_outside_transactions(async || Some(Place::sqlite().await)).await;
    kill_outside_transactions(Place::postgres).await;
}

async fn old_blog() -> Option<Place> {
    let mut place = Place::postgres().await?;
    place.run(include_str!("kit/old_schema.sql")).await;
    place.run(include_str!("kit/old_rows.sql")).await;
    place.db = connect(&place.url).await;
    Some(place)
}

/// The runner: kills itself before its `step`th statement.
async fn run_until(step: usize, url: &str) {
    let seen = AtomicUsize::new(0);
    let observe = |event: Event<'_>| {
        let counts = matches!(event, Event::Statement { .. } | Event::Commit);
        if counts && seen.fetch_add(1, Ordering::SeqCst) == step {
            let me = std::process::id().to_string();
            Command::new("kill").args(["-KILL", &me]).status().unwrap();
        }
    };
    let options = Options { on_event: Some(&observe), ..Options::default() };
    let kit = if std::env::var_os("KILL_MIXED").is_some() { mixed() } else { migration::migrator() };
    kit.up(&connect(url).await, &options).await.unwrap();
}

/// Three migrations, the middle one outside of a transaction.
fn mixed() -> Migrator {
    let mut alone = sql("m2", &["CREATE INDEX a_id ON a (id)", "CREATE INDEX a_x ON a (x)"], &[]);
    alone.transaction = Some(false);
    let first = sql("m1", &["CREATE TABLE a (id integer, x integer)"], &[]);
    kit(&[&first, &alone, &sql("m3", &["CREATE TABLE c (id integer)"], &[])])
}

/// Wherever it is killed, either nothing is half done, or a mark says so and the next run refuses.
async fn kill_outside_transactions(start: impl AsyncFn() -> Option<Place>) {
    let (mut marked, mut step) = (0, 0);
    loop {
        let Some(place) = start().await else { return };
        let status = Command::new(std::env::current_exe().unwrap())
            .envs([
                ("KILL_AT", step.to_string()),
                ("KILL_URL", place.url.clone()),
                ("KILL_MIXED", "1".into()),
            ])
            .status()
            .unwrap();
        if status.success() {
            assert!(marked >= 2, "killed inside of the migration {marked} times");
            return;
        }
        assert_eq!(status.signal(), Some(9), "at statement {step}");
        let (schema, _) = picture(&place).await;
        let incomplete = matches!(mixed().state(&place.db).await.unwrap(), DatabaseState::Managed(own) if !own.incomplete.is_empty());
        if incomplete {
            marked += 1;
            let refused = mixed().up(&place.db, &Options::default()).await.unwrap_err();
            assert!(matches!(refused, Error::Incomplete(_)), "{refused}");
        } else {
            let indexes = schema.tables.get("a").map_or(0, |table| table.indexes.len());
            assert!(indexes == 0 || indexes == 2, "half done and not marked, at statement {step}");
            mixed().up(&place.db, &Options::default()).await.unwrap();
        }
        step += 1;
    }
}

async fn kill_everywhere(start: impl AsyncFn() -> Option<Place>) {
    let mut step = 0;
    loop {
        let Some(place) = start().await else { return };
        let before = picture(&place).await;
        let status = Command::new(std::env::current_exe().unwrap())
            .env("KILL_AT", step.to_string())
            .env("KILL_URL", &place.url)
            .status()
            .unwrap();
        if status.success() {
            assert!(step > 15, "only {step} statements were killed");
            let text = format!("{}: killed at each of {step} statements\n", place.engine.name());
            std::io::stdout().write_all(text.as_bytes()).unwrap();
            return;
        }
        assert_eq!(status.signal(), Some(9), "at statement {step}");
        assert_eq!(picture(&place).await, before, "after a kill at statement {step}");
        migration::up(&place.db).await.unwrap();
        assert!(migration::up(&place.db).await.unwrap().applied.is_empty());
        step += 1;
    }
}

/// The schema and every row. On PostgreSQL only once the dead runner's session is gone.
async fn picture(place: &Place) -> (Schema, Vec<String>) {
    if place.engine == Engine::Postgres {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                      AND xact_start IS NOT NULL";
        for _ in 0..200 {
            if place.number(others).await == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let schema = Schema::load(&place.db).await.unwrap();
    let mut rows = Vec::new();
    if place.engine == Engine::Postgres {
        for table in schema.tables.keys() {
            rows.extend(place.texts(&format!("SELECT t::text FROM {table} t ORDER BY 1")).await);
        }
    }
    (schema, rows)
}
