//! Histograms of durations, which cost a few atomic additions: no lock and no allocation.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// The upper bounds of the buckets, in nanoseconds. The last bucket has none.
const BOUNDS: [u64; 14] = [
    100_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    10_000_000_000,
];

/// How often durations of each size were observed.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len()],
    longer: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Histogram {
    /// Counts a duration.
    pub fn record(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let mut buckets = BOUNDS.iter().zip(&self.buckets);
        let bucket = buckets.find(|(bound, _)| nanoseconds <= **bound).map(|(_, bucket)| bucket);
        bucket.unwrap_or(&self.longer).fetch_add(1, Relaxed);
        self.nanoseconds.fetch_add(nanoseconds, Relaxed);
    }

    /// Counts the time until the timer is dropped, unless there is no histogram.
    pub fn timer(histogram: Option<&Arc<Self>>) -> Timer {
        Timer(histogram.map(|histogram| (Arc::clone(histogram), Instant::now())))
    }
}

/// Observes a duration when it is dropped, so that work that is abandoned counts too.
#[derive(Debug)]
pub struct Timer(Option<(Arc<Histogram>, Instant)>);

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some((histogram, started)) = &self.0 {
            histogram.record(started.elapsed());
        }
    }
}

/// What one or more histograms have counted, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    buckets: [u64; BOUNDS.len()],
    longer: u64,
    nanoseconds: u64,
}

impl Distribution {
    /// Adds what `histogram` has counted.
    pub fn add(&mut self, histogram: &Histogram) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *sum = sum.wrapping_add(bucket.load(Relaxed));
        }
        self.longer = self.longer.wrapping_add(histogram.longer.load(Relaxed));
        self.nanoseconds = self.nanoseconds.wrapping_add(histogram.nanoseconds.load(Relaxed));
    }

    /// The number of durations of each bucket that has an upper bound, with that bound in seconds.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        BOUNDS.into_iter().map(seconds).zip(self.buckets).collect()
    }

    /// The number of durations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum::<u64>().wrapping_add(self.longer)
    }

    /// The sum of the durations, in seconds.
    pub fn sum(&self) -> f64 {
        seconds(self.nanoseconds)
    }
}

fn seconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(histogram: &Histogram) -> Distribution {
        let mut distribution = Distribution::default();
        distribution.add(histogram);
        distribution
    }

    #[test]
    fn a_duration_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::default();
        for microseconds in [0, 100, 101, 500, 10_000_000, 10_000_001] {
            histogram.record(Duration::from_micros(microseconds));
        }
        histogram.record(Duration::MAX);
        let distribution = of(&histogram);
        let counts: Vec<u64> = distribution.buckets().into_iter().map(|(_, count)| count).collect();
        assert_eq!(counts, [2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(distribution.count(), 7);
        assert!(distribution.buckets().is_sorted_by(|(a, _), (b, _)| a < b));
    }

    #[test]
    fn distributions_of_several_histograms_add_up() {
        let histograms = [Histogram::default(), Histogram::default()];
        let mut distribution = Distribution::default();
        for histogram in &histograms {
            histogram.record(Duration::from_millis(1500));
            distribution.add(histogram);
        }
        assert_eq!(distribution.count(), 2);
        assert!((distribution.sum() - 3.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_timer_observes_when_it_is_dropped_and_without_a_histogram_never() {
        let histogram = Arc::new(Histogram::default());
        let timer = Histogram::timer(Some(&histogram));
        assert_eq!(of(&histogram).count(), 0);
        drop(timer);
        drop(Histogram::timer(None));
        assert_eq!(of(&histogram).count(), 1);
    }
}
