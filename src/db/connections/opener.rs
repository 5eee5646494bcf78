//! Opens connections. While the server refuses them, tries again, and logs the reason at once.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use sqlx::{ConnectOptions as _, Database};
use tokio::time::{Instant, sleep, timeout_at};

/// The pause before the second attempt. It doubles with each further attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The options of a `D`'s connections.
pub(super) type Options<D> = <<D as Database>::Connection as sqlx::Connection>::Options;

/// Opens the connections of one set.
pub(super) struct Opener<D: Database> {
    options: Options<D>,
    /// The server refused the latest connection.
    refused: AtomicBool,
}

impl<D: Database> Opener<D> {
    pub(super) fn new(options: Options<D>) -> Self {
        Self { options, refused: AtomicBool::new(false) }
    }

    /// Opens a connection. A server that is starting or has no connection left is asked again until the
    /// deadline. Its first refusal is logged, and its last one is the error.
    pub(super) async fn open(&self, deadline: Instant) -> Result<D::Connection, sqlx::Error> {
        let mut pause = FIRST_PAUSE;
        loop {
            let attempt = timeout_at(deadline, self.options.connect()).await;
            let error = match attempt.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
                Ok(connection) => {
                    self.refused.store(false, Relaxed);
                    return Ok(connection);
                }
                Err(error) => explain(error),
            };
            if !is_refusal(&error) {
                return Err(error);
            }
            if !self.refused.swap(true, Relaxed) {
                tracing::warn!(%error, "the database refuses a connection; trying again");
            }
            if Instant::now() + pause >= deadline {
                return Err(error);
            }
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }
}

/// Whether the server answered that it accepts no connection at the moment: PostgreSQL's `53300` (too many
/// connections) and `57P03` (starting or stopping), or nothing listens.
fn is_refusal(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| ["53300", "57P03"].contains(&&*code)),
        _ => false,
    }
}

/// Names the setting that a pooler needs, if it refused a parameter of the connection.
fn explain(error: sqlx::Error) -> sqlx::Error {
    match error.as_database_error() {
        Some(refusal) if refusal.message().contains("startup parameter") => sqlx::Error::Configuration(
            format!(
                "{}: DATABASE_URL names a connection pooler, so PGBOUNCER must be its pool mode, `session` or \
                 `transaction`",
                refusal.message()
            )
            .into(),
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use sqlx::{Postgres, postgres::PgConnectOptions};

    use super::*;

    #[actix_web::test]
    async fn a_server_that_is_not_there_is_asked_again_until_the_deadline_and_is_the_error() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let options = PgConnectOptions::new().host("127.0.0.1").port(free.port());
        let opener = Opener::<Postgres>::new(options);
        let started = Instant::now();
        let error = opener.open(started + Duration::from_millis(100)).await.unwrap_err();
        assert!(matches!(error, sqlx::Error::Io(_)), "{error}");
        assert!(started.elapsed() >= FIRST_PAUSE);
    }

    #[actix_web::test]
    async fn a_server_that_does_not_answer_is_a_timeout() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = PgConnectOptions::new().host("127.0.0.1").port(silent.local_addr().unwrap().port());
        let opener = Opener::<Postgres>::new(options);
        let error = opener.open(Instant::now() + Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error}");
    }
}
