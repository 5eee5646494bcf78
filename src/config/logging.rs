//! Settings of the log.

use tracing_subscriber::EnvFilter;

use super::declare::settings_group;
use super::kind::{Kind, boolean, choice};

/// The format of log lines: `LOG_FORMAT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Readable text.
    Text,
    /// One JSON object per line.
    Json,
}

settings_group! {
    /// Log
    LogSettings {
        /// What is logged: a level, or directives such as `info,byline=debug`.
        LOG => filter: String = filter().default("info");

        /// Format of log lines: readable text, or one JSON object per line.
        LOG_FORMAT => format: LogFormat = choice(&[
            ("text", LogFormat::Text),
            ("json", LogFormat::Json),
        ]).default_by_environment("text", "json");

        /// `true` also logs debug messages of Byline.
        DEBUG => debug: bool = boolean().default("false");
    }
}

/// Directives for [`EnvFilter`]. They stay text, because a filter cannot be cloned.
fn filter() -> Kind<String> {
    Kind::parsed("levels and modules", |text| EnvFilter::builder().parse(text).map(|_| text.to_owned()))
}
