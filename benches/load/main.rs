//! Load: what Byline serves, beside what the machine could serve at most, in one run.
//!
//! ```text
//! cargo bench --bench load                                              SQLite
//! FSYNC=on .ci/with-postgres cargo bench --bench load                   SQLite and PostgreSQL
//! … -- --articles 100000 --rows list,POST --against http://127.0.0.1:8100
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
    process::{Peer, ServerProcess},
    report::{Line, Target},
    rows::{Beside, Drive, FLAT, HOT, MEMORY, MEMORY_REQUESTS, Row, SMALL, Sizes, rows},
    sample::Sample,
    site::Site,
    statements::Statements,
    wrk::{Force, Request, Wrk},
};

/// Anything that ends the run; printed in one line.
type Failure = Box<dyn std::error::Error>;

/// Measures Byline against its limits.
#[derive(Debug, Parser)]
struct Args {
    /// Sizes of the site, in articles of 1 KB
    #[arg(long, value_delimiter = ',', default_value = "1000,100000,1000000")]
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
    /// The uvicorn of an environment with the peer's requirements: puts the FastAPI peer beside Byline, on the PostgreSQL
    /// database of the same size
    #[arg(long, conflicts_with = "against")]
    peer: Option<PathBuf>,
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

    let engines = engines(args, postgres.as_deref())?;

    for &articles in &args.articles {
        let mut sites = Vec::new();
        for &engine in &engines {
            sites.push((engine, Site::new(engine, postgres.as_deref(), articles).await?));
        }
        let peer = match &args.peer {
            Some(uvicorn) => {
                let on_postgres = sites.iter().find(|(engine, _)| *engine == Engine::Postgres);
                let (_, site) = on_postgres.ok_or("the peer needs PostgreSQL to be measured too")?;
                Some(Peer::start(uvicorn, &site.url)?)
            }
            None => None,
        };
        let against = peer.as_ref().map(|peer| peer.base.as_str()).or(args.against.as_deref());
        for (engine, site) in &sites {
            let small = if articles > SMALL {
                Some(Site::new(*engine, postgres.as_deref(), SMALL).await?)
            } else {
                None
            };
            let script = directory.path().join("read.sql");
            fs::write(&script, Statements::of(*engine).read_for_pgbench())?;
            let bench = Bench {
                args,
                wrk: &wrk,
                site,
                uncached: uncached(site)?,
                cached: ServerProcess::start(&site.variables())?,
                small: small.as_ref().map(uncached).transpose()?,
                against,
                pgbench: pgbench::find(),
                script,
            };
            let cores = thread::available_parallelism()?;
            report::heading(
                &mut out,
                &format!("{engine:?}, {articles} articles, {} connections, {cores} cores", args.connections),
            )?;
            bench.measure(*engine, &mut out).await?;
            writeln!(out, "\nload average of the last minute: {}", load_average())?;
            drop(bench);
            if let Some(small) = small {
                small.remove().await?;
            }
        }
        drop(peer);
        for (_, site) in sites {
            site.remove().await?;
        }
    }
    Ok(())
}

/// A server without a cache.
fn uncached(site: &Site) -> Result<ServerProcess, Failure> {
    let mut variables = site.variables().to_vec();
    variables.push(("CACHE_BYTES", "0".to_owned()));
    ServerProcess::start(&variables)
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
    uncached: ServerProcess,
    cached: ServerProcess,
    /// On a site of the same engine with few articles.
    small: Option<ServerProcess>,
    /// The base URL of the server beside Byline.
    against: Option<&'a str>,
    pgbench: Option<PathBuf>,
    script: PathBuf,
}

impl Bench<'_> {
    async fn measure(&self, engine: Engine, out: &mut impl io::Write) -> Result<(), Failure> {
        let page = format!("{}/articles/?limit=20", self.uncached.app);
        let sizes = Sizes {
            article: body(&format!("{}/articles/1", self.uncached.app)).await?.len(),
            page: body(&page).await?.len(),
            brotli: coded_body(&page, "br").await?.len(),
        };
        let peer_ids = match self.against {
            Some(base) => newest_id(base).await?,
            None => 0,
        };
        let cursor = self.cursor().await?;
        let wanted = &self.args.rows;
        let is_wanted = |row: &str| wanted.is_empty() || wanted.iter().any(|name| row.contains(name));
        if is_wanted(MEMORY) {
            self.memory(out)?;
        }
        let beside = Beside { peer: self.against.is_some(), small: self.small.is_some() };
        for row in rows(self.site, engine, sizes, &cursor, beside) {
            if is_wanted(&row.name) {
                self.row(&row, peer_ids, out)?;
            }
        }
        Ok(())
    }

    /// A fresh server with its cache, asked for articles at random until it answered [`MEMORY_REQUESTS`].
    fn memory(&self, out: &mut impl io::Write) -> Result<(), Failure> {
        let server = ServerProcess::start(&self.site.variables())?;
        let force = Force {
            connections: self.args.connections,
            threads: self.args.threads,
            seconds: self.args.seconds,
        };
        let mut samples: Vec<Sample> = Vec::new();
        let mut half = None;
        let mut requests = 0.0;
        while requests < MEMORY_REQUESTS {
            let sample = self.asked(&server, &Request::get("/articles/{id}"), self.site.articles, force)?;
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

    /// A place nine tenths into the list: articles are seeded oldest first.
    async fn cursor(&self) -> Result<String, Failure> {
        let id = i32::try_from(self.site.articles / 10)?.max(1);
        let article: Value =
            serde_json::from_slice(&body(&format!("{}/articles/{id}", self.uncached.app)).await?)?;
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
        report::line(out, &Line { name: &row.name, sample: Some(*byline), ratio: None, target: None })?;
        for (subject, &sample) in row.limits.iter().zip(limits) {
            let ratio = (sample.rate > 0.0).then(|| byline.rate / sample.rate);
            let name = format!("  of {}", subject.name);
            let target = subject.target.map(Target::AtLeast);
            report::line(out, &Line { name: &name, sample: Some(sample), ratio, target })?;
        }
        if let (Some(most), Some((p50, p99))) = (row.tail, byline.p50.zip(byline.p99)) {
            let (ratio, target) = (Some(p99 / p50), Some(Target::AtMost(most)));
            report::line(out, &Line { name: "  p99 of p50", sample: None, ratio, target })?;
        }
        Ok(())
    }

    /// None where the tool for it is missing.
    fn drive(&self, drive: &Drive, peer_ids: usize, force: Force) -> Result<Option<Sample>, Failure> {
        let missing = "a server that the row needs was not started";
        let sample = match drive {
            Drive::App(request) => self.asked(&self.uncached, request, self.site.articles, force)?,
            Drive::Cached(request) => self.asked(&self.cached, request, HOT, force)?,
            Drive::Small(request) => {
                self.asked(self.small.as_ref().ok_or(missing)?, request, SMALL, force)?
            }
            Drive::Plain(request) => {
                self.wrk.run(&self.uncached.plain, request, self.site.articles, force)?
            }
            Drive::Peer(request) => self.wrk.run(self.against.ok_or(missing)?, request, peer_ids, force)?,
            Drive::Pgbench => {
                let Some(pgbench) = &self.pgbench else {
                    writeln!(io::stderr(), "load: pgbench is missing; it comes with PostgreSQL's server")?;
                    return Ok(None);
                };
                pgbench::run(pgbench, &self.script, &self.site.url, self.site.articles, force)?
            }
            Drive::Bcrypt => hash_on_every_core(force.seconds)?,
        };
        Ok(Some(sample))
    }

    /// Byline under load, and what it took.
    fn asked(
        &self,
        server: &ServerProcess,
        request: &Request,
        ids: usize,
        force: Force,
    ) -> Result<Sample, Failure> {
        let before = server.cpu();
        let sample = self.wrk.run(&server.app, request, ids, force)?;
        let spent = server.cpu().zip(before).map(|(after, before)| after - before);
        let cpu = spent.filter(|_| sample.requests > 0.0).map(|seconds| seconds * 1e6 / sample.requests);
        Ok(Sample { cpu, memory: server.memory(), ..sample })
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
    coded_body(url, "identity").await
}

async fn coded_body(url: &str, coding: &str) -> Result<Vec<u8>, Failure> {
    let request = awc::Client::default().get(url).insert_header(("accept-encoding", coding)).no_decompress();
    let mut answer = request.send().await.map_err(|error| format!("{url}: {error}"))?;
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
