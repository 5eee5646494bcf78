//! Settings of the HTTP server and the limits on requests.

use std::num::NonZero;
use std::thread;
use std::time::Duration;

use super::declare::settings_group;
use super::kind::{Kind, number, seconds, text};
use super::origins::{Origin, Origins};
use super::value::{root_path, string_list};

settings_group! {
    /// HTTP server
    HttpSettings {
        /// Host name or IP address to listen on. `0.0.0.0` means every IPv4 address.
        HOST => host: String = text().default("127.0.0.1");

        /// Port to listen on. 0 lets the operating system choose one.
        PORT => port: u16 = number(0..=u16::MAX).default("8000");

        /// Path under which a proxy serves the API, such as `/api`, if the proxy removes it from requests. The
        /// OpenAPI document names it as its server.
        ROOT_PATH => root_path: String = Kind::parsed("a path without a slash at its end", root_path)
            .computed("none", "/api", |_| Some(String::new()));

        /// Number of threads that serve requests.
        WORKERS => workers: usize = number(1..=1024).computed(
            "one per CPU core", "2", |_| Some(thread::available_parallelism().map_or(1, NonZero::get)),
        );

        /// Origins whose web pages may call the API. `https://*.example.com` stands for all subdomains, `["*"]`
        /// for every origin. `null` admits every page that hides its origin, such as a sandboxed frame.
        BACKEND_CORS_ORIGINS => cors_origins: Origins = origins().default(r#"["http://localhost:3000"]"#);

        /// Maximum size of a request body.
        MAX_BODY_BYTES => max_body_bytes: usize = number(1 << 10..=1 << 30).unit("bytes").default("2097152");

        /// Maximum `limit` of a list. 0 means no maximum.
        MAX_PAGE_SIZE => max_page_size: Option<u32> =
            number(0..=u32::MAX).map(|size| Some(size).filter(|size| *size > 0)).default("1000");

        /// Maximum duration of a request.
        REQUEST_TIMEOUT_SECONDS => request_timeout: Duration = seconds(1).default("30");

        /// Maximum time for requests in flight to finish after SIGTERM.
        SHUTDOWN_TIMEOUT_SECONDS => shutdown_timeout: Duration = seconds(0).default("30");
    }
}

/// One `*` in the list allows every origin. An origin that no browser sends would never match, so it is
/// ignored with a warning.
fn origins() -> Kind<Origins> {
    Kind::new("a JSON list of origins", |name, text, reader| {
        let listed = string_list(text).map_err(|error| reader.error(name, error)).ok()?;
        if listed.iter().any(|origin| origin == "*") {
            return Some(Origins::Any);
        }
        let origins = listed
            .iter()
            .filter_map(|entry| Origin::parse(entry).map_err(|error| reader.warning(name, error)).ok());
        Some(Origins::Listed(origins.collect()))
    })
}
