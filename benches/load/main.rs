//! Load benchmark: measures the throughput of Byline and the limits of the machine in one run.
//!
//! ```text
//! cargo bench --bench load                                              SQLite
//! FSYNC=on .ci/with-postgres cargo bench --bench load                   SQLite and PostgreSQL
//! … -- --articles 100000 --rows list,POST --against http://127.0.0.1:8100
//! … -- --attack                                                         attacks, and what they cost
//! ```
//!
//! The subjects of a row are measured in turn, in several rounds, so that their medians are comparable even
//! if the machine also does other work. Settings of Byline are read from the environment (`LOG`, `WORKERS`,
//! `DATABASE_CONNECTIONS`, …).

mod attack;
mod bench;
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
};

use actix_web::rt::System;
use byline::config::Engine;
use clap::Parser;

use self::{
    bench::Bench,
    process::{Peer, ServerProcess},
    rows::SMALL,
    site::Site,
    statements::Statements,
    wrk::Wrk,
};

/// The number of articles of 1 KB of the server that is attacked.
const ATTACKED: usize = 100_000;

/// An error that ends the run. It is printed in one line.
type Failure = Box<dyn std::error::Error>;

/// Compare the throughput of Byline with the limits of the machine.
#[derive(Debug, Parser)]
struct Args {
    /// Numbers of articles to measure with; an article has 1 KB
    #[arg(long, value_delimiter = ',', default_value = "1000,100000,1000000")]
    articles: Vec<usize>,
    /// `sqlite` or `postgres`. By default SQLite, and PostgreSQL if `TEST_DATABASE_URL` is set
    #[arg(long, value_delimiter = ',')]
    engines: Vec<String>,
    /// Measure only the rows whose name contains one of these texts
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Number of concurrent connections
    #[arg(long, default_value_t = 32)]
    connections: u32,
    /// Number of threads of the load generator
    #[arg(long, default_value_t = 1)]
    threads: u32,
    /// Duration of one measurement, in seconds
    #[arg(long, default_value_t = 1)]
    seconds: u32,
    /// Number of measurements of each subject
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Base URL of another server with the same contract, to compare with
    #[arg(long)]
    against: Option<String>,
    /// Path of a uvicorn that has the peer's requirements installed. Starts the FastAPI peer on the
    /// PostgreSQL database, to compare with
    #[arg(long, conflicts_with = "against")]
    peer: Option<PathBuf>,
    /// Attack the program as it is released, on 100,000 articles, and fail if a bound is exceeded
    #[arg(long, conflicts_with_all = ["articles", "against", "peer"])]
    attack: bool,
    /// Run the server under load
    #[arg(long, hide = true)]
    serve: bool,
    /// Passed by cargo to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = if args.serve { server::serve() } else { System::new().block_on(run(&args)) };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // If standard error is closed, the exit code alone reports the failure.
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
    if args.attack {
        return attack(args, &wrk, &engines, postgres.as_deref(), &mut out).await;
    }

    for &articles in &args.articles {
        let mut sites = Vec::new();
        for &engine in &engines {
            sites.push((engine, Site::new(engine, postgres.as_deref(), articles).await?));
        }
        let peer = match &args.peer {
            Some(uvicorn) => {
                let on_postgres = sites.iter().find(|(engine, _)| *engine == Engine::Postgres);
                let (_, site) =
                    on_postgres.ok_or("the peer needs PostgreSQL: add it to the measured engines")?;
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
            site.wait_until_indexed().await?;
            if let Some(small) = &small {
                small.wait_until_indexed().await?;
            }
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

/// Attacks a server on each engine.
async fn attack(
    args: &Args,
    wrk: &Wrk,
    engines: &[Engine],
    postgres: Option<&str>,
    out: &mut impl io::Write,
) -> Result<(), Failure> {
    let mut exceeded = 0;
    for &engine in engines {
        let site = Site::new(engine, postgres, ATTACKED).await?;
        site.add_large_articles().await?;
        let indexer = uncached(&site)?;
        site.wait_until_indexed().await?;
        drop(indexer);
        writeln!(out, "\n{engine:?}, load average of the last minute before: {}", load_average())?;
        exceeded += attack::run(args, wrk, &site, out)?;
        site.remove().await?;
    }
    if exceeded > 0 {
        return Err(format!("{exceeded} bounds are exceeded").into());
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
            (other, _) => Err(format!("unknown engine: {other}").into()),
        })
        .collect()
}

/// The load average of the last minute, which shows other work on this machine.
fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
