//! `byline serve`: serves the API until the process is stopped.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    Failure,
    schema::{self, Opened},
};
use crate::{
    clock::Clock,
    config::{LogFormat, Settings},
    http::telemetry,
    server::{Server, descriptors},
};

#[derive(Args, Debug, Default)]
pub(super) struct Arguments {
    /// Apply pending migrations first
    #[arg(long)]
    pub(super) migrate: bool,
}

pub(super) async fn run(mut settings: Settings, arguments: &Arguments) -> Result<(), Failure> {
    let _guard = telemetry::start(&settings);
    // A terminal that closes and `systemctl reload` send SIGHUP, which would end the process. The first call
    // replaces the default action for good.
    drop(signal(SignalKind::hangup())?);
    descriptors::raise_limit();
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    let Opened { db, is_adopted } = schema::open(&settings, arguments.migrate).await?;
    settings.auth.registration = settings.auth.registration.resolve(is_adopted);
    tracing::info!("{}", settings.auth.registration.message());
    db.check_sessions().await?;
    let server = Server::bind(&settings, db.clone(), &Clock::system())?;
    db.open_writer().await?;
    if let Err(error) = announce(&settings, server.address()) {
        db.close().await;
        return Err(error.into());
    }
    Ok(server.run().await?)
}

/// Reports the address of the server: three readable lines, or one log line if the log format is JSON.
fn announce(settings: &Settings, address: SocketAddr) -> io::Result<()> {
    let (name, database) = (&settings.app.name, &settings.database.url);
    match settings.log.format {
        LogFormat::Json => {
            let url = format!("http://{address}");
            tracing::info!(url, %database, "serving");
            Ok(())
        }
        LogFormat::Text => {
            let mut out = io::stdout();
            writeln!(out, "{name} serves the API on http://{address}")?;
            writeln!(out, "  docs      http://{address}/docs")?;
            writeln!(out, "  database  {database}")?;
            out.flush()
        }
    }
}
