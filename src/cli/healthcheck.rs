//! `byline healthcheck`: checks whether the server with the same settings is ready.

use std::time::Duration;

use super::Failure;
use crate::config::Settings;

/// The maximum duration of the check.
const TIMEOUT: Duration = Duration::from_secs(3);

pub(super) async fn run(settings: &Settings) -> Result<(), Failure> {
    // A server that listens on all addresses can be reached at this one.
    let host = match settings.http.host.as_str() {
        "0.0.0.0" | "::" => "localhost",
        host => host,
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let url = format!("http://{host}:{}/health/ready", settings.http.port);
    let client = awc::Client::builder().timeout(TIMEOUT).finish();
    let response = client.get(&url).send().await.map_err(|error| format!("{url}: {error}"))?;
    if response.status().is_success() { Ok(()) } else { Err(format!("{url}: {}", response.status()).into()) }
}
