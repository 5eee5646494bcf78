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
    #[arg(long, default_value_t = 1)]
    seconds: u32,
    /// Measurements of each subject
    #[arg(long, default_value_t = 5)]
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

/// Of the last minute; other work on this machine shows here.
fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
