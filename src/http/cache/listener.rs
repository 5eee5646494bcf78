//! Hearing of writes elsewhere, and saying how long the cache may be trusted.
//!
//! **PostgreSQL.** A trigger notifies in the transaction of every statement that touches articles or renames users, whoever sends it. Notifications
//! come in the order of commits, so when this server's own heartbeat comes back, everything committed before it was sent has been
//! heard of: the cache is trusted for [`PATIENCE`] from the sending, and that is the bound of staleness should
//! the connection die without a word.
//!
//! **SQLite.** The data version of the one writing connection changes when another process commits (and only then); it is
//! asked for every [`POLL`], and trusted for [`POLL_PATIENCE`] from the asking.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use actix_web::rt::time::{interval, timeout};
use sea_orm::{ConnectionTrait as _, DbErr, Statement};
use sqlx::{
    PgPool,
    postgres::{PgListener, PgNotification},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    db::Connections,
    http::{cache::Cache, error::Cause},
    state::AppState,
    tasks::{Backoff, Tasks},
};

/// What the trigger notifies on.
const CHANNEL: &str = "byline_articles";

/// Of articles one each for INSERT, UPDATE, DELETE and TRUNCATE; of users one for another name.
const TRIGGERS: i64 = 5;

/// Between two heartbeats.
const BEAT: Duration = Duration::from_millis(500);

/// How long one heartbeat's return is good for: the most that a read may be behind on PostgreSQL.
pub const PATIENCE: Duration = Duration::from_millis(1500);

/// Between two questions to SQLite.
pub const POLL: Duration = Duration::from_millis(50);

/// How long SQLite's answer is good for: the most that a read may be behind another process's write.
pub const POLL_PATIENCE: Duration = Duration::from_millis(250);

/// A lost connection is tried again soon, so that the cache is soon trusted again; after a long outage at intervals that need
/// not be long, as there is one attempt per process. An attempt that outlives [`PATIENCE`] listens.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(250),
    longest: Duration::from_secs(4),
    well_after: Duration::from_secs(2),
};

/// Waiting for the end of a connection takes no longer than this.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(250);

/// Starts the task, unless the cache is off.
pub fn start(tasks: &Tasks, state: &AppState) {
    if state.cache().is_on() {
        let state = state.clone();
        tasks.spawn_with("cache listener", BACKOFF, async move |token| watch(&state, &token).await);
    } else if !state.db.can_listen() && state.settings().cache_bytes > 0 {
        tracing::warn!(
            "the cache is off: DATABASE_CONNECTIONS is 1, which leaves no connection to listen for changes"
        );
    }
}

/// Watches until the database fails, or the token is cancelled.
async fn watch(state: &AppState, token: &CancellationToken) -> Result<(), Cause> {
    let pool = state.db.listener();
    let watched = match &pool {
        Some(pool) => {
            let listened = token.run_until_cancelled(listen(pool, state.cache())).await;
            listened.unwrap_or(Ok(())).map_err(Cause::from)
        }
        None => poll(&state.db.writer, state.cache(), token).await.map_err(Cause::from),
    };
    // Nothing is served from the cache until the database is heard again.
    state.cache().distrust();
    if let Some(pool) = pool {
        // The listener returns its connection in a task of its own. A dead one is not waited for.
        let _ = timeout(CLOSE_TIMEOUT, pool.close()).await;
    }
    watched
}

/// Listens until the connection is lost, or says nothing for too long.
async fn listen(pool: &PgPool, cache: &Cache) -> Result<(), sqlx::Error> {
    // A connection may die without a word here too.
    let mut listener = timeout(PATIENCE, connect(pool)).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
    // From here on every commit is heard of; of those before it nothing is known.
    cache.forget_all();

    let name = Uuid::new_v4().simple().to_string();
    let mut sent: VecDeque<(u64, Instant)> = VecDeque::new();
    let mut beats = 0_u64;
    let mut heard = Instant::now();
    let mut ticks = interval(BEAT);
    loop {
        tokio::select! {
            note = listener.try_recv() => match note? {
                None => return Err(sqlx::Error::PoolClosed),
                Some(note) => {
                    if let Some(at) = read(&note, &name, &mut sent, cache) {
                        heard = at;
                        cache.trust(at, PATIENCE);
                    }
                }
            },
            _ = ticks.tick() => {
                if heard.elapsed() > PATIENCE {
                    return Err(sqlx::Error::PoolTimedOut);
                }
                beats = beats.wrapping_add(1);
                sent.push_back((beats, Instant::now()));
                let beat = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(format!("beat {name} {beats}"));
                // On the connection that listens: what arrives meanwhile is buffered.
                let beat = beat.execute(&mut listener);
                timeout(PATIENCE, beat).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
            }
        }
    }
}

/// A listener that hears of every write from now on.
async fn connect(pool: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    let triggers = "SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'D' AND (tgrelid, tgfoid) IN \
                    ((to_regclass('articles'), to_regproc('byline_articles_changed')), \
                    (to_regclass('users'), to_regproc('byline_users_renamed')))";
    let triggers: i64 = sqlx::query_scalar(triggers).fetch_one(&mut listener).await?;
    if triggers != TRIGGERS {
        return Err(sqlx::Error::Configuration("the tables lack the triggers that tell of writes".into()));
    }
    Ok(listener)
}

/// Does what a notification says; of this server's own heartbeat, answers when it was sent.
fn read(
    note: &PgNotification,
    name: &str,
    sent: &mut VecDeque<(u64, Instant)>,
    cache: &Cache,
) -> Option<Instant> {
    let words: Vec<&str> = note.payload().split(' ').collect();
    match words.as_slice() {
        ["beat", whose, number] => {
            let number: u64 = if *whose == name { number.parse().ok()? } else { return None };
            while let Some((beat, at)) = sent.pop_front() {
                if beat == number {
                    return Some(at);
                }
            }
            None
        }
        ["ids", ids] => {
            for id in ids.split(',') {
                id.parse().map_or_else(|_| cache.forget_all(), |id| cache.forget(id));
            }
            None
        }
        _ => {
            cache.forget_all();
            None
        }
    }
}

/// Asks SQLite until it does not answer, or the token is cancelled: between two statements, as one that is abandoned costs its
/// connection.
async fn poll(writer: &Connections, cache: &Cache, token: &CancellationToken) -> Result<(), DbErr> {
    let question = Statement::from_string(writer.get_database_backend(), "PRAGMA data_version");
    let mut known = None;
    let mut ticks = interval(POLL);
    while token.run_until_cancelled(ticks.tick()).await.is_some() {
        let (asked, opened) = (Instant::now(), writer.opened());
        let row = writer.query_one_raw(question.clone()).await?;
        let version: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        // The version of another connection is another count.
        let state = version.filter(|_| writer.opened() == opened).map(|version| (opened, version));
        if state.is_none() || state != known {
            cache.forget_all();
            known = state;
        }
        cache.trust(asked, POLL_PATIENCE);
    }
    Ok(())
}
