//! Attacks the program as it is released, the way a stranger would, and compares what that costs with bounds
//! (docs/security-testing.md).

mod bodies;
mod client;
mod connections;
mod floods;
mod reader;

use std::{
    io::{self, Write},
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use byline::server::descriptors;

use self::reader::Reader;
use crate::{
    Args, Failure,
    process::Release,
    site::Site,
    wrk::{Load, Request, Wrk},
};

/// `WRITE_TIMEOUT_SECONDS` of the attacked server.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// `REQUEST_TIMEOUT_SECONDS` of the attacked server.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a flood lasts.
const FLOOD: Duration = Duration::from_secs(6);

/// How long the reader reads before each attack, while nothing else happens.
const QUIET: Duration = Duration::from_secs(4);

/// The maximum ratio of the reader's 99th percentile during an attack to its quiet value.
const SLOWER: f64 = 5.0;

/// A quiet 99th percentile below this counts as this, in milliseconds. Server, attacker and reader share the
/// cores, so during an attack the reader waits for one or two time slices of the scheduler, of 3 to 4 ms each.
const MIN_QUIET: f64 = 2.0;

/// The maximum ratio of the memory after an attack to its level at rest.
const LEFT: f64 = 1.3;

/// Maximum time until the memory is back at that level.
const RECOVERY: Duration = Duration::from_secs(20);

/// The server under attack.
pub(crate) struct Victim<'a> {
    site: &'a Site,
    release: Release,
}

/// A measured cost and its maximum.
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    bound: f64,
}

struct Attack {
    name: &'static str,
    /// The maximum growth of the resident memory, in MiB.
    growth: f64,
    run: fn(&Victim<'_>) -> Result<Vec<Figure>, Failure>,
}

const ATTACKS: [Attack; 8] = [
    Attack { name: "worst bodies", growth: 256.0, run: bodies::run },
    Attack { name: "60 stalled readers of 10 MB", growth: 100.0, run: connections::stalled_readers },
    Attack { name: "10,000 idle and slow connections", growth: 200.0, run: connections::idle },
    Attack { name: "33 wrong logins", growth: 64.0, run: |victim| floods::wrong_logins(victim, 33) },
    Attack { name: "200 wrong logins", growth: 64.0, run: |victim| floods::wrong_logins(victim, 200) },
    Attack { name: "33 registrations", growth: 64.0, run: floods::registrations },
    Attack { name: "16 deep pagers", growth: 64.0, run: floods::deep_pagers },
    Attack { name: "4 endless pipelines", growth: 64.0, run: floods::pipelines },
];

impl Victim<'_> {
    fn address(&self) -> SocketAddr {
        self.release.address
    }
}

impl Figure {
    fn new(name: impl Into<String>, value: f64, unit: &'static str, bound: f64) -> Self {
        Self { name: name.into(), value, unit, bound }
    }

    fn is_held(&self) -> bool {
        self.value <= self.bound
    }
}

/// Runs the selected attacks on a server on `site`, prints their figures, and returns how many bounds were
/// exceeded.
pub(crate) fn run(args: &Args, wrk: &Wrk, site: &Site, out: &mut impl Write) -> Result<usize, Failure> {
    descriptors::raise_limit();
    let mut variables = site.variables().to_vec();
    variables.extend([
        ("REGISTRATION", "open".to_owned()),
        ("LOG", "warn".to_owned()),
        ("WRITE_TIMEOUT_SECONDS", WRITE_TIMEOUT.as_secs().to_string()),
        ("REQUEST_TIMEOUT_SECONDS", REQUEST_TIMEOUT.as_secs().to_string()),
    ]);
    let victim = Victim { site, release: Release::start(&variables)? };
    warm_up(wrk, &victim)?;
    let rest = victim.release.memory()?;
    writeln!(out, "\n| {:<33} | {:<45} | {:>12} | {:>12} | held |", "attack", "figure", "measured", "bound")?;
    writeln!(out, "|:{:-<34}|:{:-<46}|{:->13}:|{:->13}:|:-----|", "", "", "", "")?;
    let selected =
        |attack: &&Attack| args.rows.is_empty() || args.rows.iter().any(|name| attack.name.contains(name));
    let mut exceeded = 0;
    for attack in ATTACKS.iter().filter(selected) {
        for figure in measure(attack, &victim, rest)? {
            line(out, attack.name, &figure)?;
            exceeded += usize::from(!figure.is_held());
        }
    }
    Ok(exceeded)
}

/// Fills the cache, opens the connections to the database and starts the threads for passwords, so that the
/// memory at rest is that of a server in use.
fn warm_up(wrk: &Wrk, victim: &Victim<'_>) -> Result<(), Failure> {
    let base = format!("http://{}", victim.address());
    let load = Load { connections: 32, threads: 1, seconds: 3 };
    for path in ["/articles/{id}", "/articles/?limit=20"] {
        wrk.run(&base, &Request::get(path), victim.site.articles, load)?;
    }
    floods::log_in(victim)?;
    Ok(())
}

/// Runs one attack while an ordinary reader reads.
fn measure(attack: &Attack, victim: &Victim<'_>, rest: f64) -> Result<Vec<Figure>, Failure> {
    let reader = || Reader::start(victim.address(), victim.site.articles);
    let quiet = reader();
    thread::sleep(QUIET);
    let quiet = quiet.finish()?;
    victim.release.reset_peak()?;
    let before = victim.release.memory()?;

    let reader = reader();
    // Its connections are open before those of the attack are counted.
    thread::sleep(Duration::from_millis(500));
    let mut figures = (attack.run)(victim)?;
    let reads = reader.finish()?;
    let growth = victim.release.peak_memory()? - before;
    let end = Instant::now() + RECOVERY;
    while victim.release.memory()? > LEFT * rest && Instant::now() < end {
        thread::sleep(Duration::from_millis(200));
    }

    let name = format!("p99 of a reader, quiet {:.1} ms", quiet.p99);
    figures.extend([
        Figure::new(name, reads.p99, "ms", SLOWER * quiet.p99.max(MIN_QUIET)),
        Figure::new(format!("failed of {} reads", reads.count), reads.failures, "", 0.0),
        Figure::new(format!("growth of memory from {before:.0} MiB"), growth, "MiB", attack.growth),
        Figure::new("memory after it, of memory at rest", victim.release.memory()? / rest, "", LEFT),
    ]);
    Ok(figures)
}

fn line(out: &mut impl Write, attack: &str, figure: &Figure) -> io::Result<()> {
    let held = if figure.is_held() { "yes" } else { "NO" };
    let digits = usize::from(figure.value.fract() != 0.0 && figure.value < 100.0);
    let digits = if figure.unit.is_empty() { 2 * digits } else { digits };
    let value = format!("{:.digits$} {}", figure.value, figure.unit);
    let bound = format!("≤ {} {}", (figure.bound * 10.0).round() / 10.0, figure.unit);
    let (value, bound) = (value.trim(), bound.trim());
    writeln!(out, "| {attack:<33} | {:<45} | {value:>12} | {bound:>12} | {held:<4} |", figure.name)?;
    out.flush()
}
