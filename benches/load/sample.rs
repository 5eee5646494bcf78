//! One measurement, and the median of several measurements.

/// The result of one measurement.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) requests: f64,
    /// Requests per second.
    pub(crate) rate: f64,
    /// Milliseconds.
    pub(crate) p50: Option<f64>,
    /// Milliseconds.
    pub(crate) p99: Option<f64>,
    /// Responses with status 400 and above, and failed connections.
    pub(crate) failures: f64,
    /// CPU time of the server per request, in microseconds.
    pub(crate) cpu: Option<f64>,
    /// Resident memory of the server after the measurement, in MiB.
    pub(crate) memory: Option<f64>,
}

impl Sample {
    /// The median of each number, so that one disturbed round has no effect.
    pub(crate) fn median(samples: &[Self]) -> Self {
        let of = |number: fn(&Self) -> Option<f64>| median(samples.iter().filter_map(number).collect());
        Self {
            requests: of(|s| Some(s.requests)).unwrap_or_default(),
            rate: of(|s| Some(s.rate)).unwrap_or_default(),
            p50: of(|s| s.p50),
            p99: of(|s| s.p99),
            failures: samples.iter().map(|s| s.failures).sum(),
            cpu: of(|s| s.cpu),
            memory: of(|s| s.memory),
        }
    }
}

pub(crate) fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}
