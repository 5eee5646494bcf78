//! Closes the pools that a run opens when the run ends, whatever its outcome.
//!
//! A dropped pool closes its connections later, on other threads. If the process ends first, SQLite leaves its
//! write-ahead log next to the database, and a copy of the database without the log lacks rows.

use std::cell::RefCell;

use sea_orm::DatabaseConnection;

tokio::task_local! {
    /// The pools of the run in progress.
    static POOLS: RefCell<Vec<DatabaseConnection>>;
}

/// Runs `run`, then closes every pool that the kit opened for it.
pub async fn close_pools_after<T>(run: impl Future<Output = T>) -> T {
    let closing = async {
        let result = run.await;
        for pool in POOLS.with(RefCell::take) {
            // The result of the run matters more, and after an error the connection is closed as well.
            let _ = pool.close().await;
        }
        result
    };
    POOLS.scope(RefCell::default(), closing).await
}

/// Closes this pool at the end of the run in progress, if there is one.
pub(crate) fn close_after_run(pool: &DatabaseConnection) {
    // Outside of `close_pools_after`, the owner closes it.
    let _ = POOLS.try_with(|pools| pools.borrow_mut().push(pool.clone()));
}
