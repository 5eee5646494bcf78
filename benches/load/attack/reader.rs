//! An ordinary reader, whose waits show what an attack costs others.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::client::{self, Client};
use crate::Failure;

/// The number of connections.
const CONNECTIONS: usize = 4;

/// The time between two reads of one connection. So 200 articles are read per second.
const PERIOD: Duration = Duration::from_millis(20);

/// A reader at work.
pub(super) struct Reader {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Waits>>,
}

/// What the reader measured.
pub(super) struct Reads {
    pub(super) count: usize,
    /// Milliseconds.
    pub(super) p99: f64,
    /// The number of reads that were not answered with an article.
    pub(super) failures: f64,
}

#[derive(Default)]
struct Waits {
    times: Vec<Duration>,
    failures: u32,
}

impl Reader {
    /// Starts to read articles with ids up to `ids`. Few of them are read twice, so the cache rarely helps.
    pub(super) fn start(server: SocketAddr, ids: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..CONNECTIONS).map(|number| {
            let stop = Arc::clone(&stop);
            let phase = PERIOD.mul_f64(0.25) * u32::try_from(number).unwrap_or(0);
            thread::spawn(move || {
                thread::sleep(phase);
                read(server, ids, number, &stop)
            })
        });
        Self { threads: threads.collect(), stop }
    }

    /// Stops and returns what was measured.
    pub(super) fn finish(self) -> Result<Reads, Failure> {
        self.stop.store(true, Relaxed);
        let (mut times, mut failures) = (Vec::new(), 0);
        for thread in self.threads {
            let waits = thread.join().map_err(|_| "a thread of the reader panicked")?;
            times.extend(waits.times);
            failures += waits.failures;
        }
        times.sort_unstable();
        let p99 = times.get(times.len() * 99 / 100).ok_or("nothing was read")?;
        Ok(Reads { count: times.len(), p99: p99.as_secs_f64() * 1e3, failures: failures.into() })
    }
}

/// Reads on one connection.
fn read(server: SocketAddr, ids: usize, number: usize, stop: &AtomicBool) -> Waits {
    let mut waits = Waits::default();
    let mut connection = None;
    let mut due = Instant::now();
    let mut id = number;
    while !stop.load(Relaxed) {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // A read that the previous one has delayed has waited since it was due.
        let started = if due.elapsed() > PERIOD { due } else { Instant::now() };
        due += PERIOD;
        // A step that is prime to most numbers of articles.
        id = (id + 7919 * CONNECTIONS) % ids;
        let request = client::get(&format!("/articles/{}", id + 1));
        let answered = connection
            .take()
            .map_or_else(|| Client::connect(server, Duration::from_secs(30)), Ok)
            .and_then(|mut client| Ok((client.exchange(&request)?, client)));
        waits.times.push(started.elapsed());
        match answered {
            Ok((response, client)) if response.status == 200 => connection = Some(client),
            _ => waits.failures += 1,
        }
    }
    waits
}
