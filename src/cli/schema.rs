//! Checks and updates the database schema before a command uses it.

use migration::DatabaseState;

use super::Failure;
use crate::{
    config::{Engine, Environment, Settings, create_data_dir},
    db::Db,
};

const PENDING: &str =
    "the database has pending migrations: run `byline migrate up` or `byline serve --migrate`";

/// Why a server must not start on a database in this state; `None` if it may.
pub(super) fn obstacle(state: &DatabaseState, production: bool, accept_newer: bool) -> Option<String> {
    let status = match state {
        DatabaseState::Managed(status) => status,
        DatabaseState::Empty => return production.then(|| PENDING.to_owned()),
        DatabaseState::Unmanaged { .. } => {
            return Some(
                "the database contains tables that Byline has not adopted: \
                 inspect it with `byline migrate status`, adopt it with `byline migrate up`"
                    .to_owned(),
            );
        }
    };
    if !status.changed.is_empty() || !status.incomplete.is_empty() {
        return Some(format!(
            "the schema differs from the recorded migrations: {}",
            status.explain().join("; ")
        ));
    }
    if production && !accept_newer && !status.only_additive_unknown() {
        return Some(
            "the database has migrations of a newer release that this one may not be compatible with; \
             ACCEPT_NEWER_DATABASE=true starts it anyway"
                .to_owned(),
        );
    }
    (production && !status.pending.is_empty()).then(|| PENDING.to_owned())
}

/// Brings the schema up to date if the operator asked for it with `migrate`, or outside production if the
/// database is empty or managed by Byline.
pub(super) async fn prepare(settings: &Settings, db: &Db, migrate: bool) -> Result<(), Failure> {
    // The server needs these connections: they count towards its budget.
    let connections = db.preliminary();
    let state = migration::state(&connections).await;
    connections.close().await;
    let state = state?;
    let production = settings.app.environment == Environment::Production;
    if let Some(obstacle) = obstacle(&state, production && !migrate, settings.database.accept_newer) {
        let will_adopt = migrate && matches!(state, DatabaseState::Unmanaged { .. });
        if !will_adopt {
            return Err(obstacle.into());
        }
    }
    if matches!(&state, DatabaseState::Managed(status) if status.pending.is_empty()) {
        return Ok(());
    }
    let pool = db.pool()?;
    let migrated = migration::close_pools_after(Box::pin(migration::up(&pool))).await;
    pool.close().await?;
    let outcome = migrated?;
    for migration in &outcome.adopted {
        tracing::info!(migration, "adopted: the database already has it");
    }
    for migration in &outcome.applied {
        tracing::info!(migration, "applied");
    }
    for notice in &outcome.notices {
        tracing::warn!("{notice}");
    }
    Ok(())
}

/// The database with an up-to-date schema, for commands that write to it.
pub(super) async fn open(settings: &Settings) -> Result<Db, Failure> {
    prepare_directory(settings)?;
    let db = Db::lazy(settings)?;
    prepare(settings, &db, false).await?;
    Ok(db)
}

/// Creates the data directory, if the database is to be stored in it.
pub(super) fn prepare_directory(settings: &Settings) -> Result<(), Failure> {
    if settings.database.url.engine() == Engine::Sqlite {
        create_data_dir(&settings.app.data_dir)?;
    }
    Ok(())
}
