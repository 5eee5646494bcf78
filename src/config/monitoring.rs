//! Settings of monitoring: metrics and traces.

use std::net::SocketAddr;

use url::Url;

use super::declare::settings_group;
use super::kind::Kind;

settings_group! {
    /// Monitoring
    MonitoringSettings {
        /// Where `/metrics` is served for Prometheus, without authentication: not where the public has access.
        METRICS_BIND => metrics_bind: Option<SocketAddr> = Kind::parsed("an IP address with a port", socket_address)
            .computed("none: no metrics", "127.0.0.1:9464", |_| Some(None));

        /// The OpenTelemetry collector that traces are sent to, as OTLP over HTTP: to the path `/v1/traces` of this URL.
        OTEL_EXPORTER_OTLP_ENDPOINT => traces_endpoint: Option<Url> =
            Kind::parsed("a URL of the scheme `http` or `https`", endpoint)
                .computed("none: no traces", "http://127.0.0.1:4318", |_| Some(None));
    }
}

/// An address with a port. Empty means none.
fn socket_address(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let address = text.parse().map_err(|_| {
        format!("must be an IP address with a port, such as 127.0.0.1:9464 or [::1]:9464, not {text:?}")
    })?;
    Ok(Some(address))
}

/// The base of a collector's URLs. Empty means none. A password would be shown where the setting is.
fn endpoint(text: &str) -> Result<Option<Url>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    let url = url.ok_or("must be a URL of the scheme http or https, such as http://127.0.0.1:4318")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user name or a password; set OTEL_EXPORTER_OTLP_HEADERS instead");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have neither a query nor a fragment");
    }
    Ok(Some(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_and_no_name() {
        for text in ["127.0.0.1:9464", "[::]:0", "0.0.0.0:1"] {
            assert_eq!(socket_address(text), Ok(Some(text.parse().unwrap())));
        }
        assert_eq!(socket_address(""), Ok(None));
        for wrong in
            ["9464", ":9464", "127.0.0.1", "localhost:9464", "127.0.0.1:65536", "::1:9464", " ", "off"]
        {
            assert!(socket_address(wrong).unwrap_err().ends_with(&format!("{wrong:?}")), "{wrong:?}");
        }
    }

    #[test]
    fn a_collector_has_a_url_without_a_password_and_without_a_query() {
        for text in ["http://127.0.0.1:4318", "https://collector.example/otlp", "http://collector:4318/"] {
            assert_eq!(endpoint(text), Ok(Some(Url::parse(text).unwrap())));
        }
        assert_eq!(endpoint(""), Ok(None));
        for wrong in [
            "collector:4318",
            "127.0.0.1:4318",
            "grpc://collector:4317",
            "http://",
            "http://ann:secret@collector:4318",
            "http://ann@collector:4318",
            "http://collector:4318/?token=secret",
            "http://collector:4318/#a",
            "off",
        ] {
            assert!(!endpoint(wrong).unwrap_err().contains("secret"), "{wrong}");
        }
    }
}
