//! How Byline connects to PostgreSQL: directly, or through PgBouncer in one of its pool modes.

use std::{str::FromStr as _, time::Duration};

use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, RuntimeErr, Statement};
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};

use super::connections::{Connections, Pooling, failed};
use crate::config::{DatabaseSettings, DatabaseUrl, PgBouncer};

/// Why connections must not be used.
const SHARED: &str = "DATABASE_URL names a connection pooler that assigns a session to each transaction, so \
                      PGBOUNCER must be `transaction`";

/// The options of connections to PostgreSQL.
pub(super) struct Postgres {
    /// For reads and writes.
    pub(super) options: PgConnectOptions,
    pub(super) pooling: Pooling,
    /// For work that needs a session of its own: listening, and the transactions of SeaORM with their prepared
    /// statements.
    pub(super) session: Option<PgConnectOptions>,
    pgbouncer: PgBouncer,
    statement_timeout: Duration,
}

impl Postgres {
    /// # Errors
    /// If the driver cannot parse a URL.
    pub(super) fn new(settings: &DatabaseSettings) -> Result<Self, DbErr> {
        let milliseconds = settings.statement_timeout.as_millis();
        let options = parse("DATABASE_URL", &settings.url)?;
        let direct = settings.direct_url.as_ref().map(|url| parse("DATABASE_DIRECT_URL", url)).transpose()?;
        let direct = direct.map(|direct| with_options(direct, milliseconds));
        let (options, pooling, session) = match settings.pgbouncer {
            PgBouncer::Off => {
                let options = with_options(options, milliseconds);
                (options.clone(), Pooling::default(), Some(direct.unwrap_or(options)))
            }
            PgBouncer::Session => {
                // The driver's own TimeZone is one of the few parameters that PgBouncer passes on.
                let on_open = Some(format!("SET statement_timeout = {milliseconds}"));
                (options.clone(), Pooling { on_open, begin: None }, Some(direct.unwrap_or(options)))
            }
            PgBouncer::Transaction => {
                let begin = format!(
                    "BEGIN; SET LOCAL statement_timeout = {milliseconds}; SET LOCAL timezone = 'UTC'"
                );
                let options = options.statement_cache_capacity(0);
                (options, Pooling { on_open: None, begin: Some(begin) }, direct)
            }
        };
        let (pgbouncer, statement_timeout) = (settings.pgbouncer, settings.statement_timeout);
        Ok(Self { options, pooling, session, pgbouncer, statement_timeout })
    }

    /// Why these connections must not be used: a pooler drops their parameters, or shares their sessions. With
    /// `two`, they are at least two.
    pub(super) async fn obstacle(
        &self,
        connections: &Connections,
        two: bool,
    ) -> Result<Option<String>, DbErr> {
        let setting = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'statement_timeout'";
        let row = match connections.query_one_raw(Statement::from_string(DbBackend::Postgres, setting)).await
        {
            Ok(row) => row,
            Err(error) if is_of_another_session(&error) => return Ok(Some(SHARED.to_owned())),
            Err(error) => return Err(error),
        };
        let timeout: String = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
        if timeout != self.statement_timeout.as_millis().to_string() {
            return Ok(Some(format!(
                "STATEMENT_TIMEOUT_SECONDS has no effect, statement_timeout is {timeout} ms: if DATABASE_URL \
                 names a connection pooler, PGBOUNCER must be its pool mode, `session` or `transaction`"
            )));
        }
        let is_shared =
            two && self.pgbouncer != PgBouncer::Transaction && share_a_session(connections).await?;
        Ok(is_shared.then(|| SHARED.to_owned()))
    }
}

/// Whether two open connections use one session. PostgreSQL itself and a pooler that assigns sessions to
/// connections never do that. A pooler that assigns sessions to transactions gives the session that the first
/// one has just released to the second one, unless other clients are faster.
async fn share_a_session(connections: &Connections) -> Result<bool, DbErr> {
    let mut processes = Vec::new();
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut connection = connections.check_out().await?;
        let query = Statement::from_string(DbBackend::Postgres, "SELECT pg_backend_pid()");
        match connection.query_one(query).await.map_err(failed) {
            Ok(row) => processes.push(row.map(|row| row.try_get_by_index::<i32>(0)).transpose()?),
            Err(error) if is_of_another_session(&error) => return Ok(true),
            Err(error) => return Err(error),
        }
        open.push(connection);
    }
    processes.dedup();
    Ok(processes.len() < open.len())
}

/// Whether a statement failed because the session has prepared statements of another connection, or lacks
/// those of this one.
fn is_of_another_session(error: &DbErr) -> bool {
    match error {
        DbErr::Query(RuntimeErr::SqlxError(cause)) => {
            let code = cause.as_database_error().and_then(sqlx::error::DatabaseError::code);
            code.is_some_and(|code| ["42P05", "26000"].contains(&&*code))
        }
        _ => false,
    }
}

fn parse(name: &str, url: &DatabaseUrl) -> Result<PgConnectOptions, DbErr> {
    let options = PgConnectOptions::from_str(url.expose());
    let options = options.map_err(|error| DbErr::Custom(format!("{name}: {error}")))?;
    // PgBouncer refuses a connection that sets `extra_float_digits`, which has no effect on values in the
    // binary format.
    Ok(options.application_name("byline").extra_float_digits(None).disable_statement_logging())
}

/// A pooler refuses these parameters or, worse, drops them.
fn with_options(options: PgConnectOptions, milliseconds: u128) -> PgConnectOptions {
    options.options([("statement_timeout", milliseconds.to_string().as_str()), ("timezone", "UTC")])
}
