//! Detects changes by other processes, and determines until when the cache is valid.
//!
//! **PostgreSQL.** Triggers send a notification in the transaction of every statement that changes articles
//! or renames users. Notifications arrive in the order of commits. When the server receives its own
//! heartbeat, it knows every change that was committed before the heartbeat was sent. From that time on, the
//! cache is valid for [`HEARTBEAT_TIMEOUT`]: the longest time that a read can be stale after a connection
//! died silently. The statement that sends a heartbeat also checks the triggers.
//!
//! **SQLite.** The data version of the writing connection changes when another process commits, and only
//! then. It is queried every 50 ms; the cache is valid for [`POLL_TIMEOUT`] from then on.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::rt::time::{interval, timeout};
use migration::notify::CHANNEL;
use sea_orm::{ConnectionTrait as _, DbErr, Statement};
use sqlx::{
    ConnectOptions as _, PgPool,
    postgres::{PgListener, PgNotification},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Cache, triggers::Triggers};
use crate::{
    db::{Change, ChangeListener as _, Connections, Db, Topic},
    http::error::Cause,
    tasks::{Backoff, Tasks},
};

/// The time between two heartbeats.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);

/// How long the cache is valid after sending a heartbeat that is received again: the staleness bound on
/// PostgreSQL.
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(1500);

/// The time between two queries of SQLite's data version.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long the cache is valid after such a query: the staleness bound on SQLite.
pub const POLL_TIMEOUT: Duration = Duration::from_millis(250);

/// The first restart is early, so that the cache is valid again soon. After a long outage the intervals can
/// stay short, because each process makes only one attempt at a time.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(250),
    longest: Duration::from_secs(4),
    healthy_after: Duration::from_secs(2),
};

/// The longest wait for a connection to close.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(250);

/// Starts the task, unless the cache is off. Notifications are about rows of `topic`.
pub fn start(tasks: &Tasks, db: &Db, cache: &Arc<Cache>, topic: Topic) {
    if cache.is_on() {
        let (db, cache) = (db.clone(), Arc::clone(cache));
        tasks.spawn_with("cache listener", BACKOFF, async move |token| {
            watch(&db, &cache, topic, &token).await
        });
    } else if let Some(obstacle) = db.obstacle_to_listening() {
        tracing::warn!("the cache is off: {obstacle}");
    }
}

/// Watches until the database fails, or the token is cancelled.
async fn watch(db: &Db, cache: &Cache, topic: Topic, token: &CancellationToken) -> Result<(), Cause> {
    let pool = db.listener();
    let watched = match &pool {
        Some(pool) => {
            let triggers = Triggers::load().await?;
            let listened = token.run_until_cancelled(listen(pool, cache, topic, triggers)).await;
            listened.unwrap_or(Ok(())).map_err(Cause::from)
        }
        None => poll(&db.writer, cache, token).await.map_err(Cause::from),
    };
    cache.suspend();
    if let Some(pool) = pool {
        // The listener returns its connection in a separate task, but a dead connection must not delay the
        // shutdown.
        let _ = timeout(CLOSE_TIMEOUT, pool.close()).await;
    }
    watched
}

/// Listens until the connection is lost or a heartbeat is not received in time.
async fn listen(
    pool: &PgPool,
    cache: &Cache,
    topic: Topic,
    mut triggers: Triggers,
) -> Result<(), sqlx::Error> {
    // A connection can also die silently while it is set up.
    let connected = timeout(HEARTBEAT_TIMEOUT, connect(pool)).await;
    let Ok(listener) = connected else { return Err(reason(pool).await) };
    let mut listener = listener?;
    // Every commit from here on is notified; earlier ones may have been missed.
    cache.invalidate_all();

    let name = Uuid::new_v4().simple().to_string();
    let mut sent: VecDeque<(u64, Instant)> = VecDeque::new();
    let mut number = 0_u64;
    let mut confirmed = Instant::now();
    let mut ticks = interval(HEARTBEAT_INTERVAL);
    loop {
        tokio::select! {
            notification = listener.try_recv() => match notification? {
                None => return Err(sqlx::Error::PoolClosed),
                Some(notification) => {
                    if let Some(at) = apply(&notification, &name, &mut sent, cache, topic) {
                        confirmed = at;
                        cache.set_valid_until(at, HEARTBEAT_TIMEOUT);
                    }
                }
            },
            _ = ticks.tick() => {
                if confirmed.elapsed() > HEARTBEAT_TIMEOUT {
                    return Err(sqlx::Error::PoolTimedOut);
                }
                number = number.wrapping_add(1);
                sent.push_back((number, Instant::now()));
                let heartbeat = format!("heartbeat {name} {number}");
                // On the listening connection: notifications that arrive in the meantime are buffered.
                let heartbeat = triggers.send_heartbeat(&mut listener, heartbeat, cache);
                timeout(HEARTBEAT_TIMEOUT, heartbeat).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
            }
        }
    }
}

/// Why no connection could be opened in time. The pool tries again without saying why.
async fn reason(pool: &PgPool) -> sqlx::Error {
    match timeout(CLOSE_TIMEOUT, pool.connect_options().connect()).await {
        Ok(Err(error)) => error,
        _ => sqlx::Error::PoolTimedOut,
    }
}

/// A listener that receives every change from now on.
async fn connect(pool: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Applies a notification. For a heartbeat of this server, returns when it was sent.
fn apply(
    notification: &PgNotification,
    name: &str,
    sent: &mut VecDeque<(u64, Instant)>,
    cache: &Cache,
    topic: Topic,
) -> Option<Instant> {
    let words: Vec<&str> = notification.payload().split(' ').collect();
    match words.as_slice() {
        ["heartbeat", sender, number] => {
            let number: u64 = if *sender == name { number.parse().ok()? } else { return None };
            while let Some((heartbeat, at)) = sent.pop_front() {
                if heartbeat == number {
                    return Some(at);
                }
            }
        }
        // A server of the previous release, during an upgrade.
        ["beat", _, _] => {}
        ["ids", ids] => {
            let change = |id: &str| id.parse().map_or(Change::Everything, |id| Change::Row(topic, id));
            cache.changed(&ids.split(',').map(change).collect::<Vec<_>>());
        }
        _ => cache.invalidate_all(),
    }
    None
}

/// Queries SQLite's data version until it fails or the token is cancelled. The token is checked between
/// statements, because an abandoned statement closes its connection.
async fn poll(writer: &Connections, cache: &Cache, token: &CancellationToken) -> Result<(), DbErr> {
    let query = Statement::from_string(writer.get_database_backend(), "PRAGMA data_version");
    let mut known = None;
    let mut ticks = interval(POLL_INTERVAL);
    while token.run_until_cancelled(ticks.tick()).await.is_some() {
        let (queried, opened) = (Instant::now(), writer.opened());
        let row = writer.query_one_raw(query.clone()).await?;
        let version: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        // Each connection counts from its own initial value.
        let state = version.filter(|_| writer.opened() == opened).map(|version| (opened, version));
        if state.is_none() || state != known {
            cache.invalidate_all();
            known = state;
        }
        cache.set_valid_until(queried, POLL_TIMEOUT);
    }
    Ok(())
}
