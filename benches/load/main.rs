//! Load: what Byline serves, beside what the machine could serve at most, in one run.
//!
//! ```text
//! cargo bench --bench load                                              SQLite
//! FSYNC=on .ci/with-postgres cargo bench --bench load                   SQLite and PostgreSQL
//! … -- --articles 1000,1000000 --rows list,POST --against http://127.0.0.1:8100
//! ```
//!
//! Every subject of a row is measured in turn, and that several times: the medians of such rounds can be compared on a
//! machine that does other things too. Settings of Byline are taken from the environment (`LOG`, `WORKERS`,
//! `DATABASE_CONNECTIONS`, …).

mod limits;
mod pgbench;
mod pools;
mod process;
mod report;
mod rows;
mod sample;
mod server;
mod site;
mod statements;
mod wrk;

use std::{
    env, fs,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use actix_web::rt::System;
use byline::{
    articles::schemas::{List, Sort},
    config::Engine,
    pagination::{Cursor, Direction},
    seed,
};
use clap::Parser;
use serde_json::Value;

use self::{
    process::ServerProcess,
    report::Line,
    rows::{Drive, HOT, Row, Sizes, rows},
    sample::Sample,
    site::Site,
    statements::Statements,
    wrk::{Force, Wrk},
};

/// Anything that ends the run; printed in one line.
type Failure = Box<dyn std::error::Error>;

/// Measures Byline against its limits.
#[derive(Debug, Parser)]
struct Args {
    /// Sizes of the site, in articles of 1 KB
    #[arg(long, value_delimiter = ',', default_value = "100000")]
    articles: Vec<usize>,
    /// `sqlite`, `postgres`; without it SQLite, and PostgreSQL where `TEST_DATABASE_URL` leads to one
    #[arg(long, value_delimiter = ',')]
    engines: Vec<String>,
    /// Only rows whose name holds one of these
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Clients that ask at the same time
    #[arg(long, default_value_t = 32)]
    connections: u32,
    /// Threads of the load generator
    #[arg(long, default_value_t = 1)]
    threads: u32,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 2)]
    seconds: u32,
    /// Measurements of each subject
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The base URL of another server with the same contract
    #[arg(long)]
    against: Option<String>,
    /// Be the server under load
    #[arg(long, hide = true)]
    serve: bool,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = if args.serve { server::serve() } else { System::new().block_on(run(&args)) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where standard error is gone, the exit code still tells.
            let _ = writeln!(io::stderr(), "load: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let wrk = Wrk::find(directory.path())?;
    let postgres = env::var("TEST_DATABASE_URL").ok();
    let mut out = io::stdout();

    for engine in engines(args, postgres.as_deref())? {
        let server = postgres.as_deref().filter(|_| engine == Engine::Postgres);
        for &articles in &args.articles {
            let site = Site::new(server, articles).await?;
            let script = directory.path().join("read.sql");
            fs::write(&script, Statements::of(engine).read_for_pgbench())?;
            let mut uncached = site.variables().to_vec();
            uncached.push(("CACHE_BYTES", "0".to_owned()));
            let process = ServerProcess::start(&uncached)?;
            let cached = ServerProcess::start(&site.variables())?;
            let bench =
                Bench { args, wrk: &wrk, site: &site, process, cached, pgbench: pgbench::find(), script };
            let cores = thread::available_parallelism()?;
            report::heading(
                &mut out,
                &format!("{engine:?}, {articles} articles, {} connections, {cores} cores", args.connections),
            )?;
            bench.measure(engine, &mut out).await?;
            writeln!(out, "\nload average of the last minute: {}", load_average())?;
            drop(bench);
            site.remove().await?;
        }
    }
    Ok(())
}

fn engines(args: &Args, postgres: Option<&str>) -> Result<Vec<Engine>, Failure> {
    if args.engines.is_empty() {
        if postgres.is_none() {
            writeln!(
                io::stderr(),
                "load: without TEST_DATABASE_URL only SQLite is measured (see .ci/with-postgres)"
            )?;
        }
        return Ok([Some(Engine::Sqlite), postgres.map(|_| Engine::Postgres)]
            .into_iter()
            .flatten()
            .collect());
    }
    args.engines
        .iter()
        .map(|name| match (name.as_str(), postgres) {
            ("sqlite", _) => Ok(Engine::Sqlite),
            ("postgres", Some(_)) => Ok(Engine::Postgres),
            ("postgres", None) => Err("PostgreSQL needs TEST_DATABASE_URL (see .ci/with-postgres)".into()),
            (other, _) => Err(format!("no engine is called {other}").into()),
        })
        .collect()
}

/// One site under load.
struct Bench<'a> {
    args: &'a Args,
    wrk: &'a Wrk,
    site: &'a Site,
    process: ServerProcess,
    cached: ServerProcess,
    pgbench: Option<PathBuf>,
    script: PathBuf,
}

impl Bench<'_> {
    async fn measure(&self, engine: Engine, out: &mut impl io::Write) -> Result<(), Failure> {
        let sizes = Sizes {
            article: body(&format!("{}/articles/1", self.process.app)).await?.len(),
            page: body(&format!("{}/articles/?limit=20", self.process.app)).await?.len(),
        };
        let peer_ids = match &self.args.against {
            Some(base) => newest_id(base).await?,
            None => 0,
        };
        let cursor = self.cursor().await?;
        for row in rows(self.site, engine, sizes, &cursor, self.args.against.is_some()) {
            let wanted = &self.args.rows;
            if wanted.is_empty() || wanted.iter().any(|name| row.name.contains(name)) {
                self.row(&row, peer_ids, out)?;
            }
        }
        Ok(())
    }

    /// A place nine tenths into the list: articles are seeded oldest first.
    async fn cursor(&self) -> Result<String, Failure> {
        let id = i32::try_from(self.site.articles / 10)?.max(1);
        let article: Value =
            serde_json::from_slice(&body(&format!("{}/articles/{id}", self.process.app)).await?)?;
        let written = article.get("created_at").and_then(Value::as_str).unwrap_or_default();
        let list = List { sort: Sort::NewestFirst, author: None, published: None, since: None, until: None };
        Ok(Cursor::new(list, Direction::Next, written.parse()?, id).encode())
    }

    /// Byline, its limits, Byline, its limits, …
    fn row(&self, row: &Row, peer_ids: usize, out: &mut impl io::Write) -> Result<(), Failure> {
        let drives: Vec<&Drive> =
            std::iter::once(&row.byline).chain(row.limits.iter().map(|limit| &limit.drive)).collect();
        let mut rounds: Vec<Vec<Sample>> = vec![Vec::new(); drives.len()];
        // The first round warms up: connections, statements, the pages of the database.
        for round in 0..=self.args.rounds {
            let seconds = if round == 0 { 1 } else { self.args.seconds };
            let connections = row.connections.unwrap_or(self.args.connections);
            let force = Force { connections, threads: self.args.threads, seconds };
            for (samples, drive) in rounds.iter_mut().zip(&drives) {
                let sample = self.drive(drive, peer_ids, force)?;
                if round > 0 {
                    samples.extend(sample);
                }
            }
        }
        let medians: Vec<Sample> = rounds.iter().map(|samples| Sample::median(samples)).collect();
        let Some((byline, limits)) = medians.split_first() else { return Ok(()) };
        report::line(out, &Line { name: &row.name, sample: *byline, ratio: None, target: None })?;
        for (subject, &sample) in row.limits.iter().zip(limits) {
            let ratio = (sample.rate > 0.0).then(|| byline.rate / sample.rate);
            let name = format!("  of {}", subject.name);
            report::line(out, &Line { name: &name, sample, ratio, target: subject.target })?;
        }
        if let (Some(most), Some((p50, p99))) = (row.tail, byline.p50.zip(byline.p99)) {
            report::at_most(out, "  p99 of p50", p99 / p50, most)?;
        }
        Ok(())
    }

    /// None where the tool for it is missing.
    fn drive(&self, drive: &Drive, peer_ids: usize, force: Force) -> Result<Option<Sample>, Failure> {
        let (process, base, request, ids) = match drive {
            Drive::App(request) => (&self.process, self.process.app.as_str(), request, self.site.articles),
            Drive::Cached(request) => (&self.cached, self.cached.app.as_str(), request, HOT),
            Drive::Plain(request) => {
                (&self.process, self.process.plain.as_str(), request, self.site.articles)
            }
            Drive::Peer(request) => {
                let base = self.args.against.as_deref().unwrap_or_default();
                return self.wrk.run(base, request, peer_ids, force).map(Some);
            }
            Drive::Pgbench => {
                let Some(pgbench) = &self.pgbench else {
                    writeln!(io::stderr(), "load: pgbench is missing; it comes with PostgreSQL's server")?;
                    return Ok(None);
                };
                return pgbench::run(pgbench, &self.script, &self.site.url, self.site.articles, force)
                    .map(Some);
            }
            Drive::Bcrypt => return hash_on_every_core(force.seconds).map(Some),
        };
        let before = process.cpu();
        let sample = self.wrk.run(base, request, ids, force)?;
        let spent = process.cpu().zip(before).map(|(after, before)| after - before);
        let cpu = spent.filter(|_| sample.requests > 0.0).map(|seconds| seconds * 1e6 / sample.requests);
        Ok(Some(Sample { cpu, memory: process.memory(), ..sample }))
    }
}

/// How often a second all cores together verify a password at the cost that is Byline's default.
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
    let mut answer =
        awc::Client::default().get(url).send().await.map_err(|error| format!("{url}: {error}"))?;
    if !answer.status().is_success() {
        return Err(format!("{url}: {}", answer.status()).into());
    }
    Ok(answer.body().limit(64 << 20).await?.to_vec())
}

/// Ids of another server's articles are taken to begin with 1 and to have no gaps.
async fn newest_id(base: &str) -> Result<usize, Failure> {
    let page: Value = serde_json::from_slice(&body(&format!("{base}/articles/?limit=1")).await?)?;
    let id =
        page.pointer("/0/id").and_then(Value::as_u64).ok_or_else(|| format!("{base} has no articles"))?;
    Ok(usize::try_from(id)?)
}

/// Of the last minute; other work on this machine shows here.
fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
