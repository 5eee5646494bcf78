//! Checks and updates the database schema before a command uses it.

use migration::{
    DatabaseState, DatabaseUrl,
    cli::{Access, Target},
};
use sea_orm::DatabaseConnection;

use super::Failure;
use crate::{
    config::{Environment, Settings, create_data_dir},
    db::Db,
};

const PENDING: &str =
    "the database has pending migrations: run `byline migrate up` or `byline serve --migrate`";

/// The database, for messages and for connections of a command.
pub(super) fn target(url: &DatabaseUrl) -> Result<Target, Failure> {
    Target::parse(url.expose(), "byline").map_err(|error| format!("DATABASE_URL: {error}").into())
}

/// The state of the configured database. Creates nothing.
async fn inspect(target: &Target) -> Result<DatabaseState, Failure> {
    state_of(target).await.map_err(|error| format!("DATABASE_URL: {error}").into())
}

/// The state of any database. Creates nothing.
///
/// Connects directly: a pool retries for as long as `ACQUIRE_TIMEOUT_SECONDS`, and then hides the reason.
pub(super) async fn state_of(target: &Target) -> Result<DatabaseState, Failure> {
    let Some(db) = target.connect(Access::ReadOnly).await? else { return Ok(DatabaseState::Empty) };
    let state = migration::state(&db).await.map_err(|error| format!("{target}: {error}"));
    db.close().await?;
    Ok(state?)
}

/// The state of a database behind a pooler of transactions, which only the server's own connections can use.
async fn inspect_pooled(settings: &Settings) -> Result<DatabaseState, Failure> {
    let connections = Db::lazy(settings)?.preliminary();
    let state = migration::state(&connections).await;
    connections.close().await;
    Ok(state.map_err(|error| format!("DATABASE_URL: {error}"))?)
}

/// Why a server must not start on a database in this state; `None` if it may.
fn obstacle(state: &DatabaseState, production: bool, accept_newer: bool) -> Option<String> {
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
    if !status.changed.is_empty() || !status.incomplete.is_empty() || !status.unlisted.is_empty() {
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

/// Checks that a server in production can use the database. Changes nothing.
pub(super) async fn check(url: &DatabaseUrl) -> Result<(), Failure> {
    let target = target(url)?;
    let state = inspect(&target).await?;
    obstacle(&state, true, false).map_or(Ok(()), |obstacle| Err(format!("{target}: {obstacle}").into()))
}

/// An open database.
pub(super) struct Opened {
    pub(super) db: Db,
    /// Whether it was taken over from the FastAPI blog.
    pub(super) is_adopted: bool,
}

/// Opens the database. Brings its schema up to date if the operator asked for it with `migrate`, or outside
/// production if the database is empty or managed by Byline.
pub(super) async fn open(settings: &Settings, migrate: bool) -> Result<Opened, Failure> {
    let database = &settings.database;
    let target = target(database.session_url().unwrap_or(&database.url))?;
    let state = match database.session_url() {
        Some(_) => inspect(&target).await?,
        None => inspect_pooled(settings).await?,
    };
    let production = settings.app.environment == Environment::Production;
    if let Some(obstacle) = obstacle(&state, production && !migrate, settings.database.accept_newer) {
        let will_adopt = migrate && matches!(state, DatabaseState::Unmanaged { .. });
        if !will_adopt {
            return Err(format!("{target}: {obstacle}").into());
        }
    }
    create_files(settings)?;
    let db = Db::lazy(settings)?;
    let mut is_adopted = matches!(&state, DatabaseState::Managed(status) if status.is_adopted());
    if !matches!(&state, DatabaseState::Managed(status) if status.pending.is_empty()) {
        let pool = db.pool()?;
        let applied = apply_pending(&pool).await;
        // The server needs these connections: they count towards its budget.
        pool.close().await?;
        let outcome = applied.map_err(|error| format!("{target}: {error}"))?;
        is_adopted |= !outcome.adopted.is_empty();
    }
    Ok(Opened { db, is_adopted })
}

async fn apply_pending(pool: &DatabaseConnection) -> Result<migration::Outcome, migration::Error> {
    let outcome = migration::close_pools_after(Box::pin(migration::up(pool))).await?;
    for migration in &outcome.adopted {
        tracing::info!(migration, "adopted: the database already has it");
    }
    for migration in &outcome.applied {
        tracing::info!(migration, "applied");
    }
    for notice in &outcome.notices {
        tracing::warn!("{notice}");
    }
    Ok(outcome)
}

/// Creates the SQLite file, with access for its owner only, and the data directory if the file is in it.
fn create_files(settings: &Settings) -> Result<(), Failure> {
    let Some(file) = settings.database.url.file() else { return Ok(()) };
    create_directory(settings)?;
    let created = settings.database.url.create_file();
    Ok(created.map_err(|error| format!("DATABASE_URL: {} cannot be created: {error}", file.display()))?)
}

/// Creates the data directory, if the SQLite file is in it.
pub(super) fn create_directory(settings: &Settings) -> Result<(), Failure> {
    let directory = &settings.app.data_dir;
    if settings.database.url.file().is_some_and(|file| file.starts_with(directory)) {
        create_data_dir(directory).map_err(|why| format!("DATA_DIR: {why}"))?;
    }
    Ok(())
}
