//! Every metric of the server: its name, its meaning, and where its values come from.
//!
//! docs/metrics.md describes them for operators; a test compares it with this page.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, EncodeMetric as _,
        NoLabelSet,
    },
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::resources::Resources;
use crate::{
    accounts::passwords::Passwords,
    db::{Db, PoolUsage, pool_usage},
    histogram::Distribution,
    http::{cache::Cache, metrics::HttpCounters},
    mail::Delivery,
    tasks::Statuses,
};

/// Where the values come from. Reading them never waits for the database.
#[derive(Debug)]
pub struct Sources {
    /// Requests and client connections.
    pub http: Arc<HttpCounters>,
    /// The pools of the workers.
    pub pools: Arc<[Db]>,
    /// The connections of background tasks.
    pub tasks_db: Db,
    /// The cache of responses.
    pub cache: Arc<Cache>,
    /// The queue of passwords.
    pub passwords: Arc<Passwords>,
    /// The queue of e-mail.
    pub delivery: Delivery,
    /// The background tasks.
    pub tasks: Statuses,
    /// When the process started.
    pub started: DateTime<Utc>,
}

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        page.gauges("byline_build_info", "The release that runs", [(version, 1_u64)])?;
        self.requests(&mut page)?;
        self.database(&mut page)?;
        self.cache(&mut page)?;
        self.passwords(&mut page)?;
        self.tasks(&mut page)?;
        self.resources(&mut page)
    }
}

impl Sources {
    fn requests(&self, page: &mut Page<'_>) -> fmt::Result {
        let totals = self.http.totals();
        let requests = totals.requests.iter().map(|((route, method, status), count)| {
            ([("method", *method), ("route", &**route), ("status", &**status)], *count)
        });
        page.counters("byline_http_requests", "Requests that were answered", requests)?;
        let durations = totals
            .durations
            .iter()
            .map(|((route, method), durations)| ([("method", *method), ("route", &**route)], durations));
        let help = "Time from the head of a request until its response is ready to be sent";
        page.histograms("byline_http_request_duration_seconds", help, durations)?;
        page.gauge("byline_http_requests_in_flight", "Requests that are being answered", totals.in_flight)?;
        let help = "Requests whose client disconnected before the response was ready";
        page.counter("byline_http_requests_abandoned", help, totals.abandoned)?;
        let connections = &self.http.connections;
        page.gauge("byline_http_connections", "Open connections of clients", connections.open_now())?;
        let help = "Connections of clients that were accepted";
        page.counter("byline_http_connections_accepted", help, connections.accepted())?;
        page.counter("byline_cache_hits", "Responses that were served from the cache", totals.cache_hits)?;
        let help = "Reads that the cache could have served, and did not";
        page.counter("byline_cache_misses", help, totals.cache_misses)
    }

    fn database(&self, page: &mut Page<'_>) -> fmt::Result {
        let pools = pool_usage(&self.pools, &self.tasks_db);
        let of = |value: fn(&PoolUsage) -> u64| {
            pools.iter().map(move |(pool, usage)| ([("pool", *pool)], value(usage))).collect::<Vec<_>>()
        };
        let states = pools.iter().flat_map(|(pool, usage)| {
            [("in_use", usage.in_use), ("idle", usage.idle)]
                .map(|(state, number)| ([("pool", *pool), ("state", state)], number))
        });
        page.gauges("byline_database_connections", "Open connections to the database", states)?;
        let help = "Statements and transactions that wait for a connection";
        page.gauges("byline_database_waiting", help, of(|usage| usage.waiting))?;
        let help = "Connections to the database that were opened";
        page.counters("byline_database_connections_opened", help, of(|usage| usage.opened))?;
        let max = self.tasks_db.max_connections();
        page.gauge("byline_database_connections_max", "DATABASE_CONNECTIONS", max)?;
        let statements = pools.iter().map(|(pool, usage)| ([("pool", *pool)], &usage.statements));
        let help = "Time of single statements, those that begin and end transactions included";
        page.histograms("byline_database_statement_duration_seconds", help, statements)
    }

    fn cache(&self, page: &mut Page<'_>) -> fmt::Result {
        let usage = self.cache.usage();
        page.gauge("byline_cache_entries", "Responses in the cache", usage.entries)?;
        page.gauge("byline_cache_bytes", "Memory of the responses in the cache", usage.bytes)?;
        page.gauge(
            "byline_cache_max_bytes",
            "CACHE_BYTES, or 0 if the cache cannot be used",
            usage.max_bytes,
        )?;
        let help = "1 if the cache knows of all changes by other processes and is used, otherwise 0";
        page.gauge("byline_cache_trusted", help, u64::from(usage.is_trusted))
    }

    fn passwords(&self, page: &mut Page<'_>) -> fmt::Result {
        let (hashing, waiting) = self.passwords.hashing_and_waiting();
        page.gauge("byline_passwords_hashing", "Passwords that are being hashed", hashing)?;
        page.gauge("byline_passwords_waiting", "Passwords that wait to be hashed", waiting)?;
        let help = "Passwords that can be hashed at the same time";
        page.gauge("byline_passwords_max_concurrent", help, self.passwords.max_concurrent())
    }

    fn tasks(&self, page: &mut Page<'_>) -> fmt::Result {
        let tasks = self.tasks.all();
        let running = tasks.iter().map(|task| ([("task", task.name)], u64::from(task.running)));
        page.gauges("byline_task_running", "1 if the background task runs, otherwise 0", running)?;
        let restarts = tasks.iter().map(|task| ([("task", task.name)], task.restarts));
        page.counters("byline_task_restarts", "Restarts of the background task", restarts)?;
        let failures = tasks.iter().map(|task| ([("task", task.name)], task.failures));
        page.counters("byline_task_failures", "Failures of the background task", failures)?;
        let lengths = self.delivery.lengths().into_iter().flat_map(|lengths| {
            [("waiting", lengths.waiting), ("given_up", lengths.given_up)]
                .map(|(state, number)| ([("state", state)], number))
        });
        let help = "E-mail in the queue of the database, counted every few seconds";
        page.gauges("byline_mail_queue_messages", help, lengths)
    }

    fn resources(&self, page: &mut Page<'_>) -> fmt::Result {
        let resources = Resources::current();
        let one = |value: Option<u64>| value.map(|value| (NO_LABELS, value));
        page.gauges("process_resident_memory_bytes", "Resident memory", one(resources.resident_bytes))?;
        page.gauges("process_virtual_memory_bytes", "Virtual memory", one(resources.virtual_bytes))?;
        page.gauges("process_threads", "Threads", one(resources.threads))?;
        page.gauges("process_open_fds", "Open file descriptors", one(resources.open_descriptors))?;
        page.gauges("process_max_fds", "Limit on open file descriptors", one(resources.max_descriptors))?;
        let cpu = resources.cpu_seconds.map(|seconds| (NO_LABELS, seconds));
        page.counters("process_cpu_seconds", "Processor time of all threads", cpu)?;
        let help = "When the process started, as Unix time";
        page.gauge("process_start_time_seconds", help, self.started.timestamp())
    }
}

/// The labels of a metric that has none.
const NO_LABELS: [(&str, &str); 0] = [];

/// The page as it is written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    /// A counter without labels. `_total` is added to the name.
    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.counters(name, help, [(NO_LABELS, value)])
    }

    /// A gauge without labels.
    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.gauges(name, help, [(NO_LABELS, value)])
    }

    /// A counter with a value for each set of labels. `_total` is added to the name.
    fn counters<L: EncodeLabelSet, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in samples {
            ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// A gauge with a value for each set of labels.
    fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in samples {
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// A histogram for each set of labels.
    fn histograms<'d, L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, &'d Distribution)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, distribution) in samples {
            let (sum, count) = (distribution.sum(), distribution.count());
            let mut histogram = family.encode_family(&labels)?;
            histogram.encode_histogram::<NoLabelSet>(sum, count, &distribution.buckets(), None)?;
        }
        Ok(())
    }
}
