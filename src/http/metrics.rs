//! What is counted about requests and client connections.
//!
//! Each worker has counters of its own, so that workers do not wait for each other's caches. The counters of a
//! route are looked up when it is registered: counting a request takes a few atomic additions, no lock and no
//! allocation.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use actix_web::http::{Method, StatusCode};

use crate::histogram::{Distribution, Histogram};

/// The methods that are counted separately. All others count as [`OTHER`].
static METHODS: [Method; METHOD_COUNT] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// The number of these methods.
const METHOD_COUNT: usize = 7;

/// The label of other methods and other statuses.
const OTHER: &str = "other";

/// The label of requests to paths that no route has.
const UNMATCHED: &str = "unmatched";

/// The statuses that are counted separately, as ranges.
const STATUSES: [std::ops::Range<usize>; 4] = [200..210, 300..310, 400..452, 500..512];

/// The number of these statuses.
const STATUS_COUNT: usize = 84;

/// The route that serves a request, as the data of its resource.
#[derive(Debug)]
pub struct MatchedRoute {
    /// The path as it was declared.
    pub pattern: Arc<str>,
    counters: Option<Arc<RouteCounters>>,
}

/// The counters of one route.
#[derive(Debug, Default)]
pub struct RouteCounters {
    methods: [OnceLock<Box<MethodCounters>>; METHOD_COUNT],
    other: OnceLock<Box<MethodCounters>>,
}

#[derive(Debug)]
struct MethodCounters {
    statuses: [AtomicU64; STATUS_COUNT],
    other: AtomicU64,
    durations: Histogram,
}

impl Default for MethodCounters {
    fn default() -> Self {
        Self {
            statuses: std::array::from_fn(|_| AtomicU64::new(0)),
            other: AtomicU64::new(0),
            durations: Histogram::default(),
        }
    }
}

impl RouteCounters {
    fn count(&self, method: &Method, status: StatusCode, duration: Duration) {
        let mut known = METHODS.iter().zip(&self.methods);
        let counters =
            known.find(|(known, _)| *known == method).map_or(&self.other, |(_, counters)| counters);
        let counters = counters.get_or_init(Box::default);
        let number = position(usize::from(status.as_u16()));
        let status = number.and_then(|number| counters.statuses.get(number)).unwrap_or(&counters.other);
        status.fetch_add(1, Relaxed);
        counters.durations.record(duration);
    }
}

/// The position of a status among those that are counted separately.
fn position(status: usize) -> Option<usize> {
    let mut before = 0;
    for range in STATUSES {
        if range.contains(&status) {
            return Some(before + status - range.start);
        }
        before += range.len();
    }
    None
}

/// The counters of one worker.
#[derive(Debug, Default)]
pub struct WorkerCounters {
    in_flight: AtomicU64,
    abandoned: AtomicU64,
    cache_hits: AtomicU64,
    cache_misses: AtomicU64,
    unmatched: RouteCounters,
    /// A worker that is restarted continues its counters.
    routes: Mutex<BTreeMap<Arc<str>, Arc<RouteCounters>>>,
}

impl WorkerCounters {
    /// A request begins.
    pub fn begin(self: &Arc<Self>) -> Measurement {
        self.in_flight.fetch_add(1, Relaxed);
        Measurement { worker: Arc::clone(self), has_ended: false }
    }

    /// A response is served from the cache.
    pub fn cache_hit(&self) {
        self.cache_hits.fetch_add(1, Relaxed);
    }

    /// A response that the cache may have is not served from it.
    pub fn cache_miss(&self) {
        self.cache_misses.fetch_add(1, Relaxed);
    }

    fn route(&self, pattern: &Arc<str>) -> Arc<RouteCounters> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(routes.entry(Arc::clone(pattern)).or_default())
    }
}

impl MatchedRoute {
    /// The route with this path, whose requests are counted by `worker`.
    pub fn new(path: &str, worker: Option<&WorkerCounters>) -> Self {
        let pattern: Arc<str> = if path.is_empty() { "/" } else { path }.into();
        Self { counters: worker.map(|worker| worker.route(&pattern)), pattern }
    }
}

/// A request that is being answered. If it is dropped before its end, the client has gone.
#[derive(Debug)]
pub struct Measurement {
    worker: Arc<WorkerCounters>,
    has_ended: bool,
}

impl Measurement {
    /// The response is ready. `route` is `None` if no route has the path.
    pub fn end(
        mut self,
        route: Option<&MatchedRoute>,
        method: &Method,
        status: StatusCode,
        duration: Duration,
    ) {
        let counters = route.and_then(|route| route.counters.as_deref());
        counters.unwrap_or(&self.worker.unmatched).count(method, status, duration);
        self.has_ended = true;
    }
}

impl Drop for Measurement {
    fn drop(&mut self) {
        self.worker.in_flight.fetch_sub(1, Relaxed);
        if !self.has_ended {
            self.worker.abandoned.fetch_add(1, Relaxed);
        }
    }
}

/// The counters of all workers and of client connections.
#[derive(Debug)]
pub struct HttpCounters {
    workers: Box<[Arc<WorkerCounters>]>,
    /// The connections of clients.
    pub connections: Arc<ClientConnections>,
}

/// The connections of clients.
#[derive(Debug, Default)]
pub struct ClientConnections {
    accepted: AtomicU64,
    closed: AtomicU64,
}

/// An open connection of a client.
#[derive(Debug)]
pub struct OpenConnection(Arc<ClientConnections>);

impl ClientConnections {
    /// A connection was accepted. It is open until the result is dropped.
    pub fn open(self: &Arc<Self>) -> OpenConnection {
        self.accepted.fetch_add(1, Relaxed);
        OpenConnection(Arc::clone(self))
    }

    /// The number of connections that were accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// The number of open connections.
    pub fn open_now(&self) -> u64 {
        // In this order, so that the difference is never negative.
        let closed = self.closed.load(Relaxed);
        self.accepted.load(Relaxed).saturating_sub(closed)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Relaxed);
    }
}

/// What the workers have counted together.
#[derive(Debug, Default)]
pub struct HttpTotals {
    /// Requests that are being answered.
    pub in_flight: u64,
    /// Requests whose client has gone before the response.
    pub abandoned: u64,
    /// Responses from the cache.
    pub cache_hits: u64,
    /// Responses that the cache could have had.
    pub cache_misses: u64,
    /// Requests by route, method and status.
    pub requests: BTreeMap<(Arc<str>, &'static str, String), u64>,
    /// Durations by route and method.
    pub durations: BTreeMap<(Arc<str>, &'static str), Distribution>,
}

impl HttpCounters {
    /// Counters for a number of workers.
    pub fn new(workers: usize) -> Self {
        Self { workers: (0..workers).map(|_| Arc::default()).collect(), connections: Arc::default() }
    }

    /// The counters of a worker.
    pub fn worker(&self, number: usize) -> Option<Arc<WorkerCounters>> {
        self.workers.get(number).cloned()
    }

    /// What all workers have counted so far.
    pub fn totals(&self) -> HttpTotals {
        let mut totals = HttpTotals::default();
        let unmatched: Arc<str> = UNMATCHED.into();
        for worker in &self.workers {
            totals.in_flight = totals.in_flight.saturating_add(worker.in_flight.load(Relaxed));
            totals.abandoned = totals.abandoned.saturating_add(worker.abandoned.load(Relaxed));
            totals.cache_hits = totals.cache_hits.saturating_add(worker.cache_hits.load(Relaxed));
            totals.cache_misses = totals.cache_misses.saturating_add(worker.cache_misses.load(Relaxed));
            totals.add(&unmatched, &worker.unmatched);
            let routes = worker.routes.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for (pattern, counters) in &routes {
                totals.add(pattern, counters);
            }
        }
        totals
    }
}

impl HttpTotals {
    fn add(&mut self, pattern: &Arc<str>, route: &RouteCounters) {
        let known = METHODS.iter().map(method_label).zip(&route.methods);
        for (method, counters) in known.chain([(OTHER, &route.other)]) {
            let Some(counters) = counters.get() else { continue };
            let statuses = STATUSES.into_iter().flatten().map(|status| status.to_string());
            let counts = statuses.zip(&counters.statuses).chain([(OTHER.to_owned(), &counters.other)]);
            for (status, count) in counts {
                let count = count.load(Relaxed);
                if count > 0 {
                    let total = self.requests.entry((Arc::clone(pattern), method, status)).or_default();
                    *total = total.saturating_add(count);
                }
            }
            self.durations.entry((Arc::clone(pattern), method)).or_default().add(&counters.durations);
        }
    }
}

/// The label of a method that is counted separately.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(worker: &Arc<WorkerCounters>, route: Option<&MatchedRoute>, method: &Method, status: u16) {
        let status = StatusCode::from_u16(status).unwrap();
        worker.begin().end(route, method, status, Duration::from_millis(3));
    }

    fn counted(counters: &HttpCounters) -> Vec<String> {
        let requests = counters.totals().requests;
        requests.iter().map(|((route, method, status), n)| format!("{method} {route} {status} {n}")).collect()
    }

    #[test]
    fn requests_are_counted_by_route_method_and_status_over_all_workers() {
        let counters = HttpCounters::new(2);
        for number in [0, 1, 1] {
            let worker = counters.worker(number).unwrap();
            let route = MatchedRoute::new("/articles", Some(&worker));
            request(&worker, Some(&route), &Method::GET, 200);
        }
        let worker = counters.worker(0).unwrap();
        request(&worker, Some(&MatchedRoute::new("", Some(&worker))), &Method::POST, 451);
        assert_eq!(counted(&counters), ["POST / 451 1", "GET /articles 200 3"]);
        let durations = counters.totals().durations;
        assert_eq!(durations.get(&("/articles".into(), "GET")).unwrap().count(), 3);
    }

    #[test]
    fn unknown_paths_methods_and_statuses_share_labels() {
        let counters = HttpCounters::new(1);
        let worker = counters.worker(0).unwrap();
        request(&worker, None, &Method::from_bytes(b"BREW").unwrap(), 404);
        request(&worker, None, &Method::TRACE, 404);
        request(&worker, None, &Method::GET, 999);
        request(&worker, None, &Method::GET, 100);
        assert_eq!(counted(&counters), ["GET unmatched other 2", "other unmatched 404 2"]);
    }

    #[test]
    fn every_status_has_a_place_of_its_own() {
        let positions: Vec<usize> = STATUSES.into_iter().flatten().filter_map(position).collect();
        assert_eq!(positions, (0..STATUS_COUNT).collect::<Vec<_>>());
        for status in [0, 100, 199, 210, 310, 399, 452, 512, 999] {
            assert_eq!(position(status), None, "{status}");
        }
    }

    #[test]
    fn a_request_is_in_flight_until_it_ends_and_abandoned_if_it_never_does() {
        let counters = HttpCounters::new(1);
        let worker = counters.worker(0).unwrap();
        let [answered, abandoned, open] = [worker.begin(), worker.begin(), worker.begin()];
        answered.end(None, &Method::GET, StatusCode::NOT_FOUND, Duration::ZERO);
        drop(abandoned);
        let totals = counters.totals();
        assert_eq!((totals.in_flight, totals.abandoned), (1, 1));
        drop(open);
        assert_eq!(counters.totals().in_flight, 0);
    }

    #[test]
    fn a_worker_that_is_restarted_continues_its_counters() {
        let counters = HttpCounters::new(1);
        let worker = counters.worker(0).unwrap();
        for _ in 0..2 {
            let route = MatchedRoute::new("/articles", Some(&worker));
            request(&worker, Some(&route), &Method::GET, 200);
        }
        assert_eq!(counted(&counters), ["GET /articles 200 2"]);
    }

    #[test]
    fn connections_are_open_until_they_are_closed() {
        let connections = Arc::new(ClientConnections::default());
        let [first, second] = [connections.open(), connections.open()];
        drop(first);
        assert_eq!((connections.accepted(), connections.open_now()), (2, 1));
        drop(second);
        assert_eq!((connections.accepted(), connections.open_now()), (2, 0));
    }
}
