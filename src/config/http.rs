//! Settings of the HTTP server and the limits on requests.

use std::net::IpAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

use super::declare::settings_group;
use super::host::Host;
use super::kind::{Kind, number, seconds};
use super::origins::{Origin, Origins};
use super::tls::{self, Identity};
use super::value::{root_path, string_list};

settings_group! {
    /// HTTP server
    HttpSettings {
        /// Host name or IP address to listen on, or `unix:` with the path of a Unix socket. `0.0.0.0` means every
        /// IPv4 address.
        HOST => host: Host = Kind::parsed("a host name, an IP address or `unix:PATH`", Host::parse).default("127.0.0.1");

        /// Port to listen on. 0 lets the operating system choose one.
        PORT => port: u16 = number(0..=u16::MAX).default("8000");

        /// File with the certificate of the server and its chain, for HTTPS with HTTP/2. Without it, the server speaks
        /// plain HTTP/1.1.
        TLS_CERT => tls_certificate: Option<PathBuf> =
            tls::certificate().computed("none", "/etc/byline/tls/cert.pem", tls::no_certificate);

        /// File with the private key of `TLS_CERT`, which is not encrypted.
        TLS_KEY => identity: Option<Identity> =
            tls::key().computed("none", "/etc/byline/tls/key.pem", tls::no_key);

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

        /// Addresses of reverse proxies whose `X-Forwarded-For` or `Forwarded` names the client.
        TRUSTED_PROXIES => trusted_proxies: Vec<IpNet> = networks().default("[]");

        /// Maximum size of a request body.
        MAX_BODY_BYTES => max_body_bytes: usize = number(1 << 10..=1 << 30).unit("bytes").default("2097152");

        /// Maximum `limit` of a list. 0 means no maximum.
        MAX_PAGE_SIZE => max_page_size: Option<u32> =
            number(0..=u32::MAX).map(|size| Some(size).filter(|size| *size > 0)).default("1000");

        /// Maximum size of a page with a `limit` above 100. 0 means no maximum.
        MAX_PAGE_BYTES => max_page_bytes: Option<u64> = number(0..=1 << 40)
            .unit("bytes")
            .map(|bytes| Some(bytes).filter(|bytes| *bytes > 0))
            .default("33554432");

        /// Maximum duration of a request.
        REQUEST_TIMEOUT_SECONDS => request_timeout: Duration = seconds(1).default("30");

        /// Maximum time for a client to accept a part of a response. Then its connection is closed. Linux only.
        WRITE_TIMEOUT_SECONDS => write_timeout: Duration = seconds(1).default("30");

        /// How long the server serves requests after SIGTERM, while its readiness is 503 and its responses close
        /// their connections. Longer than proxies keep idle connections.
        DRAIN_SECONDS => drain: Duration = seconds(0).default_by_environment("0", "10");

        /// Maximum time for requests in flight to finish after SIGTERM and `DRAIN_SECONDS`.
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

/// An address without a length is that address only. A list that contains every address is allowed, but lets
/// each client choose its address.
fn networks() -> Kind<Vec<IpNet>> {
    Kind::new("a JSON list of CIDR ranges", |name, text, reader| {
        let networks = network_list(text).map_err(|error| reader.error(name, error)).ok()?;
        if let Some(network) = networks.iter().find(|network| network.prefix_len() == 0) {
            reader.warning(
                name,
                format_args!("with {network}, every client can choose the address that is logged for it"),
            );
        }
        Some(networks)
    })
}

fn network_list(text: &str) -> Result<Vec<IpNet>, String> {
    let listed: Vec<String> = serde_json::from_str(text)
        .map_err(|_| format!("must be a JSON list of CIDR ranges, such as [\"10.0.0.0/8\"], not {text:?}"))?;
    let network = |text: String| {
        network(&text).ok_or_else(|| format!("{text:?} is not a CIDR range, such as 10.0.0.0/8"))
    };
    listed.into_iter().map(network).collect()
}

/// A range of mapped addresses, such as `::ffff:10.0.0.0/104`, is a range of IPv4.
fn network(text: &str) -> Option<IpNet> {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()?;
    let length = network.prefix_len().checked_sub(96);
    match (network, length) {
        (IpNet::V6(range), Some(length)) => Some(match range.addr().to_ipv4_mapped() {
            Some(address) => IpNet::V4(Ipv4Net::new(address, length).ok()?),
            None => network,
        }),
        _ => Some(network),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_ranges_or_addresses_of_both_versions() {
        let listed =
            r#"["10.0.0.0/8", "192.0.2.1", "fd00::/8", "::1", "::ffff:172.16.0.0/108", "10.1.2.3/16"]"#;
        let networks: Vec<_> = network_list(listed).unwrap().iter().map(ToString::to_string).collect();
        let expected = ["10.0.0.0/8", "192.0.2.1/32", "fd00::/8", "::1/128", "172.16.0.0/12", "10.1.2.3/16"];
        assert_eq!(networks, expected);
        assert!(network_list("[]").unwrap().is_empty());
    }

    #[test]
    fn a_wrong_network_is_named() {
        for wrong in ["10.0.0.0/33", "10.0.0/8", "nginx", "", " 10.0.0.0/8", "10.0.0.0/-1", "::/129"] {
            let error = network_list(&format!("[\"::1\", {wrong:?}]")).unwrap_err();
            assert_eq!(error, format!("{wrong:?} is not a CIDR range, such as 10.0.0.0/8"));
        }
        for wrong in ["", "10.0.0.0/8", "10.0.0.0/8,::1", "{}", "[1]"] {
            assert!(network_list(wrong).unwrap_err().starts_with("must be a JSON list"), "{wrong:?}");
        }
    }
}
