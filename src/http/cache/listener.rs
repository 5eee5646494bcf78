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
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use actix_web::rt::{
    System,
    time::{interval, sleep, timeout},
};
use sea_orm::{ConnectionTrait as _, DbErr, Statement};
use sqlx::{
    PgPool,
    postgres::{PgListener, PgNotification, PgPoolOptions},
};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    db::{Change, ChangeListener as _, Connections, Db, Topic},
    http::{cache::Cache, error::Cause},
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

/// Before a lost connection is tried again.
const PAUSE: Duration = Duration::from_millis(250);

/// Watching, until it is dropped.
#[derive(Debug)]
pub struct Watch {
    _stop: oneshot::Sender<()>,
}

impl Watch {
    /// On a thread with a runtime of its own: what sqlx drops at the end needs one that still lives, and no worker is kept
    /// from listening in time.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn start(db: Db, cache: Arc<Cache>, topic: Topic) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        if cache.is_on() {
            thread::Builder::new().name("watch".to_owned()).spawn(move || {
                System::new().block_on(async move {
                    tokio::select! {
                        () = watch(&db, &cache, topic) => {}
                        // The sender sends nothing: it is dropped.
                        _ = stopped => {}
                    }
                });
            })?;
        }
        Ok(Self { _stop: stop })
    }
}

async fn watch(db: &Db, cache: &Cache, topic: Topic) {
    let options = db.postgres();
    loop {
        let ended = match options.clone() {
            Some(options) => {
                let pool = PgPoolOptions::new()
                    .max_connections(2)
                    .acquire_timeout(PATIENCE)
                    .connect_lazy_with(options);
                listen(&pool, cache, topic).await.map_err(Cause::from)
            }
            None => poll(db.writer.connections(), cache).await.map_err(Cause::from),
        };
        cache.suspend();
        if let Err(error) = ended {
            tracing::warn!(cause = %error, "the cache is not used until the database is heard again");
        }
        sleep(PAUSE).await;
    }
}

/// Listens until the connection is lost, or says nothing for too long.
async fn listen(pool: &PgPool, cache: &Cache, topic: Topic) -> Result<(), sqlx::Error> {
    // A connection may die without a word here too.
    let mut listener = timeout(PATIENCE, connect(pool)).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
    // From here on every commit is heard of; of those before it nothing is known.
    cache.invalidate_all();

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
                    if let Some(at) = read(&note, &name, &mut sent, cache, topic) {
                        heard = at;
                        cache.set_valid_until(at, PATIENCE);
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
                timeout(PATIENCE, beat.execute(pool)).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
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
    let triggers: i64 = sqlx::query_scalar(triggers).fetch_one(pool).await?;
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
    topic: Topic,
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
                cache.changed(&[id.parse().map_or(Change::Everything, |id| Change::Row(topic, id))]);
            }
            None
        }
        _ => {
            cache.invalidate_all();
            None
        }
    }
}

/// Asks SQLite until it doesn't answer.
async fn poll(writer: &Connections, cache: &Cache) -> Result<(), DbErr> {
    let question = Statement::from_string(writer.get_database_backend(), "PRAGMA data_version");
    let mut known = None;
    let mut ticks = interval(POLL);
    loop {
        ticks.tick().await;
        let asked = Instant::now();
        let row = writer.query_one_raw(question.clone()).await?;
        let version: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        if version.is_none() || version != known {
            cache.invalidate_all();
            known = version;
        }
        cache.set_valid_until(asked, POLL_PATIENCE);
    }
}
