//! Measures the subjects of each row in turn, in several rounds, and reports the medians.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use byline::{
    cli::seed,
    config::Engine,
    http::paging::{Cursor, Direction},
    publishing::articles::schemas::{ArticleList, Sort},
};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    Args, Failure, pgbench,
    process::ServerProcess,
    report::{self, Line, Target},
    rows::{
        Comparisons, Drive, FEED, FEW, FLAT, HOT, MEMORY, MEMORY_REQUESTS, MIXED_MEMORY, MIXED_TARGET, Row,
        SLOW, SMALL, SOAK, Sizes, mixture, rows,
    },
    sample::{Sample, median},
    site::Site,
    wrk::{Load, Request, Wrk},
};

/// One site under load.
pub(crate) struct Bench<'a> {
    pub(crate) args: &'a Args,
    pub(crate) wrk: &'a Wrk,
    pub(crate) site: &'a Site,
    pub(crate) uncached: ServerProcess,
    pub(crate) cached: ServerProcess,
    /// A server on a site of the same engine with few articles.
    pub(crate) small: Option<ServerProcess>,
    /// The base URL of the server that Byline is compared with.
    pub(crate) against: Option<&'a str>,
    pub(crate) pgbench: Option<PathBuf>,
    pub(crate) script: PathBuf,
}

impl Bench<'_> {
    /// Measures and prints the selected rows.
    pub(crate) async fn measure(&self, engine: Engine, out: &mut impl io::Write) -> Result<(), Failure> {
        let page = format!("{}/articles/?limit=20", self.uncached.app);
        let sizes = Sizes {
            article: body(&format!("{}/articles/1", self.uncached.app)).await?.len(),
            page: body(&page).await?.len(),
            brotli: coded_body(&page, "br").await?.len(),
            feed: body(&format!("{}{FEED}", self.uncached.app)).await?.len(),
        };
        let peer_ids = match self.against {
            Some(base) => newest_id(base).await?,
            None => 0,
        };
        let cursor = self.cursor().await?;
        let selected = &self.args.rows;
        let is_selected = |row: &str| selected.is_empty() || selected.iter().any(|name| row.contains(name));
        if is_selected(MEMORY) {
            self.memory(out)?;
        }
        let comparisons = Comparisons { peer: self.against.is_some(), small: self.small.is_some() };
        for row in rows(self.site, engine, sizes, &cursor, comparisons) {
            if is_selected(&row.name) {
                self.row(&row, peer_ids, out)?;
            }
        }
        // Last, because it makes pages larger.
        if is_selected(MIXED_MEMORY) {
            self.mixed_memory(out)?;
        }
        Ok(())
    }

    /// Sends [`MEMORY_REQUESTS`] random reads of articles to a new server with its cache, and measures its
    /// memory.
    fn memory(&self, out: &mut impl io::Write) -> Result<(), Failure> {
        let server = ServerProcess::start(&self.site.variables())?;
        let load = Load {
            connections: self.args.connections,
            threads: self.args.threads,
            seconds: self.args.seconds,
        };
        let mut samples: Vec<Sample> = Vec::new();
        let mut half = None;
        let mut requests = 0.0;
        while requests < MEMORY_REQUESTS {
            let sample =
                self.measure_byline(&server, &Request::get("/articles/{id}"), self.site.articles, load)?;
            requests += sample.requests;
            if requests >= MEMORY_REQUESTS / 2.0 && half.is_none() {
                half = sample.memory;
            }
            samples.push(sample);
        }
        let memory = samples.last().and_then(|sample| sample.memory);
        let sample = Sample { memory, ..Sample::median(&samples) };
        report::line(
            out,
            &Line { name: MEMORY, sample: Some(sample), ratio: None, target: Some(Target::Memory(64.0)) },
        )?;
        let ratio = memory.zip(half).map(|(memory, half)| memory / half);
        let name = "  of its memory after the first half";
        report::line(out, &Line { name, sample: None, ratio, target: Some(Target::AtMost(FLAT)) })?;
        Ok(())
    }

    /// Sends requests of all kinds at the same time to a new server with its cache, and measures its memory.
    fn mixed_memory(&self, out: &mut impl io::Write) -> Result<(), Failure> {
        let server = ServerProcess::start(&self.site.variables())?;
        let load = Load { connections: FEW, threads: 1, seconds: SOAK * self.args.seconds };
        let run = |request: &Request| {
            let sample = self.wrk.run(&server.app, request, self.site.articles, load);
            sample.map_err(|error| error.to_string())
        };
        let mixture = mixture(self.site);
        let samples: Vec<_> = thread::scope(|scope| {
            let running: Vec<_> = mixture.iter().map(|request| scope.spawn(|| run(request))).collect();
            running.into_iter().map(|thread| thread.join().map_err(|_| "wrk panicked")).collect()
        });
        let mut sum = Sample { memory: server.memory(), ..Sample::default() };
        for sample in samples {
            let sample = sample??;
            sum.requests += sample.requests;
            sum.rate += sample.rate;
            sum.failures += sample.failures;
        }
        let target = Some(Target::Memory(MIXED_TARGET));
        report::line(out, &Line { name: MIXED_MEMORY, sample: Some(sum), ratio: None, target })?;
        Ok(())
    }

    /// A cursor at nine tenths of the list. Articles are seeded oldest first.
    async fn cursor(&self) -> Result<String, Failure> {
        let id = i32::try_from(self.site.articles / 10)?.max(1);
        let article: Value =
            serde_json::from_slice(&body(&format!("{}/articles/{id}", self.uncached.app)).await?)?;
        let written = article.get("created_at").and_then(Value::as_str).unwrap_or_default();
        let list = ArticleList {
            sort: Sort::NewestFirst,
            author: None,
            published: None,
            since: None,
            until: None,
            updated_since: None,
            updated_until: None,
            drafts: None,
            tags: Vec::new(),
        };
        let key: DateTime<Utc> = written.parse()?;
        Ok(Cursor::new(list, Direction::Next, &key, id).encode())
    }

    /// Measures Byline, then its limits, and repeats this for every round.
    fn row(&self, row: &Row, peer_ids: usize, out: &mut impl io::Write) -> Result<(), Failure> {
        let drives: Vec<&Drive> =
            std::iter::once(&row.byline).chain(row.limits.iter().map(|limit| &limit.drive)).collect();
        let mut rounds: Vec<Vec<Sample>> = vec![Vec::new(); drives.len()];
        // The first round only warms up connections, statements and the pages of the database.
        for round in 0..=self.args.rounds {
            let seconds = if round > 0 && row.slow { SLOW * self.args.seconds } else { self.args.seconds };
            let connections = if row.slow { FEW } else { self.args.connections };
            let load = Load { connections, threads: self.args.threads, seconds };
            for (samples, drive) in rounds.iter_mut().zip(&drives) {
                let sample = self.drive(drive, peer_ids, load)?;
                if round > 0 {
                    samples.extend(sample);
                }
            }
        }
        let Some((byline, limits)) = rounds.split_first() else { return Ok(()) };
        let sample = Some(Sample::median(byline));
        report::line(out, &Line { name: &row.name, sample, ratio: None, target: None })?;
        for (subject, limit) in row.limits.iter().zip(limits) {
            // Ratios of measurements that follow each other, because other work on the machine slows both
            // down.
            let pairs = byline.iter().zip(limit).filter(|(_, limit)| limit.rate > 0.0);
            let ratio = median(pairs.map(|(byline, limit)| byline.rate / limit.rate).collect());
            let name = format!("  of {}", subject.name);
            let (sample, target) = (Some(Sample::median(limit)), subject.target.map(Target::AtLeast));
            report::line(out, &Line { name: &name, sample, ratio, target })?;
        }
        if let Some(limit) = row.tail {
            let tails = byline.iter().filter_map(|sample| Some(sample.p99? / sample.p50?));
            let (ratio, target) = (median(tails.collect()), Some(Target::AtMost(limit)));
            report::line(out, &Line { name: "  p99 of p50", sample: None, ratio, target })?;
        }
        Ok(())
    }

    /// Measures one subject; `None` if the tool for it is missing.
    fn drive(&self, drive: &Drive, peer_ids: usize, load: Load) -> Result<Option<Sample>, Failure> {
        let missing = "a server that the row needs was not started";
        let sample = match drive {
            Drive::App(request) => self.measure_byline(&self.uncached, request, self.site.articles, load)?,
            Drive::Cached(request) => self.measure_byline(&self.cached, request, HOT, load)?,
            Drive::Small(request) => {
                self.measure_byline(self.small.as_ref().ok_or(missing)?, request, SMALL, load)?
            }
            Drive::Plain(request) => self.wrk.run(&self.uncached.plain, request, self.site.articles, load)?,
            Drive::Peer(request) => self.wrk.run(self.against.ok_or(missing)?, request, peer_ids, load)?,
            Drive::Pgbench => {
                let Some(pgbench) = &self.pgbench else {
                    writeln!(io::stderr(), "load: pgbench is missing; it comes with PostgreSQL's server")?;
                    return Ok(None);
                };
                pgbench::run(pgbench, &self.script, &self.site.url, self.site.articles, load)?
            }
            Drive::Bcrypt => hash_on_every_core(load.seconds)?,
        };
        Ok(Some(sample))
    }

    /// Measures Byline under load, with its CPU time and memory.
    fn measure_byline(
        &self,
        server: &ServerProcess,
        request: &Request,
        ids: usize,
        load: Load,
    ) -> Result<Sample, Failure> {
        let before = server.cpu();
        let sample = self.wrk.run(&server.app, request, ids, load)?;
        let spent = server.cpu().zip(before).map(|(after, before)| after - before);
        let cpu = spent.filter(|_| sample.requests > 0.0).map(|seconds| seconds * 1e6 / sample.requests);
        Ok(Sample { cpu, memory: server.memory(), ..sample })
    }
}

/// Measures how many passwords per second all cores together verify at Byline's default cost.
fn hash_on_every_core(seconds: u32) -> Result<Sample, Failure> {
    let hash = bcrypt::hash(seed::PASSWORD, bcrypt::DEFAULT_COST)?;
    let cores = thread::available_parallelism()?.get();
    let started = Instant::now();
    let end = started + Duration::from_secs(seconds.into());
    let rate: f64 = thread::scope(|scope| {
        let verify = || {
            let mut verified = 0.0;
            while Instant::now() < end && bcrypt::verify(seed::PASSWORD, &hash).unwrap_or(false) {
                verified += 1.0;
            }
            verified / started.elapsed().as_secs_f64()
        };
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(verify)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).sum()
    });
    Ok(Sample { requests: rate * f64::from(seconds), rate, ..Sample::default() })
}

async fn body(url: &str) -> Result<Vec<u8>, Failure> {
    coded_body(url, "identity").await
}

async fn coded_body(url: &str, coding: &str) -> Result<Vec<u8>, Failure> {
    let request = awc::Client::default().get(url).insert_header(("accept-encoding", coding)).no_decompress();
    let mut response = request.send().await.map_err(|error| format!("{url}: {error}"))?;
    if !response.status().is_success() {
        return Err(format!("{url}: {}", response.status()).into());
    }
    Ok(response.body().limit(64 << 20).await?.to_vec())
}

/// The newest id of another server. Its ids are assumed to start at 1 without gaps.
async fn newest_id(base: &str) -> Result<usize, Failure> {
    let page: Value = serde_json::from_slice(&body(&format!("{base}/articles/?limit=1")).await?)?;
    let id =
        page.pointer("/0/id").and_then(Value::as_u64).ok_or_else(|| format!("{base} has no articles"))?;
    Ok(usize::try_from(id)?)
}
