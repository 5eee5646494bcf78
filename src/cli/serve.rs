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
    traces::Traces,
};

#[derive(Args, Debug, Default)]
pub(super) struct Arguments {
    /// Apply pending migrations first
    #[arg(long)]
    pub(super) migrate: bool,
}

pub(super) async fn run(mut settings: Settings, arguments: &Arguments) -> Result<(), Failure> {
    let _guard = telemetry::start(&settings);
    let _traces = Traces::start(&settings.monitoring)?;
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
    if let Err(error) = announce(&settings, server.address(), server.metrics_address()) {
        db.close().await;
        return Err(error.into());
    }
    Ok(server.run().await?)
}

/// Reports where the server listens: readable lines, or one log line if the log format is JSON. The address has the
/// port that the operating system chose; a Unix socket has no address.
fn announce(settings: &Settings, address: Option<SocketAddr>, metrics: Option<SocketAddr>) -> io::Result<()> {
    let metrics = metrics.map(|address| format!("http://{address}/metrics"));
    let (name, database) = (&settings.app.name, &settings.database.url);
    let scheme = if settings.http.identity.is_some() { "https" } else { "http" };
    let url =
        address.map_or_else(|| settings.http.host.to_string(), |address| format!("{scheme}://{address}"));
    match settings.log.format {
        LogFormat::Json => {
            tracing::info!(url, %database, metrics, "serving");
            Ok(())
        }
        LogFormat::Text => {
            let mut out = io::stdout();
            writeln!(out, "{name} serves the API on {url}")?;
            if address.is_some() {
                writeln!(out, "  docs      {url}/docs")?;
            }
            writeln!(out, "  database  {database}")?;
            if let Some(metrics) = metrics {
                writeln!(out, "  metrics   {metrics}")?;
            }
            out.flush()
        }
    }
}
