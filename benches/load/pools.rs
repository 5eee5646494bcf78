//! The pools of the limits, made by sqlx. Each worker has as many connections as Byline has for reads.

use std::cell::RefCell;

use byline::{
    config::{Engine, Settings},
    http::error::{Error, Result},
};
use sqlx::{
    PgPool, SqlitePool,
    pool::PoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

#[derive(Clone)]
pub(crate) enum Pools {
    Postgres(PgPool),
    Sqlite { reader: SqlitePool, writer: SqlitePool },
}

thread_local! {
    static POOLS: RefCell<Option<Pools>> = const { RefCell::new(None) };
}

impl Pools {
    /// The pools of this worker, created at the first use.
    pub(crate) fn of_this_worker(settings: &Settings) -> Result<Self> {
        POOLS.with_borrow_mut(|pools| {
            let created = pools
                .take()
                .map_or_else(|| Self::new(settings), Ok)
                .map_err(|error| Error::internal("open a pool", error))?;
            Ok(pools.insert(created).clone())
        })
    }

    fn new(settings: &Settings) -> sqlx::Result<Self> {
        let workers = u32::try_from(settings.http.workers).unwrap_or(u32::MAX).max(1);
        let connections = settings.database.connections.div_ceil(workers);
        let url = settings.database.url.expose();
        Ok(match settings.database.url.engine() {
            Engine::Postgres => Self::Postgres(
                PoolOptions::new()
                    .max_connections(connections.div_ceil(2))
                    .test_before_acquire(false)
                    .connect_lazy(url)?,
            ),
            Engine::Sqlite => {
                let options: SqliteConnectOptions = url.parse()?;
                let options =
                    options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
                let pool =
                    |connections| PoolOptions::new().max_connections(connections).test_before_acquire(false);
                Self::Sqlite {
                    reader: pool(connections.min(2))
                        .connect_lazy_with(options.clone().pragma("query_only", "ON")),
                    writer: pool(1).connect_lazy_with(options),
                }
            }
        })
    }
}
