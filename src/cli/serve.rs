//! `byline serve`: serves the API until the process is stopped.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
};

use clap::Args;

use super::{Failure, schema};
use crate::{
    clock::Clock,
    config::{LogFormat, Settings},
    http::telemetry,
    server::Server,
};

#[derive(Args, Debug, Default)]
pub(super) struct Arguments {
    /// Apply pending migrations first
    #[arg(long)]
    pub(super) migrate: bool,
}

pub(super) async fn run(settings: Settings, arguments: &Arguments) -> Result<(), Failure> {
    let _guard = telemetry::start(&settings);
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    let db = schema::open(&settings, arguments.migrate).await?;
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
