//! Settings of monitoring: metrics.

use std::net::SocketAddr;

use super::declare::settings_group;
use super::kind::Kind;

settings_group! {
    /// Monitoring
    MonitoringSettings {
        /// Where `/metrics` is served for Prometheus, without authentication: not where the public has access.
        METRICS_BIND => metrics_bind: Option<SocketAddr> = Kind::parsed("an IP address with a port", socket_address)
            .computed("none: no metrics", "127.0.0.1:9464", |_| Some(None));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_and_no_name() {
        for (text, address) in
            [("127.0.0.1:9464", "127.0.0.1:9464"), ("[::]:0", "[::]:0"), ("0.0.0.0:1", "0.0.0.0:1")]
        {
            assert_eq!(socket_address(text), Ok(Some(address.parse().unwrap())));
        }
        assert_eq!(socket_address(""), Ok(None));
        for wrong in
            ["9464", ":9464", "127.0.0.1", "localhost:9464", "127.0.0.1:65536", "::1:9464", " ", "off"]
        {
            assert!(socket_address(wrong).unwrap_err().ends_with(&format!("{wrong:?}")), "{wrong:?}");
        }
    }
}
