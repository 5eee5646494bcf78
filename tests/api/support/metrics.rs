//! Reading the metrics of a server.

use std::{collections::BTreeMap, net::SocketAddr};

use super::send_raw;

/// The metrics of a server at one moment.
pub(crate) struct Metrics(String);

impl Metrics {
    /// Those that are served at `address`.
    pub(crate) async fn scrape(address: SocketAddr) -> Self {
        let request = "GET /metrics HTTP/1.1\r\nhost: metrics\r\nconnection: close\r\n\r\n";
        let response = send_raw(address, request.into()).await;
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        Self(body.to_owned())
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The values of all samples, by their name with its labels.
    pub(crate) fn samples(&self) -> BTreeMap<&str, f64> {
        let lines = self.0.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| {
                let (name, value) = line.rsplit_once(' ').unwrap();
                (name, value.parse().unwrap())
            })
            .collect()
    }

    /// The value of a sample, given by its name with its labels; 0 if there is none.
    pub(crate) fn value(&self, sample: &str) -> f64 {
        self.samples().get(sample).copied().unwrap_or_default()
    }

    /// The metrics with their types and the names of their labels, in the order of the page.
    pub(crate) fn metrics(&self) -> Vec<(String, String, Vec<String>)> {
        let types = self.0.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        types
            .map(|(name, kind)| {
                let mut labels: Vec<String> =
                    self.samples().keys().flat_map(|sample| labels(sample, name)).collect();
                labels.sort_unstable();
                labels.dedup();
                (name.to_owned(), kind.to_owned(), labels)
            })
            .collect()
    }
}

/// The names of the labels of a sample, if it belongs to the metric with this name. `le` is part of its type.
fn labels(sample: &str, metric: &str) -> Vec<String> {
    let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
    let own =
        [metric.to_owned(), format!("{metric}_bucket"), format!("{metric}_sum"), format!("{metric}_count")];
    if !own.contains(&name.to_owned()) {
        return Vec::new();
    }
    let names = labels.split(&['{', ',', '}'][..]).filter_map(|label| label.split_once("=\""));
    names.map(|(name, _)| name.to_owned()).filter(|name| name != "le").collect()
}
