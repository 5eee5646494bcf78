//! `byline serve`: serves the API until the process is stopped.

use std::io::{self, Write as _};

use clap::Args;

use super::{Failure, schema};
use crate::{clock::Clock, config::Settings, db::Db, http::telemetry, server::Server};

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
    schema::prepare_directory(&settings)?;
    let db = Db::lazy(&settings, settings.database.connections)?;
    schema::prepare(&settings, &db, arguments.migrate).await?;
    let server = Server::bind(&settings, db, &Clock::system())?;
    let mut out = io::stdout();
    let address = server.address();
    writeln!(out, "{} serves the API on http://{address}", settings.app.name)?;
    writeln!(out, "  docs      http://{address}/docs")?;
    writeln!(out, "  database  {}", settings.database.url)?;
    out.flush()?;
    Ok(server.run().await?)
}
